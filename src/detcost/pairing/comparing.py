"""Compares two programs under every setting asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from detcost.errors import UsageError
from detcost.evidence.journal import Journal
from detcost.evidence.schema import OWN_SCOPES
from detcost.experiment import preparation, profiles
from detcost.experiment.preparation import AnyWorkerFactory, describe
from detcost.experiment.progress import Progress
from detcost.experiment.request import Request
from detcost.pairing.pair import ProgramPair
from detcost.pairing.schema import PairEvidence, check_name
from detcost.settings import grammar
from detcost.settings.grammar import DEFAULT, Setting

#: The settings in which two programs are compared, unless the user names others.
SETTINGS = ("default", "op_determinism")


def compare(
    first: str,
    second: str,
    settings: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    *,
    profile: str | None = None,
    size: str = "medium",
    seed: int = 42,
    out: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_record: Callable[[PairEvidence], None] = lambda record: None,
) -> list[PairEvidence]:
    """Compare the bits of two programs, and the time of one with that of the other.

    Parameters
    ----------
    first, second
        The programs, as ``path/to/file.py:name``, ``package.module:name`` or the name of a
        built-in scenario. They return outputs of the same structure, types and shapes.
    settings
        The settings under which both programs run. The default is ``default`` and
        ``op_determinism``.
    devices
        Devices such as ``"CPU:0"``. The default is every device that TensorFlow reports.
    profile
        ``quick``, ``standard`` or ``full``. The default is the value of the environment variable
        ``DETCOST_PROFILE``, or else ``standard``.
    size
        The size of the inputs that the programs make from their bench.
    seed
        The seed of the inputs, of every setting that seeds, and of the order of the programs.
    out
        A file ``….compare.jsonl`` to append the records to.
    on_progress, on_record
        Called with the progress, and with each finished record.

    Returns
    -------
    list of PairEvidence
        One record for every device × setting.

    Raises
    ------
    UsageError
        For an unknown name, one program named twice, outputs that cannot be compared, a file that
        cannot be loaded or written, or if TensorFlow is not installed.
    """
    request = Request.parse(
        [first, second],
        SETTINGS if settings is None else settings,
        devices,
        scopes=OWN_SCOPES,
        profile=profiles.find(profile) if profile else profiles.from_environment(),
        size=size,
        dtype=None,
        seed=seed,
    )
    if len(request.scenarios) < 2:
        raise UsageError(
            f"{first} is named twice; name two programs (detcost measure compares one with itself)"
        )
    chosen = grammar.parse_all(SETTINGS if settings is None else settings)
    run = PairRun(request, chosen, out=Path(out) if out else None, on_progress=on_progress)
    records = []
    for record in run:
        records.append(record)
        on_record(record)
    return records


class PairRun:
    """Compares the two scenarios of a request. Iterate over it to get the records.

    Parameters
    ----------
    request
        What to compare. It has two scenarios.
    settings
        The settings to compare under, instead of those of the request.
    out
        A file to append the records to.
    on_progress
        A function to call as work is done.
    factory
        A factory that starts the workers, and stays open.

    Raises
    ------
    UsageError
        What :func:`compare` raises.
    """

    def __init__(
        self,
        request: Request,
        settings: Sequence[Setting],
        *,
        out: Path | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        factory: AnyWorkerFactory | None = None,
    ):
        if out:
            check_name(out)
        self.run_id = preparation.new_run_id()
        self._request = request
        self._settings = tuple(dict.fromkeys(settings))
        self._journal = Journal(out, self.run_id) if out else None
        self._on_progress = on_progress
        self._factory = factory

    def __iter__(self) -> Iterator[PairEvidence]:
        settings = (DEFAULT, *self._settings)
        with preparation.workers(self._request, settings, self._factory) as factory:
            yield from self._run(factory)

    def _run(self, factory: AnyWorkerFactory) -> Iterator[PairEvidence]:
        programs = [describe(factory, reference) for reference in self._request.scenarios]
        recorder, present = preparation.recorder(factory, self._request, self.run_id)
        comparisons = [(s, d) for d in self._request.devices or present for s in self._settings]
        for done, (setting, device) in enumerate(comparisons):

            def report(progress: Progress, done: int = done) -> None:
                fraction = (done + progress.fraction) / len(comparisons)
                self._on_progress(replace(progress, fraction=fraction))

            record = ProgramPair(factory, recorder, programs, present, report).compare(
                setting, device
            )
            if self._journal:
                self._journal.append([record])
            yield record
