"""A setting in a worker: applied, protected from the program, and verified to be in force.

:class:`~detcost.workers.in_worker.program.Program` calls the methods of :class:`AppliedSetting` in
their order in this file, while it builds a cell.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import tensorflow as tf

from detcost.host import isa
from detcost.scenarios.registry import Scenario
from detcost.settings import instruction_sets
from detcost.workers.contract import Cell, CellError, Conditions
from detcost.workers.in_worker import conditions
from detcost.workers.in_worker.functions import Functions, xla_compiled
from detcost.workers.in_worker.in_force import check_kept, check_taken, read_back
from detcost.workers.in_worker.overrides import Overrides
from detcost.workers.in_worker.pipelines import Pipelines
from detcost.workers.in_worker.rewriting.installing import Rewriter


class AppliedSetting:
    """The setting of one cell in this process, under a trial's conditions.

    Every method may raise :class:`CellError`: ``not_applicable`` if a lever or a condition has
    no meaning for the program, ``failed`` if the lever did not take effect.
    """

    def __init__(self, cell: Cell, conditions: Conditions):
        self._cell = cell
        self._setting = cell.setting
        self._conditions = conditions
        self._chooses_execution = False
        self._xla_probe: isa.XlaProbe | None = None
        self._overrides: Overrides | None = None
        self._rewriter = Rewriter(cell.rewriting)
        self._pipelines: Pipelines | None = None
        #: Whether the program ran a ``tf.function``. Known after :meth:`check`.
        self.ran_as_graph = False

    def apply(self) -> None:
        """Apply the conditions that come before the setting, then run the setting's code."""
        conditions.prepare(self._conditions)
        code = self._setting.python(self._cell.seed)
        exec(code, {"tf": tf, "np": np, "os": os})
        conditions.check_pools(self._conditions, self._setting)

    def enter(self, external: bool) -> None:
        """Apply the other conditions, and start watching the program."""
        conditions.enter(self._conditions, self._setting)
        self._cap()
        self._before = read_back()
        check_taken(self._setting, self._before)
        if external:
            self._overrides = Overrides(self._setting)
            self._functions = Functions(self._compiled, self._overrides.record)
        else:
            self._functions = Functions(None)
        if self._conditions.execution == "eager":
            self._functions.watch_calls()
        if self._setting.has("data_order"):
            self._pipelines = Pipelines()
        self._rewriter.install()

    def loaded(self, scenario: Scenario) -> None:
        """Release the functions of a scenario that chooses its execution by itself."""
        self._chooses_execution = "xla" in scenario.ignores
        if self._chooses_execution:
            self._functions.release()
        self._restore_variables()

    def built(self) -> None:
        """Restore variables that the program changed while it was built."""
        self._restore_variables()

    def check(self) -> dict[str, Any]:
        """Verify the setting after the first call, and return the configuration in force."""
        self._rewriter.check()
        after = read_back()
        check_kept(self._setting, self._before, after)
        self._check_xla()
        self._check_execution()
        self.ran_as_graph = self._functions.ran_as_graph
        self._functions.forget()
        if self._pipelines and (reason := self._pipelines.why_not_strict):
            raise CellError("not_applicable", f"data_order=strict did not take effect: {reason}")
        return {**after, "xla_compiled": xla_compiled()}

    @property
    def overridden(self) -> list[str]:
        """The program's own calls and variables that were ignored."""
        return self._overrides.ignored if self._overrides else []

    @property
    def _compiled(self) -> bool:
        return self._setting.has("xla") or self._conditions.execution == "xla"

    def _restore_variables(self) -> None:
        if self._overrides:
            self._overrides.restore_variables()

    def _cap(self) -> None:
        """Verify that the lever ``isa`` took effect. Its variables are set already."""
        for cap in instruction_sets.lever_caps(self._setting.word("isa")):
            if cap.library == "oneDNN":
                conditions.check_cap(cap, isa.onednn_in_force())
            elif self._compiled:
                # TensorFlow logs only the first compilation, which must be the program's.
                self._xla_probe, self._xla_cap = isa.XlaProbe(), cap

    def _check_xla(self) -> None:
        compiled = xla_compiled()
        if self._chooses_execution or compiled is None:
            return
        by_libraries = self._functions.compiled_by_libraries or self._cell.rewriting
        if compiled and not self._compiled and not by_libraries and self._overrides:
            raise CellError(
                "failed",
                f"XLA compiled a part of the program, but {self._setting} has no xla; "
                "remove TF_XLA_FLAGS, set_jit or another line that requests XLA",
            )
        if self._compiled and not compiled:
            raise CellError(
                "not_applicable",
                "XLA compiled nothing: the program runs no tf.function that XLA can compile",
            )
        if self._xla_probe:
            conditions.check_cap(self._xla_cap, self._xla_probe.in_force())

    def _check_execution(self) -> None:
        wanted = self._conditions.execution
        if wanted in (None, "xla") or self._compiled:
            return
        if wanted == "graph" and not self._functions.ran_as_graph:
            raise CellError(
                "not_applicable", "the program has no tf.function: no part of it is a graph"
            )
        if wanted == "eager" and not self._functions.any_called:
            raise CellError(
                "not_applicable", "the program has no tf.function: all of it is eager already"
            )
        if wanted == "eager" and self._functions.ran_as_graph:
            raise CellError("not_applicable", "a part of the program cannot be run eagerly")
