"""Perturbations: they disturb a trial, so that a rare divergence appears sooner.

A perturbation does not change the cell: pools keep their size, and inputs keep their bytes.
Perturbed trials count for ``repeat`` and ``process``. They have labels of their own, and are never
timed.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from detcost.host import noisy_neighbours
from detcost.host.machine import usable_core_numbers
from detcost.workers.contract import Conditions

#: Bytes of padding in the environment. A larger environment moves the stack.
ENVIRONMENT_BYTES = (1, 64 << 10)


def _oversubscription(chance: random.Random) -> Conditions:
    busy = chance.randint(1, 2) * len(usable_core_numbers())
    return Conditions(f"oversubscription={busy}", busy_threads=busy)


def _allocation_offset(chance: random.Random) -> Conditions:
    offset = chance.randint(1, 64)
    return Conditions(f"allocation_offset={offset}", input_offset=offset)


def _cpu_affinity(chance: random.Random) -> Conditions:
    usable = usable_core_numbers()
    cores = tuple(sorted(chance.sample(usable, chance.randint(1, max(1, len(usable) - 1)))))
    return Conditions(f"cpu_affinity={','.join(map(str, cores))}", cores=cores)


def _environment_size(chance: random.Random) -> Conditions:
    size = chance.randint(*ENVIRONMENT_BYTES)
    return Conditions(f"environment_size={size}", environment=(("DETCOST_PADDING", "x" * size),))


def _beside(kind: str) -> Callable[[random.Random], Conditions]:
    return lambda chance: Conditions(kind, neighbour=kind)


_DRAW: dict[str, Callable[[random.Random], Conditions]] = {
    "oversubscription": _oversubscription,
    **{kind: _beside(kind) for kind in noisy_neighbours.KINDS},
    "allocation_offset": _allocation_offset,
    "cpu_affinity": _cpu_affinity,
    "environment_size": _environment_size,
}
#: Kinds of perturbation, by name.
KINDS = tuple(_DRAW)
#: The kinds that need a Python process of their own, which must import TensorFlow.
_EXPENSIVE = ("environment_size",)
_CHEAP = tuple(kind for kind in KINDS if kind not in _EXPENSIVE)


def draw(kind: str, seed: int, number: int = 0) -> Conditions:
    """Return conditions of a kind, with random values drawn from the seed.

    ``number`` distinguishes the trials of a run. Expensive kinds have the same conditions in all
    trials, so that a run starts one more Python process for each kind, and not for each trial.
    """
    return _DRAW[kind](random.Random(seed if kind in _EXPENSIVE else f"{seed}/{number}"))


def plan(count: int, seed: int) -> list[Conditions]:
    """Return the conditions of a number of trials, with every kind as equally often as possible.

    If there are fewer trials than kinds, only the cheap kinds are used.
    """
    kinds = list(KINDS if count >= len(KINDS) else _CHEAP)
    random.Random(seed).shuffle(kinds)
    return [draw(kinds[number % len(kinds)], seed, number) for number in range(count)]
