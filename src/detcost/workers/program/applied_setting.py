"""A setting in a worker: applied, kept against what the program sets, and proved in force.

What each method does has its place in the building of a cell; :class:`Program` calls them in the
order in which they are written.
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
from detcost.workers.program import conditions
from detcost.workers.program.functions import Functions, xla_compiled
from detcost.workers.program.in_force import check_kept, check_taken, read_back
from detcost.workers.program.overrides import Overrides
from detcost.workers.program.pipelines import Pipelines


class AppliedSetting:
    """The setting of one cell in this process, under a trial's conditions.

    Every method may raise :class:`CellError`, ``not_applicable`` where a lever or a
    condition means nothing to the program, ``failed`` where it did not take.
    """

    def __init__(self, cell: Cell, conditions: Conditions):
        self._cell = cell
        self._setting = cell.setting
        self._circumstances = conditions
        self._says_how_it_runs = False
        self._xla_probe: isa.XlaProbe | None = None
        self._overrides: Overrides | None = None
        self._pipelines: Pipelines | None = None

    def apply(self) -> None:
        """Run the setting's own lines, on top of what the conditions change."""
        conditions.prepare(self._circumstances)
        code = self._setting.python(self._cell.seed)
        exec(code, {"tf": tf, "np": np, "os": os})
        conditions.check_pools(self._circumstances, self._setting)

    def enter(self, external: bool) -> None:
        """Change the rest of what is around the program, and watch what the program does."""
        conditions.enter(self._circumstances, self._setting)
        self._cap()
        self._before = read_back()
        check_taken(self._setting, self._before)
        if external:
            self._overrides = Overrides(self._setting)
            self._functions = Functions(self._compiled, self._overrides.note)
        else:
            self._functions = Functions(None)
        if self._circumstances.execution == "eager":
            self._functions.watch_calls()
        if self._setting.has("data_order"):
            self._pipelines = Pipelines()

    def loaded(self, scenario: Scenario) -> None:
        """Note what the scenario says of itself, now that its file was run."""
        self._says_how_it_runs = "xla" in scenario.ignores
        if self._says_how_it_runs:
            self._functions.release()
        self._restore_variables()

    def built(self) -> None:
        """Undo what the program did to variables while it was built."""
        self._restore_variables()

    def check(self) -> dict[str, Any]:
        """Return what is in force after the first call, which is what the setting says."""
        after = read_back()
        check_kept(self._setting, self._before, after)
        self._check_xla()
        self._check_execution()
        self._functions.forget()
        if self._pipelines and (why := self._pipelines.why_not_taken):
            raise CellError("not_applicable", f"data_order=strict did not take: {why}")
        return {**after, "xla_compiled": xla_compiled()}

    @property
    def overridden(self) -> list[str]:
        """What the program sets by itself, and was left out."""
        return self._overrides.found if self._overrides else []

    @property
    def _compiled(self) -> bool:
        return self._setting.has("xla") or self._circumstances.execution == "xla"

    def _restore_variables(self) -> None:
        if self._overrides:
            self._overrides.restore_variables()

    def _cap(self) -> None:
        """Make the libraries show that the lever ``isa`` took; its variables are set already."""
        for cap in instruction_sets.lever_caps(self._setting.word("isa")):
            if cap.library == "oneDNN":
                conditions.check_cap(cap, isa.onednn_in_force())
            elif self._compiled:
                # TensorFlow says only once that XLA compiled: the program's turn comes first.
                self._xla_probe, self._xla_cap = isa.XlaProbe(), cap

    def _check_xla(self) -> None:
        compiled = xla_compiled()
        if self._says_how_it_runs or compiled is None:
            return
        own = self._functions.compiled_by_libraries
        if compiled and not self._compiled and not own and self._overrides:
            raise CellError(
                "failed",
                f"XLA compiled a part of the program, and {self._setting} has no xla; "
                "remove what asks for it (TF_XLA_FLAGS, set_jit)",
            )
        if self._compiled and not compiled:
            raise CellError(
                "not_applicable",
                "XLA compiled nothing: the program runs no tf.function that it could compile",
            )
        if self._xla_probe:
            conditions.check_cap(self._xla_cap, self._xla_probe.shown())

    def _check_execution(self) -> None:
        wanted = self._circumstances.execution
        if wanted in (None, "xla") or self._compiled:
            return
        if wanted == "graph" and not self._functions.ran_as_graph:
            raise CellError("not_applicable", "the program has no tf.function: nothing is a graph")
        if wanted == "eager" and not self._functions.any_called:
            raise CellError("not_applicable", "the program has no tf.function: all is eager")
        if wanted == "eager" and self._functions.ran_as_graph:
            raise CellError("not_applicable", "a part of the program cannot be run eagerly")
