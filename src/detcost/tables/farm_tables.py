"""The state of a farm as a table in the terminal, and as JSON."""

from __future__ import annotations

import time

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detcost.farm.status import FarmStatus, MachineStatus


def terminal(status: FarmStatus, now: float | None = None) -> RenderableType:
    """Return a table with a row for each machine, and lines about the run."""
    now = time.time() if now is None else now
    table = Table(box=None, pad_edge=False)
    for heading in ("machine", "planned", "done", "failed", "now", "time left", "last error"):
        right = heading in ("planned", "done", "failed")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for machine in status.machines:
        table.add_row(*_row(machine, now))
    return Group(table, *(Text(line) for line in _lines(status)))


def json_text(status: FarmStatus) -> str:
    """Return the state as JSON."""
    return msgspec.json.format(msgspec.json.encode(status)).decode()


def short(status: FarmStatus) -> str:
    """Return the state in a line."""
    machines = status.machines
    done, failed = sum(m.done for m in machines), sum(m.failed for m in machines)
    left = sum(m.planned + m.leased for m in machines)
    running = sum(m.leased for m in machines)
    words = [f"{done} of {done + failed + left} jobs done", f"{running} running"]
    if failed:
        words.append(f"{failed} failed")
    rest = [m.seconds_left for m in machines if m.seconds_left is not None]
    if rest:
        words.append(f"about {duration(max(rest))} left")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """Return a time in words, such as ``3 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _row(machine: MachineStatus, now: float) -> list[Text]:
    left = "" if machine.seconds_left is None else f"about {duration(machine.seconds_left)}"
    error = machine.last_error or ""
    if error and machine.log:
        error += f" (logs/{machine.log})"
    counts = (machine.planned, machine.done, machine.failed)
    doing = _doing(machine, now)
    return [
        Text(word)
        for word in (machine.machine, *(str(n or "") for n in counts), doing, left, error)
    ]


def _doing(machine: MachineStatus, now: float) -> str:
    if not machine.doing or machine.since is None:
        return ""
    if machine.overdue:
        return f"{machine.doing}: its run is gone; detcost farm run resumes it"
    return f"{machine.doing}, for {duration(max(0.0, now - machine.since))}"


def _lines(status: FarmStatus) -> list[str]:
    lines = [short(status)]
    if status.other:
        lines.append(f"{status.other} more are of another version of the code")
    if status.about:
        lines += [f"waiting: {text}" for text in status.about.waiting]
        if status.about.dashboard:
            lines.append(f"dashboard: {status.about.dashboard}")
    return lines
