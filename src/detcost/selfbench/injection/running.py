"""Locates in many random programs, one after the other, and keeps a line for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from detcost.errors import UsageError
from detcost.experiment.preparation import AnyWorkerFactory
from detcost.locating.finding import locate
from detcost.selfbench.injection import journal
from detcost.selfbench.injection.judging import InjectionVerdict, judge, unjudged
from detcost.selfbench.injection.plain import PlainRuns
from detcost.selfbench.injection.programs import RandomProgram, program


def read(path: Path) -> list[InjectionVerdict]:
    """Read the verdicts that are there. A last line that was cut off is removed."""
    if not path.exists():
        return []
    *lines, cut_off = path.read_bytes().split(b"\n")
    if cut_off:
        path.write_bytes(b"".join(line + b"\n" for line in lines))
    return [msgspec.json.decode(line, type=InjectionVerdict) for line in lines]


def run(
    seeds: Iterable[int],
    folder: Path,
    factory: AnyWorkerFactory,
    *,
    seconds: float,
    on_verdict: Callable[[InjectionVerdict], None] = lambda verdict: None,
) -> list[InjectionVerdict]:
    """Locate in the program of each seed.

    Parameters
    ----------
    seeds
        The seeds of the programs. Those in the folder's verdicts are done.
    folder
        Keeps the programs, their journals, and the verdicts in ``verdicts.jsonl``.
    seconds
        The time for each search.
    on_verdict
        Called after each program.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "verdicts.jsonl"
    done = {verdict.seed: verdict for verdict in read(path)}
    verdicts = []
    for seed in seeds:
        verdict = done.get(seed) or _verdict(program(seed), folder, factory, seconds)
        if seed not in done:
            with path.open("ab") as file:
                file.write(msgspec.json.encode(verdict) + b"\n")
        verdicts.append(verdict)
        on_verdict(verdict)
    return verdicts


def _verdict(
    written: RandomProgram, folder: Path, factory: AnyWorkerFactory, seconds: float
) -> InjectionVerdict:
    file = write(written, folder)
    journal.path_of(file).unlink(missing_ok=True)
    began = time.monotonic()
    try:
        location = locate(
            f"{file}:program",
            written.setting,
            scope=written.scope,
            seconds=seconds,
            prove=False,
            cure=False,
            factory=factory,
        )
    except UsageError as error:
        verdict = unjudged(written, "failed", str(error))
    else:
        verdict = judge(written, file, location)
    verdict.seconds = round(time.monotonic() - began, 1)
    return verdict


def write(written: RandomProgram, folder: Path) -> Path:
    """Write a program's file."""
    file = folder / f"program_{written.seed}.py"
    file.write_text(written.text)
    return file


def plain_differences(seeds: Iterable[int], folder: Path, calls: int) -> Iterator[tuple[int, bool]]:
    """Yield for each program whether its outputs differ between plain runs, without detcost."""
    with PlainRuns() as runs:
        for seed in seeds:
            yield seed, runs.differs(write(program(seed), folder), calls)
