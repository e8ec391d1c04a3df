"""The state of a farm in figures, from its ledger alone."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from detcost.farm.entries import About, Entry


class MachineStatus(msgspec.Struct, frozen=True):
    """The jobs of a machine.

    Attributes
    ----------
    machine
        Its name.
    planned, leased, done, failed
        How many jobs are in each state.
    doing
        The job that is leased, in words; ``None`` without one.
    since
        When it was leased, in seconds of the epoch.
    overdue
        Whether its lease has expired: the run that held it is gone.
    seconds_left
        About how long the jobs that are left take; ``None`` if no job is done yet.
    last_error
        The end of the latest attempt that brought nothing; ``None`` without one.
    log
        The name of that attempt's log; ``None`` without one.
    """

    machine: str
    planned: int = 0
    leased: int = 0
    done: int = 0
    failed: int = 0
    doing: str | None = None
    since: float | None = None
    overdue: bool = False
    seconds_left: float | None = None
    last_error: str | None = None
    log: str | None = None


class FarmStatus(msgspec.Struct, frozen=True):
    """The jobs of a farm.

    Attributes
    ----------
    machines
        By name.
    other
        How many jobs are of another version of the code than the last run's.
    about
        What the last run told; ``None`` if there was none.
    """

    machines: tuple[MachineStatus, ...]
    other: int = 0
    about: About | None = None

    @property
    def all_done(self) -> bool:
        """Whether no job is left, and none failed."""
        return not any(m.planned or m.leased or m.failed for m in self.machines)


def summarise(
    entries: Iterable[Entry], about: About | None = None, now: float | None = None
) -> FarmStatus:
    """Return the state of a farm.

    Parameters
    ----------
    entries
        The ledger's.
    about
        What the last run told.
    now
        In seconds of the epoch.
    """
    now = time.time() if now is None else now
    grouped: dict[str, list[Entry]] = defaultdict(list)
    other = 0
    for entry in entries:
        if about and entry.job.commit != about.commit:
            other += 1
        else:
            grouped[entry.job.machine].append(entry)
    return FarmStatus(
        tuple(_of_machine(name, grouped[name], now) for name in sorted(grouped)), other, about
    )


def _of_machine(name: str, entries: list[Entry], now: float) -> MachineStatus:
    counts = dict.fromkeys(("planned", "leased", "done", "failed"), 0)
    for entry in entries:
        counts[entry.state] += 1
    leased = next((entry for entry in entries if entry.lease), None)
    lease = leased.lease if leased else None
    tried = [entry.tries[-1] for entry in entries if entry.tries]
    last = max(tried, key=lambda attempt: attempt.at, default=None)
    return MachineStatus(
        name,
        **counts,
        doing=str(leased.job) if leased else None,
        since=lease.since if lease else None,
        overdue=bool(lease and lease.until < now),
        seconds_left=_seconds_left(entries, now),
        last_error=last.reason if last else None,
        log=last.log if last else None,
    )


def _seconds_left(entries: list[Entry], now: float) -> float | None:
    """Return the median duration of finished jobs, once for each job that is left."""
    took = [entry.seconds for entry in entries if entry.seconds is not None]
    left = sum(entry.state in ("planned", "leased") for entry in entries)
    if not took or not left:
        return None
    usual = statistics.median(took)
    spent = sum(now - e.lease.since for e in entries if e.lease and e.lease.until >= now)
    return max(0.0, usual * left - min(max(spent, 0.0), usual))
