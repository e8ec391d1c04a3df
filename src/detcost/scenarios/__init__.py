"""Scenarios: what a program is to detcost, and the built-in ones. None imports TensorFlow."""
