"""Jobs: one family of benchmarks with one TensorFlow version, on one machine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

import msgspec

from detcost.farm.machines import FarmMachine
from detcost.farm.plan import FarmPlan


class Job(msgspec.Struct, frozen=True, gc=False):
    """A shard of a plan on a machine. All of its fields make its key.

    Attributes
    ----------
    family
        The module of the benchmarks, such as ``conv`` or ``more.conv``.
    suites
        The plan's regular expressions that select benchmarks of the family.
    tensorflow, python
        Versions.
    profile, size
        How much to measure: the protocol.
    machine
        Its name.
    commit
        The version of the code.
    """

    family: str
    suites: tuple[str, ...]
    tensorflow: str
    python: str
    profile: str
    size: str
    machine: str
    commit: str

    @property
    def key(self) -> str:
        """The name of the job's files: readable in front, then 64 bits of a hash of all fields."""
        data = msgspec.json.encode(msgspec.structs.astuple(self))
        return f"{self.family}-{self.machine}-{hashlib.sha256(data).hexdigest()[:16]}"

    def __str__(self) -> str:
        return f"{self.family} {self.size} with TensorFlow {self.tensorflow}"


def of_machine(
    plan: FarmPlan, families: Mapping[str, tuple[str, ...]], commit: str, machine: FarmMachine
) -> Iterable[Job]:
    """Return the jobs of a plan on a machine.

    Parameters
    ----------
    families
        For each family, the plan's regular expressions that select benchmarks of it.
    commit
        The version of the code that the plan is for.
    """
    for tensorflow in plan.tensorflow:
        for size in plan.sizes:
            for family, suites in families.items():
                yield Job(
                    family,
                    suites,
                    tensorflow,
                    machine.python,
                    plan.profile,
                    size,
                    machine.name,
                    commit,
                )


def belongs(
    job: Job, plan: FarmPlan, families: Mapping[str, tuple[str, ...]], commit: str, here: set[str]
) -> bool:
    """Return whether a job is one of a plan, on a machine that is not among those ``here``."""
    return (
        job.machine not in here
        and job.commit == commit
        and families.get(job.family) == job.suites
        and job.tensorflow in plan.tensorflow
        and (job.profile, job.size) in {(plan.profile, size) for size in plan.sizes}
    )


def expression(family: str, suite: str) -> str:
    """Return asv's regular expression for the benchmarks of a family that ``suite`` selects."""
    return rf"^(?={re.escape(family)}\.).*?(?:{suite})"
