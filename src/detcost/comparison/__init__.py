"""Costs compared: one setting against another, and the effect of one lever."""
