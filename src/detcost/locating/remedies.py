"""Remedies: settings and rewritings, tried on a suspect, and what the cure costs the whole step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from detcost.errors import UsageError
from detcost.experiment.blocks import Experiment
from detcost.experiment.profiles import PROFILES
from detcost.locating import rewritings
from detcost.locating.proof import Replay
from detcost.locating.schema import Culprit, Remedy
from detcost.locating.trying import Tried, compare
from detcost.settings import grammar
from detcost.settings.grammar import DEFAULT, Setting
from detcost.settings.snippets import snippets
from detcost.workers.contract import Cell, Rewriting, WorkerFactory

#: Seconds for the blocks that measure the costs of all remedies of a culprit.
COST_SECONDS = 40.0
#: Settings for operations of graphs, and the further one for pipelines.
_SETTINGS = ("op_determinism", "threads=1", "xla", "onednn=off")
_ORDER = "data_order=strict"


@dataclass
class _Candidate:
    """Something to try, as a cell of the replay and as one of the whole step."""

    kind: str
    name: str
    code: str
    alone: Cell | None
    whole: Cell
    tried_alone: Tried | None = None
    tried_whole: Tried | None = None

    @property
    def cures_so_far(self) -> bool:
        """Whether nothing that was tried differed."""
        tried = [each for each in (self.tried_alone, self.tried_whole) if each]
        return not any(each.differs or each.reason for each in tried)

    def remedy(self) -> Remedy:
        """Return what was seen, without the cost."""
        alone, whole = self.tried_alone, self.tried_whole
        reasons = [each.reason for each in (alone, whole) if each and each.reason]
        return Remedy(
            kind="setting" if self.kind == "setting" else "rewriting",
            name=self.name,
            code=self.code,
            alone=alone.rate if alone and not alone.reason else None,
            whole=whole.rate if whole and not whole.reason else None,
            reason=reasons[0] if reasons else None,
        )


@dataclass(frozen=True)
class Healer:
    """Tries remedies on suspects of one cell.

    Parameters
    ----------
    factory, cell
        The program.
    on_try
        Called with the name of what is tried.
    """

    factory: WorkerFactory
    cell: Cell
    on_try: Callable[[str], None] = lambda name: None

    def try_remedies(self, culprit: Culprit, replay: Replay) -> tuple[Remedy, ...]:
        """Try what fits the suspect: on the replay first, then on the whole step.

        Only what cures the replay is tried on the whole step, and only what cures that is timed.
        Where nothing differed again, nothing is tried.
        """
        if culprit.kind in ("python", "decision") or not replay.proof.rate.divergent:
            return ()  # nothing differs again, so nothing can be seen to cure it
        candidates = [*self._settings(culprit, replay), *self._rewritings(culprit, replay)]
        for candidate in candidates:
            self.on_try(candidate.name)
            if candidate.alone:
                candidate.tried_alone = compare(
                    self.factory, candidate.alone, replay.sides, replay.sides.few
                )
            if candidate.cures_so_far:
                candidate.tried_whole = compare(
                    self.factory, candidate.whole, replay.sides, replay.sides.few
                )
        costs = self._costs([each for each in candidates if each.cures_so_far])
        return tuple(
            msgspec.structs.replace(each.remedy(), cost=costs.get(each.whole))
            for each in candidates
        )

    def _settings(self, culprit: Culprit, replay: Replay) -> Iterator[_Candidate]:
        """Give the cell's setting with one lever more, where the lever can be added."""
        is_pipeline = culprit.kind == "transformation"
        levers = (_ORDER, *_SETTINGS[:2]) if is_pipeline else _SETTINGS
        for lever in levers:
            setting = self._with(lever)
            if setting is None:
                continue
            whole = msgspec.structs.replace(self.cell, setting=setting)
            alone = replay.cell and msgspec.structs.replace(replay.cell, setting=setting)
            yield _Candidate("setting", setting.name, _code(setting), alone or None, whole)

    def _with(self, lever: str) -> Setting | None:
        own = self.cell.setting
        if own.has(lever.partition("=")[0]):
            return None
        try:
            return grammar.parse(lever if own == DEFAULT else f"{own}+{lever}")
        except UsageError:  # it conflicts with the cell's own levers
            return None

    def _rewritings(self, culprit: Culprit, replay: Replay) -> Iterator[_Candidate]:
        if culprit.kind not in ("operation", "transformation"):
            return
        place = culprit.place[0] if culprit.place else ""
        for way in rewritings.fitting(culprit.type):
            rewriting = Rewriting(culprit.graph, culprit.name, way.name, place)
            whole = msgspec.structs.replace(self.cell, rewriting=rewriting)
            yield _Candidate("rewriting", way.name, way.code, replay.rewritten(way.name), whole)

    def _costs(self, cures: Sequence[_Candidate]):  # type: ignore[no-untyped-def]
        """Measure the whole step under each cure, in pairs with the step as it is."""
        if not cures:
            return {}
        self.on_try("costs")
        profile = msgspec.structs.replace(
            PROFILES["quick"], seconds=COST_SECONDS, calls=2, processes=0, perturbed=0, looks=(5,)
        )
        cells = [self.cell, *(each.whole for each in cures)]
        experiment = Experiment(cells, profile, self.factory, scopes={})
        experiment.run()
        return {arm.cell: arm.cost() for arm in experiment.arms[1:] if arm.running}


def _code(setting: Setting) -> str:
    lines = snippets(setting)
    return "\n".join(part for part in (lines.environment, lines.python) if part)
