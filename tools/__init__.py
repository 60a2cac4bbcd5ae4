"""What run.py does. Like run.py it imports the standard library only, as it runs before .venv is.

console      what is said to the person at the terminal
paths        where things are
environment  the settings of what is started
processes    one that runs to its end, one that cannot outlive us; supervisor is its guard
bootstrap    .venv, the libraries of two locks, the compiled translations
demo         `run.py demo`, `run.py manage` and `run.py sandbox`; data_folder is where it writes
testing      `run.py test`; browser finds it a Chromium
checks       `run.py check`
"""
