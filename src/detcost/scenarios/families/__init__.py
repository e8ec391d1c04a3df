"""The built-in scenarios, one module a family."""
