"""A guard: a claim about a program's bits, tested in fresh processes."""

from __future__ import annotations

import shutil
import tempfile
import unittest
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detcost.choosing.scope_checks import ScopeCheck, check_scope
from detcost.errors import UsageError
from detcost.evidence import absence
from detcost.evidence.journal import Journal
from detcost.evidence.places import SUFFIX
from detcost.evidence.schema import Evidence
from detcost.testing import engine, failure, launcher
from detcost.testing.launcher import GuardedProgram
from detcost.testing.plan import GuardPlan, plan

#: The scopes of a guard, and the rate that it finds, unless it says otherwise.
SURVIVE, RATE = ("repeat", "process"), 0.05
#: The same of a control.
DIFFER, CONTROL_RATE = ("process",), 0.5

#: How the reason of a worker begins if a test raised what skips it, in pytest and in unittest.
_SKIPS = ("Skipped: ", "SkipTest: ")


@dataclass(frozen=True)
class Guard:
    """A claim about a program, before it is tested.

    Attributes
    ----------
    program
        The program, or the name of a built-in scenario.
    plan
        What is compared.
    setting, device
        Where; see :meth:`detcost.testing.engine.Engine.measure`.
    expects_divergence
        Whether the program is a control, which must be seen to differ in every scope.
    """

    program: GuardedProgram | str
    plan: GuardPlan
    setting: str | None = None
    device: str | None = None
    expects_divergence: bool = False

    @property
    def promise(self) -> str:
        """What the guard compares, in one line."""
        where = f" under {self.setting}" if self.setting else ""
        return f"{self._name}{where}: {self.plan.promise}"

    @property
    def _name(self) -> str:
        return self.program if isinstance(self.program, str) else self.program.label

    def run(self, folder: Path) -> GuardOutcome:
        """Measure the program once.

        Parameters
        ----------
        folder
            The folder for the evidence, and for a file that commands can measure again.

        Raises
        ------
        UsageError
            As :meth:`detcost.testing.engine.Engine.measure`.
        """
        program = self.program
        reference = program if isinstance(program, str) else program.write(folder)
        evidence = folder / f"evidence{SUFFIX}"
        try:
            record = engine.shared().measure(reference, self.setting, self.device, self.plan)
        except UsageError as error:
            raise UsageError(str(error).removeprefix(f"{reference.rpartition(':')[0]}: ")) from None
        Journal(evidence, record.run_id).append([record])
        return GuardOutcome(self, record, reference, evidence)


@dataclass(frozen=True)
class GuardOutcome:
    """What a guard found.

    Attributes
    ----------
    reference
        The program, for commands.
    evidence
        The file with the record.
    """

    guard: Guard
    record: Evidence
    reference: str
    evidence: Path

    @property
    def checks(self) -> list[ScopeCheck]:
        """The check of each scope that the guard asks about."""
        plan = self.guard.plan
        return [check_scope(self.record, scope, plan.rate) for scope in plan.scopes]

    @property
    def counts(self) -> list[str]:
        """The counts of each scope as text, with their intervals."""
        return [failure.count(self.record, scope) for scope in self.guard.plan.scopes]

    @property
    def cannot_be_tried(self) -> str | None:
        """Why this machine cannot test the claim; ``None`` if it can."""
        absent = absence.reasons([self.record]) or self._skipped
        missing = [
            f"scope {check.scope}: {check.why}" for check in self.checks if not check.applies
        ]
        return "; ".join(absent or missing) or None

    @property
    def problems(self) -> list[str]:
        """Why the claim does not hold, one reason a line. Empty if it holds."""
        if absence.reasons([self.record]) or self._skipped:
            return []
        if self.record.status != "ok":
            return [f"{self.record.status}: {self.record.reason}"]
        controls = self.record.controls
        failures = list(controls.failures) if controls else []
        judged = self._not_seen if self.guard.expects_divergence else self._disqualified
        return failures + [text for check in self.checks if (text := judged(check))]

    @property
    def _skipped(self) -> list[str]:
        """Why the test skips itself, if it called ``pytest.skip`` in its process."""
        reason = self.record.reason or ""
        return [reason] if reason.startswith(_SKIPS) else []

    def judge(self) -> None:
        """Raise if the claim does not hold.

        Raises
        ------
        AssertionError
            If it does not hold. The message has the counts and what to do next.
        unittest.SkipTest
            If this machine cannot test it.
        """
        __tracebackhide__ = True
        if self.problems:
            raise AssertionError(failure.text(self))
        if reason := self.cannot_be_tried:
            raise unittest.SkipTest(reason)

    def _disqualified(self, check: ScopeCheck) -> str | None:
        """Write why a scope does not keep the bits; ``None`` if it does, or does not apply."""
        if not check.disqualifies:
            return None
        if check.divergent or self.record.expect == "varies":
            return failure.count(self.record, check.scope)
        planned = self.guard.plan.trials_in(check.scope)
        counted = failure.count(self.record, check.scope)
        skipped = f"; could not be tried: {', '.join(check.skipped)}" if check.skipped else ""
        return f"{counted}, after {check.trials} of {planned} comparisons{skipped}"

    def _not_seen(self, check: ScopeCheck) -> str | None:
        """Write why a control was not seen to differ in a scope; ``None`` if it was."""
        if not check.applies or (check.divergent and not check.anyway):
            return None
        counted = failure.count(self.record, check.scope)
        return f"{counted}, but it {check.why}" if check.anyway else counted


def assert_reproducible(
    step_or_reference: Callable[..., Any] | str,
    survive: str | Sequence[str] = SURVIVE,
    rate: float | None = RATE,
    setting: str | None = None,
    *,
    device: str | None = None,
    profile: str | None = None,
) -> None:
    """Assert that a program gives the same bits in fresh processes.

    Every output is compared by all of its bytes. The number of comparisons is fixed before the
    first one, and nothing is run again in order to pass.

    Parameters
    ----------
    step_or_reference
        A function at the top level of a module, whose calls are compared; a scenario; or a
        reference such as ``"file.py:name"``, ``"package.module:name"`` or a built-in scenario.
    survive
        The scopes in which no comparison may differ: some of ``repeat``, ``process``,
        ``threads``, ``load``, ``isa`` and ``execution``.
    rate
        The divergence rate that each scope finds with a probability of 95 %, above 0 and at most
        1. 0.05 takes 59 comparisons. ``None`` takes as many as the profile has.
    setting
        The setting, such as ``"op_determinism"``. By default the program is seeded, and nothing
        else is set.
    device
        The device, such as ``"CPU:0"``. The default is the first accelerator, or ``CPU:0``.
    profile
        ``quick``, ``standard`` or ``full``: the fewest processes and calls to compare, and how
        many of the processes are perturbed. The default is that of ``DETCOST_PROFILE``, or
        ``quick``.

    Raises
    ------
    AssertionError
        If an output differed, if the program failed, or if fewer comparisons were possible than
        ``rate`` needs.
    UsageError
        For an unknown name, or a program that a fresh process cannot find.
    unittest.SkipTest
        If this machine has no such device, or a scope does not apply to it. pytest skips the test.
    """
    __tracebackhide__ = True
    planned = plan(survive, rate, profile)
    _judge(Guard(launcher.program(step_or_reference), planned, setting, device))


def expect_divergence(
    step_or_reference: Callable[..., Any] | str,
    scopes: str | Sequence[str] = DIFFER,
    rate: float | None = CONTROL_RATE,
    setting: str | None = None,
    *,
    device: str | None = None,
    profile: str | None = None,
) -> None:
    """Assert that a negative control is seen to differ in every one of the scopes.

    A control shows that the guard can see a difference on this machine.

    Parameters
    ----------
    scopes
        The scopes in which at least one comparison must differ. A difference in ``repeat`` or
        ``process`` is none in another scope.
    rate
        The divergence rate of a control that is missed in at most 5 % of the runs.
    step_or_reference, setting, device, profile
        As for :func:`assert_reproducible`.

    Raises
    ------
    AssertionError
        If a scope was not seen to differ, with the bound of its rate.
    UsageError, unittest.SkipTest
        As for :func:`assert_reproducible`.
    """
    __tracebackhide__ = True
    planned = plan(scopes, rate, profile)
    _judge(Guard(launcher.program(step_or_reference), planned, setting, device, True))


def _judge(guard: Guard) -> None:
    """Run a guard outside the plug-in. Its files stay if it fails."""
    __tracebackhide__ = True
    print(f"detcost guards {guard.promise}")
    folder = tempfile.mkdtemp(prefix="detcost-guard-")
    guard.run(Path(folder)).judge()
    shutil.rmtree(folder)
