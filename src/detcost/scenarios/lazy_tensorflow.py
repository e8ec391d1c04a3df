"""TensorFlow under its usual name, imported at first use.

The coordinating process lists scenarios and never runs them: it must not pay
for importing TensorFlow, nor have it in the process at all.
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
