"""What the ledger of a farm writes: the state of each job, its attempts, and the run's own."""

from __future__ import annotations

from typing import Literal

import msgspec

from detcost.farm.jobs import Job

State = Literal["planned", "leased", "done", "failed"]


class Lease(msgspec.Struct, frozen=True, gc=False):
    """To whom a job is leased, and until when. Times are seconds of the epoch."""

    holder: str
    since: float
    heartbeat: float
    until: float


class Try(msgspec.Struct, frozen=True, gc=False):
    """One attempt that brought nothing.

    Attributes
    ----------
    at
        When, in seconds of the epoch.
    reason
        The end of the attempt in a line.
    lost
        Whether the machine was lost. Otherwise the job itself failed.
    log
        The name of its log in the folder ``logs``; ``None`` if none arrived.
    """

    at: float
    reason: str
    lost: bool
    log: str | None = None


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What the ledger knows of a job.

    Attributes
    ----------
    job
        The job.
    state
        ``planned``, ``leased``, ``done`` or ``failed``.
    lease
        Of a leased job.
    tries
        The attempts that brought nothing, the oldest first.
    digest
        Of what a finished job brought, in the folder ``brought``.
    seconds
        How long it took.
    """

    job: Job
    state: State = "planned"
    lease: Lease | None = None
    tries: tuple[Try, ...] = ()
    digest: str | None = None
    seconds: float | None = None


class About(msgspec.Struct, frozen=True, gc=False):
    """What the last run told about itself.

    Attributes
    ----------
    commit
        The version of the code that its plan is for.
    started
        In seconds of the epoch.
    dashboard
        The address of the engine's page.
    waiting
        What the run waits for, in words.
    """

    commit: str
    started: float
    dashboard: str | None = None
    waiting: tuple[str, ...] = ()


def holds(entry: Entry, holder: str) -> bool:
    """Return whether a job is leased to a run."""
    return entry.state == "leased" and entry.lease is not None and entry.lease.holder == holder


def is_hopeless(tried: tuple[Try, ...], tries: int) -> bool:
    """Return whether another attempt would be one too many."""
    if len(tried) >= tries:
        return True
    last = tried[-2:]
    return len(last) == 2 and last[0].reason == last[1].reason and not last[1].lost
