"""Inspection of devices, versions and a user's scenarios, in a worker without a cell."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from detcost.host import cuda, devices
from detcost.scenarios.loading import load_all
from detcost.settings.grammar import DEFAULT
from detcost.workers.contract import ScenarioInfo
from detcost.workers.in_worker.in_force import read_back
from detcost.workers.in_worker.overrides import Overrides


class Inspection:
    """Answers requests in a fresh process that runs no cell."""

    def devices(self) -> list[devices.Device]:
        """Return every physical device."""
        return devices.inventory()

    def describe(self, reference: str) -> list[ScenarioInfo]:
        """Load the scenarios that a reference names, and return their properties."""
        Overrides(DEFAULT)  # else what a worker ignores would be an error here
        return [
            ScenarioInfo(
                own_reference,
                scenario.name,
                scenario.family,
                scenario.summary,
                scenario.dtypes,
                scenario.ignores,
                scenario.float64_reference,
                scenario.draws,
                scenario.expect,
                scenario.kind,
            )
            for own_reference, scenario in load_all(reference).items()
        ]

    def versions(self) -> dict[str, str]:
        """Return the versions of Python and of packages that affect bits or speed."""
        import tensorflow as tf

        build = tf.sysconfig.get_build_info()
        versions = {
            "python": platform.python_version(),
            "tensorflow": tf.version.VERSION,
            "tensorflow_git": tf.version.GIT_VERSION,
            **{f"build_{key}": str(value) for key, value in build.items() if "version" in key},
            **cuda.versions(),
        }
        for package in (*_distributions("tensorflow"), "keras", "numpy", "ml_dtypes", "detcost"):
            try:
                versions[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                continue
        return versions

    def read_back(self) -> dict[str, Any]:
        """Return TensorFlow's default configuration."""
        return read_back()


def _distributions(module: str) -> list[str]:
    return importlib.metadata.packages_distributions().get(module, [])
