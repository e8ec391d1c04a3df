"""The Python interface: measure scenarios, and choose a setting from evidence."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from detcost.choosing import answers
from detcost.choosing.answers import Choice
from detcost.choosing.question import USUAL_SCOPES, Question
from detcost.comparison import lever_effects
from detcost.comparison.lever_effects import Factors
from detcost.evidence import absence, places, reading
from detcost.evidence.schema import Evidence
from detcost.experiment import profiles
from detcost.experiment.planning import ProgramPlan
from detcost.experiment.progress import Progress
from detcost.experiment.request import Request
from detcost.experiment.run import Run
from detcost.scenarios.registry import is_external

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Measurement:
    """The evidence of a run, with one record for each cell."""

    records: list[Evidence] = field(default_factory=list)

    def __iter__(self) -> Iterator[Evidence]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def complete(self) -> bool:
        """Whether every cell was measured or does not apply, on devices that are here."""
        done = all(record.status in ("ok", "not_applicable", "unimplemented") for record in self)
        return done and not self.absent_devices

    @property
    def absent_devices(self) -> list[str]:
        """Why devices that were asked for by name were not measured, a line for each."""
        return absence.reasons(self.records)

    def factors(self) -> list[Factors]:
        """Return the effect of each lever on cost, and the interactions.

        See :func:`detcost.comparison.lever_effects.factors` for the formulas.
        """
        return lever_effects.factors(self.records)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a record. Nested fields are ``cost.ratio``, ``divergence.repeat.rate``."""
        from detcost.tables.evidence_tables import to_frame

        return to_frame(self.records)


def measure(
    scenarios: str | Sequence[str],
    settings: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    *,
    scopes: Sequence[str] | None = None,
    profile: str | None = None,
    seconds: float | None = None,
    size: str = "medium",
    dtype: str | None = None,
    seed: int = 42,
    steps: int | None = None,
    out: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_record: Callable[[Evidence], None] = lambda record: None,
    on_partial: Callable[[list[Evidence]], None] = lambda records: None,
    on_plan: Callable[[ProgramPlan], None] = lambda plan: None,
) -> Measurement:
    """Measure what settings cost, and whether the bits stay.

    Parameters
    ----------
    scenarios
        Names of built-in scenarios, or references to your own:
        ``path/to/file.py:name`` or ``package.module:name``.
    settings
        Settings such as ``"op_determinism+threads=1"``. By default a program of yours gets the
        settings that fit it, and a built-in scenario the 2×2×2 grid of op determinism, one
        thread and XLA. ``default`` is always measured.
    devices
        Devices such as ``"CPU:0"``. The default is every device that TensorFlow reports.
    scopes
        The scopes in which outputs are compared: some of ``repeat``, ``process``, ``threads``,
        ``load``, ``isa`` and ``execution``. The default depends on the profile.
    profile
        ``quick``, ``standard`` or ``full``. The default is the value of the environment variable
        ``DETCOST_PROFILE``. Without it, a program of yours is measured for a few minutes, and a
        built-in scenario by ``standard``.
    seconds
        The time for the whole measurement. It replaces the profile.
    size, dtype
        The size and type of the scenarios. The default type depends on the scenario.
    seed
        The seed of the inputs, of every setting that seeds, and of the order of the arms.
    steps
        How many steps to follow each cell after its trials, to find where two processes part and
        how fast their distance grows. ``None`` follows none.
    out
        A file to append evidence to, cell by cell.
    on_progress, on_record
        Called with the progress, and with each finished record.
    on_partial, on_plan
        Called with the records so far of cells that are being measured, and with what is
        planned for each scenario on each device.

    Returns
    -------
    Measurement
        One record for every scenario × setting × device.

    Raises
    ------
    UsageError
        For an unknown name, a scenario file that cannot be loaded or an ``out`` that cannot be
        written, or if TensorFlow is not installed.
    """
    names = [scenarios] if isinstance(scenarios, str) else list(scenarios)
    fits_profile = profile is None and not os.environ.get(profiles.VARIABLE)
    if fits_profile and (seconds is not None or all(map(is_external, names))):
        profile = "quick"  # whose scopes are those of a first answer
    request = Request.parse(
        names,
        settings,
        devices,
        scopes=scopes,
        profile=profiles.find(profile) if profile else profiles.from_environment(),
        size=size,
        dtype=dtype,
        seed=seed,
        fits_profile=fits_profile,
        seconds=seconds,
        steps=steps,
    )
    place = None if out is None else Path(out)
    if place:
        places.check_name(place)
    measurement = Measurement()
    run = Run(
        request,
        out=place,
        on_progress=on_progress,
        on_partial=on_partial,
        on_plan=on_plan,
    )
    for record in run:
        measurement.records.append(record)
        on_record(record)
    return measurement


def choose(
    scenarios: str | Sequence[str] = "all",
    device: str | None = None,
    survive: Sequence[str] = USUAL_SCOPES,
    max_rate: float | None = None,
    *,
    results: str | os.PathLike[str] | Sequence[Evidence] = "results",
    machine: str | None = None,
    tensorflow: str | None = None,
    size: str | None = None,
    dtype: str | None = None,
) -> Choice:
    """Choose the cheapest setting whose bits stay, one for all the scenarios.

    Parameters
    ----------
    scenarios
        Names of scenarios or families, or ``"all"``.
    survive
        Scopes in which no comparison may differ.
    max_rate
        Highest tolerable divergence rate, above 0 and at most 1. The 95 % bound of every scope
        must not be above it. ``None`` accepts any bound.
    results
        A results folder, an evidence file, or records. Lines that cannot be read are
        skipped; :func:`detcost.read` returns them as problems.
    machine, tensorflow, device, size, dtype
        Which of several; see :class:`detcost.choosing.question.Question`.

    Returns
    -------
    Choice
        The answer, every candidate, and their basis. ``best`` is ``None`` if no setting
        measured qualifies.

    Raises
    ------
    UsageError
        If the evidence has no record that the question asks for.
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
    return answers.choose(records, question)
