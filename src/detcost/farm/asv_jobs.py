"""Jobs that are ``asv run`` in a machine's own checkout, and the families of benchmarks in it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from detcost.errors import UsageError
from detcost.farm import processes
from detcost.farm.jobs import Job, expression
from detcost.farm.worker import Here, Order
from detcost.host import asv_machine

#: The program that starts asv. It is no import, because the engine and asv share no interpreter.
_PROGRAM = "detcost.asv_integration.for_farm"
#: asv's exit code where some benchmark failed. Its results tell which.
_SOME_FAILED = 2


class AsvRunner(msgspec.Struct, frozen=True):
    """Runs the benchmarks of a job with ``asv run``."""

    def command(
        self, order: Order, here: Here, results: Path
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        """Return asv's command, and its environment."""
        job = order.job
        settings = {
            "results_dir": str(results),
            "tensorflow": job.tensorflow,
            "machine": asv_machine.describe(here.machine.name),
        }
        words = [f"--bench={expression(job.family, suite)}" for suite in job.suites]
        if here.environment:
            words += [f"--environment={here.environment}", f"--set-commit-hash={job.commit}"]
        ours = {"DETCOST_PROFILE": job.profile, "DETCOST_SIZE": job.size}
        return [
            *(sys.executable, "-m", _PROGRAM, json.dumps(settings)),
            *("run", "--show-stderr", f"--machine={here.machine.name}", *words),
        ], {**_plain_environment(), **ours}

    def refusal(self, job: Job, code: int, files: Mapping[str, bytes]) -> str | None:
        """Return why asv's results are not those of the job; ``None`` if they are."""
        if code not in (0, _SOME_FAILED):
            return "asv failed"
        results = [n for n in files if n.endswith(".json") and n.count("/") == 1]
        results = [n for n in results if not n.endswith("/machine.json")]
        if not results:
            return "asv stored no result"
        for name in results:
            if reason := _refused(job, files[name]):
                return reason
        return None


def _refused(job: Job, content: bytes) -> str | None:
    """Return why a result of asv's is not one of a job; ``None`` if it is."""
    try:
        result = json.loads(content)  # leniently: asv writes NaN
        commit, versions = str(result["commit_hash"]), dict(result["requirements"])
        figures = {str(name): row[0] for name, row in dict(result["results"]).items() if row}
    except (ValueError, KeyError, TypeError, RecursionError):
        return "asv's result cannot be read"
    if commit != job.commit:
        return f"asv measured commit {commit[:8]}, and the plan is for {job.commit[:8]}"
    if (version := versions.get("tensorflow")) != job.tensorflow:
        return f"asv measured TensorFlow {version}, and the plan is for {job.tensorflow}"
    if others := [name for name in figures if not name.startswith(f"{job.family}.")]:
        return f'asv measured "{others[0][:100]}", which is not of {job.family}'
    if not any(_is_known(values) for values in figures.values()):
        return "asv measured nothing"
    return None


def _is_known(values: object) -> bool:
    """Return whether a benchmark has any figure; a skipped one has NaN, a failed one null."""
    each = values if isinstance(values, list) else [values]
    return any(isinstance(value, int | float) and not math.isnan(value) for value in each)


def families(checkout: Path, suites: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the families that the regular expressions select, with the expressions of each.

    asv imports the benchmarks of the checkout to list them, in a process of its own.

    Raises
    ------
    UsageError
        If asv cannot list them, or an expression selects none.
    """
    command = [sys.executable, "-m", _PROGRAM, "families"]
    try:
        done = subprocess.run(
            command,
            cwd=checkout,
            env=_plain_environment(),
            input=json.dumps(list(suites)).encode(),
            capture_output=True,
            timeout=120,
            check=True,
        )
        found: dict[str, list[str]] = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        reason = processes.last_line(error.stderr + error.stdout)
        raise UsageError(
            f"{checkout}: the benchmarks cannot be listed ({reason}); pip install asv virtualenv"
        ) from None
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"{checkout}: listing the benchmarks took more than 2 min; write simpler suites"
        ) from None
    return _each_selects(suites, {name: tuple(each) for name, each in found.items()})


def _each_selects(
    suites: Sequence[str], found: dict[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    for suite in suites:
        if not any(suite in each for each in found.values()):
            raise UsageError(
                f'suites: "{suite}" selects no benchmark; asv run --bench {suite} --dry-run '
                "shows what an expression selects"
            )
    return found


def _plain_environment() -> dict[str, str]:
    """Return this process's environment without what tells detcost or asv how to measure."""
    kept = ("DETCOST_MACHINE_LOCK",)
    return {
        name: value
        for name, value in os.environ.items()
        if name in kept or not name.startswith(("DETCOST_", "ASV_"))
    }
