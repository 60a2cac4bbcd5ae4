"""A local Alipay: the gateway, the buyer's cashier, the notices, and a clock one can turn.

Start it with ``python -m alipay_twin``. It is a Django project of its own and needs nothing
around it.
"""

__version__ = "1.0.0"
