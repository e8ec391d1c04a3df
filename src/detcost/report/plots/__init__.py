"""Plots of the report: their data, their averages, and how they are drawn."""
