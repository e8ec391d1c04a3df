"""Guards for tests: a program's bits must stay, or those of a control must be seen to differ.

The pytest plug-in is :mod:`detcost.testing.plugin`. Importing this package is fast, because pytest
loads the plug-in in every run.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detcost.testing.guard import assert_reproducible, expect_divergence

__all__ = ["assert_reproducible", "expect_divergence"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'detcost.testing' has no attribute {name!r}")
    return getattr(importlib.import_module("detcost.testing.guard"), name)
