"""Adapters: a user's own model, pipeline or function as a scenario, by one call.

A file calls an adapter at its top level and gives the result a name, which is the scenario's name.
The program itself needs no knowledge of detcost. It is built once in every worker, after seeding.
"""

from detcost.adapters import keras
from detcost.adapters.programs import callable, dataset, saved_model
from detcost.adapters.replaying import replay

__all__ = ["callable", "dataset", "keras", "replay", "saved_model"]
