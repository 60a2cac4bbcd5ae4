"""Attacks on the shop as it runs, each with what must come of it: nothing."""
