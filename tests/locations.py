"""What ``locate`` may find, for tests that show it."""

from __future__ import annotations

from typing import Any

from detcost.locating.schema import Culprit, Hop, Location, Proof, Rate, Remedy
from detcost.outputs.severity import Severity
from factories import cost

PATH = (
    Hop("ReadVariableOp", "ReadVariableOp", "step", "model.py:44 in step"),
    Hop("MatMul", "while/MatMul", "while_body", "model.py:45 in step"),
)


def location(*culprits: Culprit, **changes: Any) -> Location:
    """Return a location in a program ``model.py:step``, with these culprits."""
    differed = 37 if culprits else 0
    fields: dict[str, Any] = {
        "scenario": "model.py:step",
        "setting": "default",
        "device": "CPU:0",
        "size": "medium",
        "dtype": "float32",
        "seed": 42,
        "scope": "repeat",
        "compared": "two runs of one process",
        "probed": Rate.of(differed, 120),
        "unprobed": Rate.of(differed + 1 if culprits else 0, 120),
        "culprits": culprits,
        "operations": 214,
        "frames": 963,
        "seconds": 31.0,
        "machine": {"name": "box", "cpu": "Some CPU @ 2.00GHz"},
        "versions": {"tensorflow": "2.21.0"},
    }
    return Location(**{**fields, **changes})


def scatter(**changes: Any) -> Culprit:
    """Return an operation that races, with its proof and two remedies."""
    fields: dict[str, Any] = {
        "kind": "operation",
        "type": "ResourceScatterAdd",
        "name": "ResourceScatterAdd",
        "graph": "step",
        "device": "CPU:0",
        "place": ("model.py:41 in update", "model.py:60 in step"),
        "inputs": ("int64[100]", "float32[100,64]"),
        "outputs": ("float32[1000,64]",),
        "call": 2,
        "rate": Rate.of(37, 120),
        "path": PATH,
        "consequences": 14,
        "proof": proof(),
        "remedies": (remedy("threads=1", ratio=1.8), remedy("xla", cures=False), remedy()),
    }
    return Culprit(**{**fields, **changes})


def proof(**changes: Any) -> Proof:
    """Return the proof of an operation that differs alone."""
    fields: dict[str, Any] = {
        "rate": Rate.of(96, 100),
        "processes": 100,
        "replayed": "ResourceScatterAdd alone",
        "forced": "16 threads",
        "severity": Severity(max_ulp=3, fraction_differing=0.01, mean_relative=1e-8),
        "folder": "located/1",
    }
    return Proof(**{**fields, **changes})


def remedy(name: str = "op_determinism", cures: bool = True, ratio: float = 1.02) -> Remedy:
    """Return a setting that was tried."""
    return Remedy(
        kind="setting",
        name=name,
        code="tf.config.experimental.enable_op_determinism()",
        alone=Rate.of(0 if cures else 80, 100),
        whole=Rate.of(0 if cures else 30, 100),
        cost=cost(ratio, ratio - 0.01, ratio + 0.01),
    )


def python_value() -> Culprit:
    """Return a value that NumPy drew without a seed."""
    return Culprit(
        kind="python",
        type="Python",
        name="noise",
        graph="step",
        place=("model.py:12 in step",),
        outputs=("float32[8]",),
        call=1,
        rate=Rate.of(6, 6),
    )
