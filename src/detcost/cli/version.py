"""Versions of detcost and of TensorFlow, without importing TensorFlow."""

from __future__ import annotations

from importlib import metadata

import detcost


def text() -> str:
    """Return a line for detcost, and one for every distribution that provides TensorFlow."""
    installed = [f"{name} {metadata.version(name)}" for name in _tensorflow_distributions()]
    return "\n".join([f"detcost {detcost.__version__}", *installed])


def _tensorflow_distributions() -> list[str]:
    """Return the names of the installed builds, such as ``tensorflow-cpu`` or ``tf-nightly``."""
    providers = metadata.packages_distributions().get("tensorflow", ())
    return sorted({name.replace("_", "-") for name in providers})
