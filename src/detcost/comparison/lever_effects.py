"""Effects: the cost of each lever of the factorial, and the cost of combining levers.

The settings measured by default are a two-level factorial. So the effect of every lever is
estimated from all cells, and separated from the interactions of levers.
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

#: The levers of the factorial, as settings spell them.
SWITCHES = tuple(setting.name for setting in grammar.default_grid() if len(setting.levers) == 1)

_Experiment = tuple[str, str, str, str, str, str]


class Effect(intervals.Interval, frozen=True, kw_only=True):
    """The effect of levers on step time, as a factor, with its 95 % interval.

    For one lever it is the main effect. For several levers it is their interaction, which is 1
    if the cost of each does not depend on the others.
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
        As in the evidence.
    blocks
        The number of independent blocks for every effect. One block gives no intervals.
    effects
        The main effects, then the interactions of two levers, then of three. Each interval
        contains its own effect in 95 % of runs. All intervals at once do so in fewer runs.
    together
        The step time with all levers on ÷ step time under ``default``.
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
        """The levers of the measured factorial."""
        return self.together.levers

    def __str__(self) -> str:
        """Write the effects in one line.

        An interaction is left out if its interval is unknown or contains 1.
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

    The sign of a cell for a set of levers S is a product over S: +1 for each lever that is on,
    −1 for each lever that is off. On the log scale, the effect of S is the mean over cells of
    sign +1 minus the mean over cells of sign −1. So a main effect is the cost of the lever,
    averaged over all combinations of the others. An interaction of two levers is half the
    difference between the effect of one with the other and without. Source: Box, Hunter &
    Hunter, "Statistics for Experimenters", 2nd ed. (2005), ch. 5; Yates, "The Design and
    Analysis of Factorial Experiments" (1937).

    Each effect is computed within every block, and estimated from the blocks by
    :func:`detcost.intervals.ratio`. The cells of a block share its ``default``, and only
    blocks are independent. The signs add up to 0, so noise of that ``default`` has the weight of
    one cell of the factorial, and not of all.

    Parameters
    ----------
    records
        Evidence of any number of runs, in any order. If two records are of one cell, the
        later record counts.

    Returns
    -------
    list of Factors
        One for every machine, run, scenario, device, size and type, in the order of the
        records. Each has the largest set of :data:`SWITCHES` of which every combination was
        measured; of two sets of one size, the first. Without any measured switch there is none.
        Cells that failed or have impossible figures count as not measured.
    """
    experiments: dict[_Experiment, dict[str, list[float]]] = {}
    for record in records:
        with contextlib.suppress(UsageError):  # an unknown setting is part of no factorial
            setting = grammar.parse(record.setting).name
            experiments.setdefault(_experiment(record), {})[setting] = log_costs(record)
    analyses = (_analyse(experiment, costs) for experiment, costs in experiments.items())
    return [analysis for analysis in analyses if analysis]


def _experiment(record: Evidence) -> _Experiment:
    machine = record.machine_name
    return machine, record.run_id, record.scenario, record.device, record.size, record.dtype


def _analyse(experiment: _Experiment, costs: Mapping[str, list[float]]) -> Factors | None:
    """Estimate the effects from the largest factorial."""
    for levers in sorted(filter(None, _subsets(SWITCHES)), key=len, reverse=True):
        logs = _factorial(levers, costs)
        if logs is not None:
            return Factors(
                *experiment,
                blocks=logs.shape[1],
                effects=_effects(levers, logs),
                together=_estimate(levers, logs[-1]),
            )
    return None


def _factorial(
    levers: Sequence[str], costs: Mapping[str, list[float]]
) -> npt.NDArray[np.float64] | None:
    """Return the log costs of all combinations of levers, shape (cells, blocks).

    Cells are in the order of :func:`_subsets`. The first is ``default``: its cost is 1 by
    definition, and its record stores the A/A comparison. A cell with a narrow interval takes no
    part in later blocks, so all cells share the first blocks. ``None`` if a cell has no blocks.
    """
    names = [grammar.parse("+".join(cell)).name for cell in _subsets(levers) if cell]
    logs = [costs.get(name, []) for name in names]
    shared = min(map(len, logs))
    if not shared:
        return None
    return np.array([[0.0] * shared, *(cell[:shared] for cell in logs)])


def _effects(levers: Sequence[str], logs: npt.NDArray[np.float64]) -> tuple[Effect, ...]:
    cells = _subsets(levers)
    effects = []
    for chosen in filter(None, cells):
        signs = [math.prod(1 if lever in cell else -1 for lever in chosen) for cell in cells]
        # Half of the cells have each sign: this is the difference of the means of the halves.
        effects.append(_estimate(chosen, signs @ logs / (len(cells) / 2)))
    return tuple(effects)


def _estimate(levers: Sequence[str], contrasts: npt.NDArray[np.float64]) -> Effect:
    """Estimate an effect from its contrasts on the log scale, one for each block."""
    estimate = intervals.ratio(contrasts.tolist())
    return Effect(levers=tuple(levers), ratio=estimate.ratio, low=estimate.low, high=estimate.high)


def _subsets(levers: Sequence[str]) -> list[tuple[str, ...]]:
    """Return all subsets, in order of size."""
    sizes = range(len(levers) + 1)
    return [subset for size in sizes for subset in itertools.combinations(levers, size)]


def _figure(effect: Effect) -> str:
    if effect.low is None or effect.high is None:
        return f"×{effect.ratio:.2f} [?, ?]"
    return f"×{effect.ratio:.2f} [{effect.low:.2f}, {effect.high:.2f}]"
