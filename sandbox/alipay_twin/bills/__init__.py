"""Bills: a link good for thirty seconds, behind it a zip of two CSV files.

    trade         every payment and refund of the day, by the time it was completed
    signcustomer  every movement on the merchant's account

Everything is GBK, the names inside the zip too. A day's bill is there the next morning, a month's
on the third of the next month, and only if anything happened.
"""
