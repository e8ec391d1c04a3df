"""Scopes of divergence: the conditions that each scope changes while the bits must stay.

A trial of any scope but ``repeat`` is a fresh worker, whose first output is compared
with the cell's reference. The scope decides in which conditions the worker runs. A
scope changes one thing. All its variants run equally often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from detcost.host import noisy_neighbours
from detcost.settings import instruction_sets
from detcost.workers.contract import UNPERTURBED, Cell, CellError, Conditions

#: Threads in a pool. Sizes above the number of cores stand for larger machines.
POOL_SIZES = (1, 2, 3, 4, 8, 16)

Variants = Callable[[Cell], list[Conditions]]


def variants(cpu_flags: Iterable[str], fixed_execution: bool) -> Mapping[str, Variants]:
    """Return the scopes, each with the function that gives a cell's variants.

    Parameters
    ----------
    cpu_flags
        The processor's instruction sets, as :func:`detcost.host.machine.describe` names them.
    fixed_execution
        Whether the scenario decides how it is executed. Scenarios that ignore the lever
        ``xla`` do.

    Returns
    -------
    mapping
        Its functions raise :class:`CellError` with ``not_applicable``, if the scope does not
        apply to the cell.
    """
    flags = frozenset(cpu_flags)

    # If nothing is compiled, a cap on XLA has no effect: its trials would only add to the count.
    def caps(cell: Cell) -> list[Conditions]:
        compiled = fixed_execution or cell.setting.has("xla")
        own = cell.setting.word("isa")
        effective = [
            cap for cap in instruction_sets.caps(flags, own) if compiled or cap.library != "XLA"
        ]
        if not effective:
            raise CellError("not_applicable", "no library can be capped below this processor")
        return [Conditions(cap.label, cap=cap) for cap in effective]

    def executions(cell: Cell) -> list[Conditions]:
        if fixed_execution:
            raise CellError("not_applicable", "the scenario itself says how it is executed")
        return [
            Conditions("eager", execution="eager"),
            Conditions("graph", execution="graph"),
            Conditions("xla", execution="xla"),
        ]

    return {
        "process": lambda cell: [UNPERTURBED],
        "threads": lambda cell: [Conditions(str(n), pool_size=n) for n in POOL_SIZES],
        "load": lambda cell: [Conditions(kind, neighbour=kind) for kind in noisy_neighbours.KINDS],
        "isa": caps,
        "execution": executions,
    }
