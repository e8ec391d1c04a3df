"""What bitwise reproducibility costs in TensorFlow, and whether you really get it.

Importing this package is fast and never imports TensorFlow. Only workers import it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detcost.api import Measurement, choose, measure
    from detcost.choosing.answers import Choice
    from detcost.errors import UsageError
    from detcost.evidence.reading import read
    from detcost.evidence.schema import Evidence
    from detcost.scenarios.registry import scenario

__version__ = "0.1.0"

_PUBLIC = {
    "Choice": "detcost.choosing.answers",
    "Evidence": "detcost.evidence.schema",
    "Measurement": "detcost.api",
    "UsageError": "detcost.errors",
    "choose": "detcost.api",
    "measure": "detcost.api",
    "read": "detcost.evidence.reading",
    "scenario": "detcost.scenarios.registry",
}
__all__ = [
    "Choice",
    "Evidence",
    "Measurement",
    "UsageError",
    "choose",
    "measure",
    "read",
    "scenario",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'detcost' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
