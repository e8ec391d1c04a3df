"""The built-in scenarios, with a module for each family."""
