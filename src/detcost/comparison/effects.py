"""Factors: what each lever of the factorial costs by itself, and what they cost together.

The settings measured by default are a two-level factorial, so that every lever's effect
can be told from all cells at once, and told apart from what levers do to each other.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from detcost import intervals
from detcost.comparison.contrasts import log_costs
from detcost.errors import UsageError
from detcost.evidence.schema import Evidence
from detcost.settings import grammar

#: The factorial's levers, as a setting spells them.
SWITCHES = tuple(setting.name for setting in grammar.default_grid() if len(setting.levers) == 1)

_Experiment = tuple[str, str, str, str, str, str]


class Effect(intervals.Interval, frozen=True, kw_only=True):
    """What levers do to step time, as a factor, with its 95 % interval.

    Of one lever: its main effect. Of several: their interaction, 1 where each costs
    the same whatever the others are set to.
    """

    levers: tuple[str, ...]
    ratio: float

    def __str__(self) -> str:
        return f"{':'.join(self.levers)} {_figure(self)}"


class Factors(msgspec.Struct, frozen=True):
    """The effects of levers on the cost of one scenario, in one run on one device.

    Parameters
    ----------
    machine, run_id, scenario, device, size, dtype
        As the evidence names them.
    blocks
        Independent blocks behind every effect. One gives no intervals.
    effects
        Main effects, then interactions of two levers, then of three. Each
        interval holds its own effect in 95 % of runs; all of them at once, in fewer.
    together
        All the levers on ÷ ``default``.
    """

    machine: str
    run_id: str
    scenario: str
    device: str
    size: str
    dtype: str
    blocks: int
    effects: tuple[Effect, ...]
    together: Effect

    @property
    def levers(self) -> tuple[str, ...]:
        """The levers whose full factorial was measured."""
        return self.together.levers

    def __str__(self) -> str:
        """Write the effects in a line, without interactions that may well be none.

        An interaction is written only where its interval is known and does not hold 1.
        """
        mains = [effect for effect in self.effects if len(effect.levers) == 1]
        clear = [
            effect
            for effect in self.effects
            if len(effect.levers) > 1 and effect.holds(1.0) is False
        ]
        parts = (mains, clear, [f"together {_figure(self.together)}"])
        return "; ".join(", ".join(map(str, part)) for part in parts if part)


def factors(records: Iterable[Evidence]) -> list[Factors]:
    """Split the cost of settings into the effects of their levers.

    On the log scale the effect of a set of levers S is the mean over the cells of sign +1
    minus the mean over those of sign −1, a cell's sign being the product over S of +1 for
    a lever that is on and −1 for one that is off. So a main effect is the lever's cost
    averaged over all combinations of the others, and an interaction of two is half the
    difference between one's effect with the other and without. Source: Box, Hunter &
    Hunter, "Statistics for Experimenters", 2nd ed. (2005), ch. 5; Yates, "The Design and
    Analysis of Factorial Experiments" (1937).

    Each effect is worked out within every block and estimated from the blocks by
    :func:`detcost.intervals.ratio`: cells of a block share its ``default``, and only
    blocks are independent. The signs add up to nothing, so noise of that ``default`` weighs
    as that of one cell of the factorial and not of all.

    Parameters
    ----------
    records
        Evidence of any number of runs, in any order. Of two records of one cell the
        later counts.

    Returns
    -------
    list of Factors
        One for every machine, run, scenario, device, size and type, in the order met,
        over the most :data:`SWITCHES` of which every combination was measured in equally
        many blocks; of equally many switches, the first in that order. Where not even one
        switch was measured there is none. Cells that failed, or hold what no measurement
        gives, count as not measured.
    """
    experiments: dict[_Experiment, dict[str, list[float]]] = {}
    for record in records:
        with contextlib.suppress(UsageError):  # what is no setting here is part of no factorial
            setting = grammar.parse(record.setting).name
            experiments.setdefault(_experiment(record), {})[setting] = log_costs(record)
    found = (_analyse(experiment, costs) for experiment, costs in experiments.items())
    return [analysis for analysis in found if analysis]


def _experiment(record: Evidence) -> _Experiment:
    machine = record.machine_name
    return machine, record.run_id, record.scenario, record.device, record.size, record.dtype


def _analyse(experiment: _Experiment, costs: Mapping[str, list[float]]) -> Factors | None:
    """Take the effects from the largest factorial there is."""
    for levers in sorted(_subsets(SWITCHES), key=len, reverse=True):
        logs = _factorial(levers, costs)
        if logs is not None:
            return Factors(
                *experiment,
                blocks=logs.shape[1],
                effects=_effects(levers, logs),
                together=_estimate(levers, logs[-1] - logs[0]),
            )
    return None


def _factorial(
    levers: Sequence[str], costs: Mapping[str, list[float]]
) -> npt.NDArray[np.float64] | None:
    """Return the log costs of all combinations of levers, shape (cells, blocks).

    Cells are in the order of :func:`_subsets`. The first is ``default``, whose cost is none
    by definition: its own record holds the A/A arm's. A cell whose interval is narrow takes no
    part in later blocks, so the first blocks are those that all share. ``None`` where a cell
    has none.
    """
    names = [grammar.parse("+".join(cell)).name for cell in _subsets(levers) if cell]
    logs = [costs.get(name, []) for name in names]
    shared = min(map(len, logs), default=0)
    if not shared:
        return None
    return np.array([[0.0] * shared, *(cell[:shared] for cell in logs)])


def _effects(levers: Sequence[str], logs: npt.NDArray[np.float64]) -> tuple[Effect, ...]:
    cells = _subsets(levers)
    effects = []
    for chosen in filter(None, cells):
        signs = [math.prod(1 if lever in cell else -1 for lever in chosen) for cell in cells]
        # Half of the cells have either sign: the difference of the halves' means.
        effects.append(_estimate(chosen, signs @ logs / (len(cells) / 2)))
    return tuple(effects)


def _estimate(levers: Sequence[str], contrasts: npt.NDArray[np.float64]) -> Effect:
    """Estimate an effect from its contrasts, one a block, on the log scale."""
    found = intervals.ratio(contrasts.tolist())
    return Effect(levers=tuple(levers), ratio=found.ratio, low=found.low, high=found.high)


def _subsets(levers: Sequence[str]) -> list[tuple[str, ...]]:
    """Return all subsets, the smaller before the larger."""
    sizes = range(len(levers) + 1)
    return [subset for size in sizes for subset in itertools.combinations(levers, size)]


def _figure(effect: Effect) -> str:
    if effect.low is None or effect.high is None:
        return f"×{effect.ratio:.2f} [?, ?]"
    return f"×{effect.ratio:.2f} [{effect.low:.2f}, {effect.high:.2f}]"
