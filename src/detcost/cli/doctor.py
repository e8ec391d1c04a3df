"""What this machine is, how noisy it is now, and what to do about it."""

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

#: A step as common as any, neither short nor memory-bound.
PROBE = "matmul_square"


def examine() -> RenderableType:
    """Measure ``default`` against itself and the controls, and put all that is known in tables.

    Raises
    ------
    UsageError
        If TensorFlow is not installed.
    """
    before = machine.host_warnings()  # while nothing of ours runs
    evidence = _noise()
    host_warnings = before + _host_warnings(evidence)
    return Group(_inventory(evidence), _controls(evidence), _advice(host_warnings))


def _noise() -> Evidence:
    request = Request((PROBE,), (DEFAULT,), ("CPU:0",), ("repeat",), profiles.PROFILES["quick"])
    return next(iter(Run(request)))


def _host_warnings(evidence: Evidence) -> list[machine.HostWarning]:
    found = []
    cost = evidence.cost
    if cost and cost.low and cost.high and (cost.high / cost.low) ** 0.5 - 1 > 0.05:
        found.append(
            machine.HostWarning(
                "five blocks leave default against itself wider than ±5 %",
                "end what else runs here, or use --profile full, which goes on for longer",
            )
        )
    if evidence.controls:
        found += [
            machine.HostWarning(failure, "report it: no figure of this machine can be trusted")
            for failure in evidence.controls.failures
        ]
    return found


def _inventory(evidence: Evidence) -> Table:
    found = Table("this machine", "", title="what this is", title_justify="left")
    here = dict(evidence.machine)
    here["load"] = machine.load()
    here["memory_bytes"] = f"{here['memory_bytes'] / 2**30:.1f} GiB"
    here["cpu_flags"] = " ".join(here["cpu_flags"])
    for key, value in {**here, **evidence.versions}.items():
        found.add_row(
            key.replace("_", " ").replace(" bytes", ""), "unknown" if value is None else str(value)
        )
    pools = evidence.applied
    found.add_row("thread pools", f"intra {_pool(pools['intra'])}, inter {_pool(pools['inter'])}")
    found.add_row("oneDNN", "on" if pools["onednn"] else "off or not in this build")
    return found


def _pool(size: int) -> str:
    return str(size) if size else f"automatic ({machine.usable_cores()} cores usable)"


def _controls(evidence: Evidence) -> Table:
    found = Table("control", "seen", "right", title="how noisy it is now", title_justify="left")
    controls = evidence.controls
    assert controls is not None
    found.add_row(
        "default against itself", _escaped(controls.same_setting), _aa_right(controls.same_setting)
    )
    for name, control in (
        ("known to vary", controls.varies),
        ("known to be stable", controls.stable),
    ):
        found.add_row(name, *_seen(control))
    return found


def _escaped(cost: Cost | None) -> str:
    return cost_text(cost).replace("[", r"\[")


def _aa_right(cost: Cost | None) -> str:
    if cost is None:
        return "not measured"
    return "NO" if cost.verdict in ("costs", "faster") else "yes"


def _seen(control: Control | None) -> tuple[str, str]:
    if control is None:
        return "not measured", "?"
    return f"{control.divergent} of {control.trials} diverged", "yes" if control.ok else "NO"


def _advice(host_warnings: list[machine.HostWarning]) -> RenderableType:
    if not host_warnings:
        return "nothing here makes figures untrustworthy"
    found = Table("what makes figures less trustworthy", "what to do", title_justify="left")
    for warning in host_warnings:
        found.add_row(warning.what, warning.remedy)
    return found
