"""What runs in a machine's worker: it tells what the machine is, and runs one job at a time.

A scheduler's own workers load this module with ``dask worker --preload detcost.farm.worker``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from detcost.atomic_file import replacing
from detcost.errors import UsageError
from detcost.farm import bringing, machines, processes
from detcost.farm.jobs import Job
from detcost.farm.machines import FarmMachine

#: The name under which a worker tells what its machine is.
TOLD = "detcost"
#: Days after which the work of a job is removed from its machine.
_KEPT = 30


class Here(msgspec.Struct, frozen=True):
    """The machine of this worker, as those who joined it said.

    Attributes
    ----------
    machine
        Its name, labels and version of the code.
    checkout
        The folder to run asv in.
    environment
        asv's environment, such as ``existing``; else what its configuration says.
    """

    machine: FarmMachine
    checkout: str
    environment: str | None = None


class Order(msgspec.Struct, frozen=True):
    """A job to be done, for a ledger, with its limit in seconds."""

    job: Job
    ledger: str
    seconds: float


class JobOutcome(msgspec.Struct, frozen=True):
    """The end of an attempt.

    Attributes
    ----------
    status
        ``done``, ``failed``, ``stopped`` on request, ``lost`` with its machine, or
        ``disconnected``: the connection was lost, and nobody knows how the job ends.
    reason
        Why it is not done.
    files
        What it brought.
    log
        The end of what it printed.
    seconds
        How long it took.
    """

    status: Literal["done", "failed", "stopped", "lost", "disconnected"]
    reason: str = ""
    files: dict[str, bytes] = {}
    log: bytes = b""
    seconds: float = 0.0


class Runner(Protocol):
    """What a job runs. It is sent to machines by name, so it must be importable there."""

    def command(
        self, order: Order, here: Here, results: Path
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        """Return the command that writes into ``results``, and its environment."""

    def refusal(self, job: Job, code: int, files: Mapping[str, bytes]) -> str | None:
        """Return why a command that ended has not done its job; ``None`` if it has."""


_here: Here | None = None
_one_at_a_time = threading.Lock()
_running: dict[str, processes.Process] = {}


def join_as(here: Here) -> None:
    """Say what this machine is, before its worker connects."""
    global _here  # noqa: PLW0603
    _here = here


def dask_setup(worker: Any) -> None:
    """Let a worker tell what its machine is when it connects. dask calls this."""
    here = _here or _by_default(str(worker.name))
    join_as(here)
    _forget_old_work(Path(here.checkout))
    worker.startup_information[TOLD] = lambda _: msgspec.to_builtins(here.machine)


def _by_default(name: str) -> Here:
    """Return this machine for a worker that was not started by ``detcost farm join``."""
    usual = machines.NAME.fullmatch(name) and not name.isdigit()
    folders = (Path.cwd(), Path(__file__).parents[3])
    checkout = next((f for f in folders if (f / "asv.conf.json").is_file()), folders[0])
    described = machines.describe(name if usual else machines.default_name(), checkout)
    return Here(described, str(checkout))


def run_job(data: bytes, runner: Runner) -> bytes:
    """Run a job, or return the outcome of the same job if it was done before. Never raises."""
    order = msgspec.msgpack.decode(data, type=Order)
    with _one_at_a_time:
        try:
            outcome = _run(order, runner)
        except UsageError as error:
            outcome = JobOutcome("failed", str(error))
        except OSError as error:
            outcome = JobOutcome("failed", f"{error.filename or 'its machine'}: {error.strerror}")
        return msgspec.msgpack.encode(outcome)


def stop_job(key: str) -> None:
    """End a job that runs here."""
    if process := _running.get(key):
        process.stop()


def _run(order: Order, runner: Runner) -> JobOutcome:
    if not (here := _here):
        raise UsageError("this worker has not joined; start it with detcost farm join")
    folder = _work(Path(here.checkout)) / f"{order.ledger}-{order.job.key}"
    if done := _done_before(folder):
        return done
    _check(order.job, here)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "results").mkdir(parents=True)
    outcome = _attempt(order, runner, here, folder)
    if outcome.status == "done":
        with replacing(folder / "outcome") as file:
            file.write(msgspec.msgpack.encode(outcome))
        shutil.rmtree(folder / "results", ignore_errors=True)
    return outcome


def _check(job: Job, here: Here) -> None:
    if job.machine != here.machine.name:
        raise UsageError(f"this job is for {job.machine}, and this is {here.machine.name}")
    if (there := machines.commit(Path(here.checkout))) != job.commit:
        raise UsageError(
            f"the checkout is at commit {there[:8]}, and the plan is for {job.commit[:8]}; "
            f"git checkout {job.commit[:8]} there"
        )


def _attempt(order: Order, runner: Runner, here: Here, folder: Path) -> JobOutcome:
    begun, log = time.monotonic(), folder / "log"
    command, env = runner.command(order, here, folder / "results")
    process = processes.Process(
        command, env, folder=Path(here.checkout), log=log, seconds=order.seconds
    )
    _running[order.job.key] = process
    try:
        code = process.wait()
    finally:
        _running.pop(order.job.key, None)
    end = processes.end_of(log)
    if process.was_stopped:
        return JobOutcome("stopped", "stopped on request", log=end)
    try:
        files = bringing.collect(folder / "results")
    except bringing.Refused as error:
        reason = str(error) if code == 0 else processes.why(code, end, order.seconds)
        return JobOutcome("failed", reason, log=end)
    if refused := _refusal(runner, order, code, files, end):
        return JobOutcome("failed", refused, log=end)
    return JobOutcome("done", files=files, log=end, seconds=time.monotonic() - begun)


def _refusal(
    runner: Runner, order: Order, code: int, files: Mapping[str, bytes], log: bytes
) -> str | None:
    if refused := runner.refusal(order.job, code, files):
        return refused if code == 0 else f"{refused}; {processes.why(code, log, order.seconds)}"
    return None


def _done_before(folder: Path) -> JobOutcome | None:
    try:
        return msgspec.msgpack.decode((folder / "outcome").read_bytes(), type=JobOutcome)
    except (OSError, msgspec.DecodeError):
        return None


def _work(checkout: Path) -> Path:
    return checkout / ".asv" / "farm"


def _forget_old_work(checkout: Path) -> None:
    """Remove the work of jobs that ended long ago."""
    with contextlib.suppress(OSError):
        for folder in os.scandir(_work(checkout)):
            if time.time() - folder.stat().st_mtime > _KEPT * 24 * 3600:
                shutil.rmtree(folder, ignore_errors=True)
