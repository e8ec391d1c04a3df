"""TensorFlow under its usual name, imported at first use.

The experiment's process lists scenarios and never runs them. So it never imports TensorFlow,
which takes seconds.
"""

from __future__ import annotations

import importlib
from typing import Any


class _TensorFlow:
    def __getattr__(self, name: str) -> Any:
        attribute = getattr(importlib.import_module("tensorflow"), name)
        setattr(self, name, attribute)
        return attribute


tf: Any = _TensorFlow()
