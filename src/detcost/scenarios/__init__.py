"""Scenarios: the TensorFlow programs to measure. Importing one does not import TensorFlow."""
