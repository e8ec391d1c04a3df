"""Experiments: what is measured, for how long, in which order, and under which conditions."""
