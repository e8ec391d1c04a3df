"""Measuring what the claims ask for: each scenario under the settings and in the scopes asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from detcost.claims.catalogue import CLAIMS
from detcost.claims.hypotheses import Costs, Hypothesis
from detcost.evidence.schema import SCOPES, Evidence
from detcost.experiment.experiment import Progress
from detcost.experiment.profiles import Profile
from detcost.experiment.request import Request
from detcost.experiment.run import Run
from detcost.workers.launch import start_workers

#: Blocks of an experiment: the fewest that give an interval, where a claim is about cost.
BLOCKS, COST_BLOCKS = 1, 5


def requests() -> list[Request]:
    """Return what must be measured, a request for all scenarios that are measured alike."""
    alike: dict[tuple[tuple[str, ...], tuple[str, ...], int], list[str]] = {}
    for scenario in dict.fromkeys(name for ask in _asks() for name, _ in ask.cells):
        asks = [ask for ask in _asks() if scenario in dict(ask.cells)]
        settings = {setting for ask in asks for name, setting in ask.cells if name == scenario} - {
            "default"
        }
        scopes = {"repeat", "process"} | {getattr(ask, "scope", "repeat") for ask in asks}
        blocks = COST_BLOCKS if any(isinstance(ask, Costs) for ask in asks) else BLOCKS
        key = (tuple(sorted(settings)), tuple(s for s in SCOPES if s in scopes), blocks)
        alike.setdefault(key, []).append(scenario)
    return [
        Request.parse(
            scenarios,
            settings,
            None,
            scopes=scopes,
            profile=_profile(blocks),
            size="medium",
            dtype=None,
            seed=42,
        )
        for (settings, scopes, blocks), scenarios in alike.items()
    ]


def measure(
    out: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Iterator[Evidence]:
    """Measure all that the catalogue asks for; yields each cell's evidence as it is known.

    Parameters
    ----------
    out
        A file to append the evidence to as well.
    on_progress
        Called as work is done, with the progress of the whole.
    """
    to_do = requests()
    experiments = [len(request.scenarios) * len(request.settings) for request in to_do]
    done = 0
    factory = start_workers()
    try:
        for request, share in zip(to_do, experiments, strict=True):
            report = _part(on_progress, done / sum(experiments), share / sum(experiments))
            yield from Run(request, out=out, on_progress=report, factory=factory)
            done += share
    finally:
        factory.close()


def _asks() -> Iterator[Hypothesis]:
    return (ask for claim in CLAIMS for ask in claim.asks)


def _profile(blocks: int) -> Profile:
    return Profile(
        name="folklore",
        looks=(blocks,),
        half_width=0.05,
        seconds=20,
        rounds=9 if blocks > 1 else 5,
        calls=9,
        pythons=2,
        processes=4,
        perturbed=0,
        trials=1,
        quiet_builds=0,
    )


def _part(
    on_progress: Callable[[Progress], None], before: float, share: float
) -> Callable[[Progress], None]:
    """Report a part's progress as progress of the whole."""

    def report(progress: Progress) -> None:
        fraction = before + share * progress.fraction
        on_progress(replace(progress, fraction=fraction))

    return report
