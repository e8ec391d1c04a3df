"""A run of a plan: it takes jobs from the ledger to machines, and notes how they ended."""

from __future__ import annotations

import queue
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import msgspec

from detcost.farm import jobs, machines, plan
from detcost.farm.bringing import Refused
from detcost.farm.contract import Machines
from detcost.farm.entries import About, Entry
from detcost.farm.jobs import Job
from detcost.farm.ledger import LEASE, Ledger
from detcost.farm.machines import FarmMachine
from detcost.farm.plan import FarmPlan
from detcost.farm.worker import JobOutcome, Order

#: Seconds between two looks at what others do to the ledger, and the longest wait for an outcome.
_OTHERS, _TICK = 2.0, 0.25


class FarmRun:
    """One run of a plan. Several runs may share a ledger.

    Parameters
    ----------
    wanted
        The plan.
    families
        The families of benchmarks, with the plan's expressions that select each.
    commit
        The version of the code that the plan is for.
    ledger
        Where the state of the jobs is.
    engine
        The machines.
    holder
        The name of this run in the ledger.
    settle
        Seconds in which machines may join before a label that none has is an error.
    clock
        Seconds that never go back.
    """

    def __init__(
        self,
        wanted: FarmPlan,
        families: Mapping[str, tuple[str, ...]],
        commit: str,
        ledger: Ledger,
        engine: Machines,
        holder: str,
        settle: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plan, self.ledger, self._engine, self._clock = wanted, ledger, engine, clock
        self._families, self._commit = families, commit
        self._holder = holder
        self._started = time.time()
        self._entries: dict[str, Entry] = {}
        self._left: dict[str, dict[str, Job]] = defaultdict(dict)
        self._submitted: dict[str, float] = {}
        self._planned_for: set[FarmMachine] = set()
        self._known = ledger.machines()
        self._last_seen: dict[str, float] = {}
        self._next_look = self._next_renewal = self._begun = clock()
        self._all_joined = self._begun + max(settle, plan.seconds(wanted.limits.join))
        self._told: About | None = None
        # Where the plan says to wait for a label, the other machines do not.
        self._may_begin = plan.seconds(wanted.limits.join) > 0
        #: What the run waits for, in words.
        self.waiting: tuple[str, ...] = ()

    def begin(self, entries: list[Entry], retry: bool = False) -> None:
        """Take over the plan's jobs that are in the ledger.

        A finished job counts only if what it brought is still there.

        Parameters
        ----------
        entries
            All of the ledger's entries.
        retry
            Whether to try failed jobs again.
        """
        for entry in entries:
            if jobs.belongs(entry.job, self.plan, self._families, self._commit, set()):
                key, new = entry.job.key, None
                if entry.state == "done":
                    new = self.ledger.verify(entry)
                elif entry.state == "failed" and retry:
                    new = self.ledger.retry(key)
                self._set(new or entry)

    def step(self) -> bool:
        """Do what can be done now, and wait a little for an outcome. Return whether to go on.

        Raises
        ------
        UsageError
            If no machine has a label, and the plan does not say to wait for it, or the ledger
            cannot be written.
        """
        here = machines.selected(self.plan, self._engine.machines().values())
        self.waiting = (self._engine.problem,) if self._engine.problem else ()
        going_on = self._wait_for_labels()
        self._may_begin |= not going_on
        if self._may_begin:
            self._welcome(here)
            self._look_at_others()
            self._renew()
            for machine in here:
                self._occupy(machine)
        going_on |= self._wait_for_machines({machine.name for machine in here})
        self._tell()
        if going_on:
            self._take_outcomes()
        return going_on

    def interrupt(self) -> None:
        """End the jobs of this run, and return them to the planned ones."""
        for key in list(self._submitted):
            self._engine.stop(key)
        until = self._clock() + 5
        while self._submitted and self._clock() < until:
            self._take_outcomes()
        for key in list(self._submitted):
            self._keep(self.ledger.release(key, self._holder), key)
        self._submitted.clear()

    @property
    def entries(self) -> list[Entry]:
        """The plan's jobs on all machines, as far as this run knows."""
        return list(self._entries.values())

    def _welcome(self, here: list[FarmMachine]) -> None:
        """Plan the jobs of machines that are new."""
        now = self._clock()
        self._last_seen.update({machine.name: now for machine in here})
        for machine in here:
            if machine in self._planned_for:
                continue
            made = list(jobs.of_machine(self.plan, self._families, self._commit, machine))
            self.ledger.plan(made)
            self._forget_all_but(machine.name, {job.key for job in made})
            for job in made:
                if job.key not in self._entries:
                    self._reread(job.key)
            self._planned_for.add(machine)
            self.ledger.know(machine)

    def _forget_all_but(self, machine: str, keys: set[str]) -> None:
        """Forget jobs of another Python, which the machine no longer has."""
        for key, entry in list(self._entries.items()):
            if entry.job.machine == machine and key not in keys:
                del self._entries[key]
                self._left[machine].pop(key, None)

    def _reread(self, key: str) -> None:
        if entry := self.ledger.read(key):
            self._set(entry)

    def _set(self, entry: Entry) -> None:
        key, job = entry.job.key, entry.job
        self._entries[key] = entry
        if entry.state in ("planned", "leased"):
            self._left[job.machine][key] = job
        else:
            self._left[job.machine].pop(key, None)

    def _look_at_others(self) -> None:
        """See what other runs have done to jobs that they hold."""
        if self._clock() < self._next_look:
            return
        self._next_look = self._clock() + _OTHERS
        for key, entry in list(self._entries.items()):
            if entry.state == "leased" and key not in self._submitted:
                self._reread(key)

    def _renew(self) -> None:
        if self._clock() < self._next_renewal:
            return
        self._next_renewal = self._clock() + LEASE / 4
        for key in self._submitted:
            self._keep(self.ledger.renew(key, self._holder), key)

    def _occupy(self, machine: FarmMachine) -> None:
        """Send a machine its next job, if no run has a job there."""
        left = self._left[machine.name]
        if not self._submitted.keys().isdisjoint(left):
            return
        for key in list(left):
            if self._is_anothers(key):
                return
        for key, job in list(left.items()):
            if leased := self.ledger.lease(key, self._holder):
                self._set(leased)
                self._send(key, job)
                return
            self._reread(key)
            if self._is_anothers(key):
                return

    def _is_anothers(self, key: str) -> bool:
        """Return whether another run has leased a job, for longer than until now."""
        entry = self._entries[key]
        return entry.state == "leased" and not self.ledger.is_free(entry, self._holder)

    def _send(self, key: str, job: Job) -> None:
        limit = plan.seconds(self.plan.limits.job)
        if self._engine.submit(key, Order(job, self.ledger.id, limit)):
            self._submitted[key] = self._clock()
        else:
            self._keep(self.ledger.release(key, self._holder), key)

    def _take_outcomes(self) -> None:
        """Wait a little for an outcome, and note those that came."""
        try:
            key, outcome = self._engine.outcomes.get(timeout=_TICK)
            while True:
                self._note(key, outcome)
                key, outcome = self._engine.outcomes.get_nowait()
        except queue.Empty:
            return

    def _note(self, key: str, outcome: JobOutcome) -> None:
        """Write the end of an attempt into the ledger."""
        self._submitted.pop(key, None)
        if outcome.status == "done":
            try:
                self._keep(self.ledger.finish(key, outcome.files, outcome.seconds), key)
                return
            except Refused as error:
                outcome = msgspec.structs.replace(outcome, status="failed", reason=str(error))
        if outcome.status in ("stopped", "disconnected"):
            self._keep(self.ledger.release(key, self._holder), key)
            return
        new = self.ledger.fail(
            key,
            self._holder,
            outcome.reason[:500],
            lost=outcome.status == "lost",
            log=outcome.log,
            tries=self.plan.limits.tries,
        )
        self._keep(new, key)

    def _keep(self, entry: Entry | None, key: str) -> None:
        """Remember an entry. ``None`` means that another run has changed it."""
        if entry:
            self._set(entry)
        else:
            self._reread(key)

    def _wait_for_machines(self, here: set[str]) -> bool:
        """Return whether jobs are left on machines that are here, or that are waited for."""
        now, going_on = self._clock(), False
        for name in sorted(name for name, left in self._left.items() if left):
            going_on |= name in here or self._wait_for_return(name, len(self._left[name]), now)
        return going_on

    def _wait_for_labels(self) -> bool:
        """Return whether machines are waited for that the plan names, and that never joined."""
        seen = [*self._known, *self._planned_for, *self._engine.machines().values()]
        absent = machines.missing(self.plan, seen) if self.plan.machines or seen else ["any label"]
        if not absent:
            return False
        if (rest := self._all_joined - self._clock()) > 0:
            self.waiting += (f"for a machine with {', '.join(absent)}, {_minutes(rest)} more",)
            return True
        if not self._may_begin or not seen:
            raise machines.no_such_label(absent, seen)
        self.waiting += (f"no machine has {', '.join(absent)}",)
        return False

    def _wait_for_return(self, name: str, count: int, now: float) -> bool:
        rest = plan.seconds(self.plan.limits.back) - (now - self._last_seen.get(name, self._begun))
        if rest <= 0:
            self.waiting += (f"{name} has not come back; {count} of its jobs are left",)
            return False
        self.waiting += (f"for {name} to come back, {_minutes(rest)} more",)
        return True

    @property
    def about(self) -> About:
        """What there is to know about this run."""
        return About(self._commit, self._started, self._engine.dashboard, self.waiting)

    def _tell(self) -> None:
        if (about := self.about) != self._told:
            self.ledger.tell(about)
            self._told = about


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min"
