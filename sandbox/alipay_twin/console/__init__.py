"""The console: all that goes on here, live, and a button for all that the control API can do.

The buttons stand on the actions of the control API; what those refuse is told on the page.
"""
