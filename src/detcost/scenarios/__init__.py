"""The built-in scenarios, one module a family. Importing them does not import TensorFlow."""
