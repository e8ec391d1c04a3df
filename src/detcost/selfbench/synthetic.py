"""Synthetic evidence of any number of machines, to measure the report with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from detcost.evidence.schema import (
    SCOPES,
    Control,
    Controls,
    Cost,
    Divergence,
    Evidence,
    Protocol,
    StepSeconds,
    Variant,
)
from detcost.experiment.scopes import POOL_SIZES
from detcost.intervals import upper_bound_of_zero
from detcost.outputs.severity import Severity

BLOCKS = 10
FAMILIES = 8


def settings(number: int) -> list[str]:
    """Return a number of settings, ``default`` first."""
    levers = (
        ("", "op_determinism"),
        ("", "threads=1", "threads=2", "threads=4", "threads=8"),
        ("", "xla", "onednn=off", "tf32=off", "xla+tf32=off", "onednn=off+tf32=off"),
    )
    combined = (
        "+".join(filter(None, chosen)) or "default" for chosen in itertools.product(*levers)
    )
    return list(itertools.islice(combined, number))


def scenarios(number: int) -> list[tuple[str, str]]:
    """Return the names and families of a number of scenarios."""
    return [(f"scenario_{i:02}", f"family_{i % FAMILIES}") for i in range(number)]


def write(
    results: Path,
    machines: int,
    cells: Sequence[tuple[str, str]],
    of_settings: Sequence[str],
    versions: Sequence[str] = ("2.21.0",),
) -> int:
    """Write a folder of evidence for each machine, and return the number of bytes."""
    templates = {
        version: [_template(*cell, setting, version) for cell in cells for setting in of_settings]
        for version in versions
    }
    chance = np.random.default_rng(7)
    size = 0
    for number in range(machines):
        folder = results / f"machine-{number:04}"
        folder.mkdir(parents=True, exist_ok=True)
        for version, lines in templates.items():
            path = folder / f"0a1b2c3d-virtualenv-py3.11-tensorflow{version}.trials.jsonl"
            path.write_bytes(b"".join(_filled(lines, number, chance)))
            size += path.stat().st_size
    return size


#: Placeholders of a template. The lines of a machine have its own values.
_MACHINE, _DIGEST = "machine-of-the-template", "f" * 32
_COST = Cost(1.0, 0.5, 2.0, BLOCKS, [7.25 + i for i in range(BLOCKS)], "ambiguous")


def _filled(
    templates: Sequence[bytes], machine: int, chance: np.random.Generator
) -> Iterator[bytes]:
    """Yield the lines of a machine, with its name, costs and digests."""
    blocks = np.exp(chance.normal(0.2, 0.03, (len(templates), BLOCKS))).round(6).tolist()
    template_cost = msgspec.json.encode(_COST)
    for template, ratios in zip(templates, blocks, strict=True):
        cost = Cost(ratios[0], 1.19, 1.25, BLOCKS, ratios, "costs")
        line = template.replace(template_cost, msgspec.json.encode(cost))
        line = line.replace(_MACHINE.encode(), b"machine-%04d" % machine)
        yield line.replace(_DIGEST.encode(), b"%032d" % (machine % 5))


def _template(scenario: str, family: str, setting: str, version: str) -> bytes:
    """Return a line as the profile ``standard`` writes it: every scope, with its variants."""
    same = Cost(1.0, 0.99, 1.01, BLOCKS, [1.0] * BLOCKS, "free")
    record = Evidence(
        run_id=f"20260102T030405-{_MACHINE}-{version}",  # a cell counts once in each run
        measured_at="2026-01-02T03:04:05+00:00",
        scenario=scenario,
        family=family,
        setting=setting,
        device="CPU:0",
        size="medium",
        dtype="float32",
        seed=42,
        status="ok",
        cost=_COST,
        step_seconds=StepSeconds(0.002, 0.0019, 0.0021, [0.002] * BLOCKS),
        first_call_seconds=0.25,
        peak_memory_bytes=500_000_000,
        divergence={scope: _divergence(scope, setting) for scope in SCOPES},
        severity=Severity(max_ulp=3, fraction_differing=0.25, mean_relative=1e-7),
        accuracy=1e-7,
        digest=_DIGEST,
        traces=1,
        applied={"intra": 2, "inter": 2, "op_determinism": False},
        machine={"name": _MACHINE, "cpu": "Some CPU @ 2.00GHz", "usable_cores": 2},
        versions={"tensorflow": version, "python": "3.11.7"},
        protocol=Protocol("standard", 16, 0.03, 50.0, "width", False, 0, "fork"),
        controls=Controls(same, Control(20, 20, True), Control(0, 20, True)),
        commit="0a1b2c3d" * 5,
        environment=f"virtualenv-py3.11-tensorflow{version}",
    )
    return msgspec.json.encode(record) + b"\n"


def _divergence(scope: str, setting: str) -> Divergence:
    """Return counts without a difference, except for thread-pool sizes that are not fixed."""
    varies = scope == "threads" and "threads" not in setting
    labels = [str(size) for size in POOL_SIZES] if scope == "threads" else ["quiet", "loaded"]
    trials = 50 if scope == "repeat" else 1
    variants = [
        Variant(label, trials * (varies and label != "2"), trials, 1, f"{varies * i:032}")
        for i, label in enumerate(labels)
    ]
    total = sum(variant.trials for variant in variants)
    differ = sum(variant.divergent for variant in variants)
    high = 1.0 if differ else upper_bound_of_zero(total)
    return Divergence(differ, total, differ / total, 0.0, high, 1 + differ, variants=variants)
