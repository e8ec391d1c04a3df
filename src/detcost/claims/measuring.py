"""The measurement of every hypothesis: the scenarios, settings and scopes that claims need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detcost.claims.catalogue import CLAIMS
from detcost.claims.hypotheses import Costs, Hypothesis
from detcost.evidence import places
from detcost.evidence.schema import FOLKLORE, SCOPES, Evidence
from detcost.experiment.profiles import Profile
from detcost.experiment.progress import Progress
from detcost.experiment.request import Request
from detcost.experiment.run import Run
from detcost.workers.launch import start_workers

#: Blocks of an experiment. A cost needs an interval, and :data:`COST_BLOCKS` give one.
BLOCKS, COST_BLOCKS = 1, 5


@dataclass(frozen=True)
class _MeasuringPlan:
    """How scenarios are measured: settings besides ``default``, scopes, and blocks."""

    settings: tuple[str, ...]
    scopes: tuple[str, ...]
    blocks: int


def requests() -> list[Request]:
    """Return the requests that measure every hypothesis, one for each plan."""
    by_plan: dict[_MeasuringPlan, list[str]] = {}
    for scenario, hypotheses in _by_scenario().items():
        by_plan.setdefault(_plan(scenario, hypotheses), []).append(scenario)
    return [_request(plan, scenarios) for plan, scenarios in by_plan.items()]


def _by_scenario() -> dict[str, list[Hypothesis]]:
    by_scenario: dict[str, list[Hypothesis]] = {}
    for hypothesis in (h for claim in CLAIMS for h in claim.hypotheses):
        for scenario in dict(hypothesis.cells):
            by_scenario.setdefault(scenario, []).append(hypothesis)
    return by_scenario


def _plan(scenario: str, hypotheses: Sequence[Hypothesis]) -> _MeasuringPlan:
    settings = {setting for h in hypotheses for name, setting in h.cells if name == scenario}
    scopes = {"repeat", "process"} | {getattr(h, "scope", "repeat") for h in hypotheses}
    about_cost = any(isinstance(h, Costs) for h in hypotheses)
    return _MeasuringPlan(
        settings=tuple(sorted(settings - {"default"})),
        scopes=tuple(scope for scope in SCOPES if scope in scopes),
        blocks=COST_BLOCKS if about_cost else BLOCKS,
    )


def _request(plan: _MeasuringPlan, scenarios: Sequence[str]) -> Request:
    return Request.parse(
        scenarios,
        plan.settings,
        None,
        scopes=plan.scopes,
        profile=_profile(plan.blocks),
        size="medium",
        dtype=None,
        seed=42,
    )


def measure(
    out: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Iterator[Evidence]:
    """Measure every hypothesis of the catalogue; yield the evidence of each cell when it is known.

    Parameters
    ----------
    out
        A file to append the evidence to as well.
    on_progress
        Called with the progress of the whole measurement.

    Raises
    ------
    UsageError
        If ``out`` is not named ``….folklore.jsonl``, or cannot be written.
    """
    if out:
        places.check_name(out, FOLKLORE)
    planned = requests()
    experiments = [len(request.scenarios) * len(request.settings) for request in planned]
    done = 0
    factory = start_workers()
    try:
        for request, share in zip(planned, experiments, strict=True):
            report = _part(on_progress, done / sum(experiments), share / sum(experiments))
            yield from Run(request, out=out, on_progress=report, factory=factory)
            done += share
    finally:
        factory.close()


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
    """Return a function that turns the progress of a part into the progress of the whole."""

    def report(progress: Progress) -> None:
        fraction = before + share * progress.fraction
        on_progress(replace(progress, fraction=fraction))

    return report
