"""What bitwise reproducibility costs in TensorFlow, and whether you really get it.

Importing this package is fast and never imports TensorFlow. Only workers import it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detcost.adapters import callable as callable
    from detcost.adapters import dataset, replay, saved_model
    from detcost.adapters import keras as keras
    from detcost.api import Measurement, choose, measure
    from detcost.choosing.answers import Choice
    from detcost.errors import UsageError
    from detcost.evidence.reading import read
    from detcost.evidence.schema import Evidence
    from detcost.locating.finding import locate
    from detcost.pairing.comparing import compare
    from detcost.scenarios.registry import scenario

__version__ = "0.1.0"

_PUBLIC = {
    "Choice": "detcost.choosing.answers",
    "Evidence": "detcost.evidence.schema",
    "Measurement": "detcost.api",
    "UsageError": "detcost.errors",
    "callable": "detcost.adapters",
    "choose": "detcost.api",
    "compare": "detcost.pairing.comparing",
    "dataset": "detcost.adapters",
    "keras": "detcost.adapters",
    "locate": "detcost.locating.finding",
    "measure": "detcost.api",
    "read": "detcost.evidence.reading",
    "replay": "detcost.adapters",
    "saved_model": "detcost.adapters",
    "scenario": "detcost.scenarios.registry",
}
# Without callable and keras: a star import must not hide Python's callable or a user's keras.
__all__ = [
    "Choice",
    "Evidence",
    "Measurement",
    "UsageError",
    "choose",
    "compare",
    "dataset",
    "locate",
    "measure",
    "read",
    "replay",
    "saved_model",
    "scenario",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'detcost' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
