"""Scenarios beyond the core set: ``asv run -b more`` measures them all."""
