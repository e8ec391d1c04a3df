"""Perturbations: disturb a trial so that a rare divergence shows sooner.

Each leaves the cell what it is: the pools keep their size, the inputs their bytes.
Perturbed trials count for ``repeat`` and ``process``, are recorded under their own
label, and are never timed.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from detcost.host import noisy_neighbours
from detcost.host.machine import usable_core_numbers
from detcost.workers.contract import Conditions

#: Bytes of variables that make a large environment, which moves the stack.
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
#: Those that need a Python of their own, at the price of TensorFlow's import.
_DEAR = ("environment_size",)
_CHEAP = tuple(kind for kind in KINDS if kind not in _DEAR)


def draw(kind: str, seed: int, number: int = 0) -> Conditions:
    """Return conditions of a kind, with what is left to chance drawn from the seed.

    ``number`` tells the trials of a run apart. The environments are alike in all of
    them: a run then starts one more Python for each kind, not one a trial.
    """
    return _DRAW[kind](random.Random(seed if kind in _DEAR else f"{seed}/{number}"))


def plan(count: int, seed: int) -> list[Conditions]:
    """Return conditions for so many trials: every kind equally often, as far as it goes.

    Too few trials for all kinds are given to those that cost little to start.
    """
    kinds = list(KINDS if count >= len(KINDS) else _CHEAP)
    random.Random(seed).shuffle(kinds)
    return [draw(kinds[number % len(kinds)], seed, number) for number in range(count)]
