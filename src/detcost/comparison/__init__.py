"""Compares costs: every setting with every other one, and the effect of each lever."""
