"""From names to evidence in one call, for Python users."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from detcost.choosing import decision
from detcost.choosing.decision import Choice
from detcost.choosing.selection import USUAL_SCOPES, Question
from detcost.comparison import effects
from detcost.comparison.effects import Factors
from detcost.evidence import reading
from detcost.evidence.schema import Evidence
from detcost.experiment import profiles
from detcost.experiment.experiment import Progress
from detcost.experiment.request import Request
from detcost.experiment.run import Run

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Measurement:
    """The evidence of a run, one record a cell."""

    records: list[Evidence] = field(default_factory=list)

    def __iter__(self) -> Iterator[Evidence]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def complete(self) -> bool:
        """Whether every cell was measured or does not apply."""
        return all(record.status in ("ok", "not_applicable", "unimplemented") for record in self)

    def factors(self) -> list[Factors]:
        """Return each lever's own effect on cost, and the interactions.

        See :func:`detcost.comparison.effects.factors` for the formulas.
        """
        return effects.factors(self.records)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a record, nested fields as ``cost.ratio``, ``divergence.repeat.rate``."""
        from detcost.tables.evidence_tables import to_frame

        return to_frame(self.records)


def measure(
    scenarios: str | Sequence[str],
    settings: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    *,
    scopes: Sequence[str] | None = None,
    profile: str | None = None,
    size: str = "medium",
    dtype: str | None = None,
    seed: int = 42,
    out: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_record: Callable[[Evidence], None] = lambda record: None,
) -> Measurement:
    """Measure what settings cost, and whether the bits stay.

    Parameters
    ----------
    scenarios
        Names of built-in scenarios, or references to your own:
        ``path/to/file.py:name`` or ``package.module:name``.
    settings
        Settings such as ``"op_determinism+threads=1"``; the 2×2×2 grid of op
        determinism, one thread and XLA when not given. ``default`` is always measured.
    devices
        Such as ``"CPU:0"``; every device TensorFlow reports when not given.
    scopes
        The scopes in which outputs are compared, of ``repeat``, ``process``, ``threads``,
        ``load``, ``isa`` and ``execution``; the profile's own when not given.
    profile
        ``quick``, ``standard`` or ``full``; otherwise what ``DETCOST_PROFILE``
        names, otherwise ``standard``.
    size, dtype
        The size and type to build scenarios with; a scenario's own default type
        when not given.
    seed
        Of the inputs, of every setting that seeds, and of the order of turns.
    out
        A file to append evidence to, cell by cell.
    on_progress, on_record
        Called as work is done, and with each finished record.

    Returns
    -------
    Measurement
        One record for every scenario × setting × device.

    Raises
    ------
    UsageError
        For an unknown name, a file that cannot be loaded, a place that cannot be
        written, or when TensorFlow is not installed.
    """
    request = Request.parse(
        [scenarios] if isinstance(scenarios, str) else scenarios,
        settings,
        devices,
        scopes=scopes,
        profile=profiles.find(profile) if profile else profiles.from_environment(),
        size=size,
        dtype=dtype,
        seed=seed,
    )
    done = Measurement()
    for record in Run(request, out=Path(out) if out else None, on_progress=on_progress):
        done.records.append(record)
        on_record(record)
    return done


def choose(
    scenarios: str | Sequence[str] = "all",
    device: str = "CPU:0",
    survive: Sequence[str] = USUAL_SCOPES,
    max_rate: float | None = None,
    *,
    results: str | os.PathLike[str] | Sequence[Evidence] = "results",
    machine: str | None = None,
    tensorflow: str | None = None,
    size: str | None = None,
    dtype: str | None = None,
) -> Choice:
    """Choose the cheapest setting whose bits stay: one for all the scenarios named.

    Parameters
    ----------
    scenarios
        Names of scenarios or families, or ``"all"``.
    device
        Such as ``"CPU:0"``.
    survive
        Scopes in which no comparison may have differed.
    max_rate
        Highest tolerable divergence rate, above 0 and at most 1: the 95 % bound of a scope must
        not lie above it. ``None`` takes any bound.
    results
        A results folder, an evidence file, or records. Lines that cannot be read are
        passed over; :func:`detcost.read` tells which.
    machine, tensorflow, size, dtype
        Which of several; see :class:`detcost.choosing.selection.Question`.

    Returns
    -------
    Choice
        The answer, every candidate, and what they rest on. ``best`` is ``None`` where no
        setting measured qualifies.

    Raises
    ------
    UsageError
        Where the evidence does not hold what is asked about.
    """
    if isinstance(results, str | os.PathLike):
        records, _ = reading.read(Path(results))
    else:
        records = list(results)
    question = Question(
        scenarios=(scenarios,) if isinstance(scenarios, str) else tuple(scenarios),
        device=device,
        survive=tuple(survive),
        max_rate=max_rate,
        machine=machine,
        tensorflow=tensorflow,
        size=size,
        dtype=dtype,
    )
    return decision.choose(records, question)
