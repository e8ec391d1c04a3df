"""Folds the results of many machines into one tree, in which nothing is lost or there twice.

The result depends on what is merged alone, and not on the order or the number of merges.
"""

from detcost.farm.merging.run import Merged, merge

__all__ = ["Merged", "merge"]
