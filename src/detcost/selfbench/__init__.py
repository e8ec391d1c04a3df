"""Benchmarks of detcost itself: its speed, its bias and what its perturbations find."""
