"""Proof by injection: random programs with planted culprits, which ``locate`` must name.

``python -m detcost.selfbench.injection`` writes the programs, locates in each, and judges.
"""
