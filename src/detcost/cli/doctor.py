"""The doctor: this machine's hardware, its noise now, and remedies."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from detcost.evidence.schema import Control, Cost, Evidence
from detcost.experiment import profiles
from detcost.experiment.request import Request
from detcost.experiment.run import Run
from detcost.host import machine
from detcost.settings.grammar import DEFAULT
from detcost.tables.evidence_tables import cost_text

#: A common step that is neither short nor memory-bound.
PROBE = "matmul_square"


def examine() -> RenderableType:
    """Measure ``default`` against itself and the controls, and return tables of the results.

    Raises
    ------
    UsageError
        If TensorFlow is not installed.
    """
    before = machine.host_warnings()  # before a worker adds load of its own
    evidence = _noise()
    host_warnings = before + _host_warnings(evidence)
    return Group(_inventory(evidence), _controls(evidence), _advice(host_warnings))


def _noise() -> Evidence:
    request = Request((PROBE,), (DEFAULT,), ("CPU:0",), ("repeat",), profiles.PROFILES["quick"])
    return next(iter(Run(request)))


def _host_warnings(evidence: Evidence) -> list[machine.HostWarning]:
    warnings = []
    cost = evidence.cost
    if cost and cost.low and cost.high and (cost.high / cost.low) ** 0.5 - 1 > 0.05:
        warnings.append(
            machine.HostWarning(
                "after five blocks the interval of default against itself is wider than ±5 %",
                "end other programs, or use --profile full, which measures longer",
            )
        )
    if evidence.controls:
        warnings += [
            machine.HostWarning(failure, "report this, and do not use results of this machine")
            for failure in evidence.controls.failures
        ]
    return warnings


def _inventory(evidence: Evidence) -> Table:
    table = Table("this machine", "", title="hardware and software", title_justify="left")
    here = dict(evidence.machine)
    here["load"] = machine.load()
    here["memory_bytes"] = f"{here['memory_bytes'] / 2**30:.1f} GiB"
    here["cpu_flags"] = " ".join(here["cpu_flags"])
    for key, value in {**here, **evidence.versions}.items():
        table.add_row(
            key.replace("_", " ").replace(" bytes", ""), "unknown" if value is None else str(value)
        )
    pools = evidence.applied
    table.add_row("thread pools", f"intra {_pool(pools['intra'])}, inter {_pool(pools['inter'])}")
    table.add_row("oneDNN", "on" if pools["onednn"] else "off or not in this build")
    return table


def _pool(size: int) -> str:
    return str(size) if size else f"automatic ({machine.usable_cores()} cores usable)"


def _controls(evidence: Evidence) -> Table:
    table = Table("control", "result", "right", title="noise now", title_justify="left")
    controls = evidence.controls
    assert controls is not None
    table.add_row(
        "default against itself", _escaped(controls.same_setting), _aa_right(controls.same_setting)
    )
    for name, control in (
        ("known to vary", controls.varies),
        ("known to be stable", controls.stable),
    ):
        table.add_row(name, *_result(control))
    return table


def _escaped(cost: Cost | None) -> str:
    return cost_text(cost).replace("[", r"\[")


def _aa_right(cost: Cost | None) -> str:
    if cost is None:
        return "not measured"
    return "NO" if cost.verdict in ("costs", "faster") else "yes"


def _result(control: Control | None) -> tuple[str, str]:
    if control is None:
        return "not measured", "?"
    return f"{control.divergent} of {control.trials} diverged", "yes" if control.ok else "NO"


def _advice(host_warnings: list[machine.HostWarning]) -> RenderableType:
    if not host_warnings:
        return "no condition here makes results less reliable"
    table = Table("condition that makes results less reliable", "remedy", title_justify="left")
    for warning in host_warnings:
        table.add_row(warning.what, warning.remedy)
    return table
