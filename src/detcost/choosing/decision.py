"""From evidence to a decision: the cheapest setting that survives what it must."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from detcost.choosing import missing
from detcost.choosing.scope_checks import NOT_MEASURED, ScopeCheck, check_scope
from detcost.choosing.selection import Question, Selection, lever_count, select
from detcost.comparison import contrasts
from detcost.comparison.contrasts import Contrasts, Estimate
from detcost.errors import UsageError
from detcost.evidence.schema import SCOPES, Cost, Record
from detcost.settings import grammar
from detcost.settings.snippets import Snippets, snippets

SCHEMA = 1
#: Why a setting does not qualify that survives all of it and has no cost to compare.
COST_UNKNOWN = "its cost is not known"


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A setting, what it costs, and what it survives.

    Attributes
    ----------
    qualifies
        Whether it was measured in every scenario and survives every scope there.
    cost, worst
        Over the scenarios: the geometric mean with its interval, and the greatest; ``None``
        where one of them has no cost.
    tied
        Whether it qualifies and its cost cannot be told from the cheapest one's: the interval of
        their ratio does not lie wholly above the free band.
    findings
        A scope of a scenario each.
    reasons
        Why it does not qualify, a line each.
    also_survives
        Scopes beyond those asked for that it survives too, at the same highest rate.
    """

    setting: str
    qualifies: bool
    cost: Estimate | None
    worst: Estimate | None
    tied: bool
    findings: tuple[ScopeCheck, ...]
    reasons: tuple[str, ...]
    also_survives: tuple[str, ...]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer rests on: machine, versions, runs, controls.

    ``noise`` is the widest interval that ``default`` against itself came out with; ``cold``,
    whether some cost is of steps after idleness, as they were up to schema 2.
    """

    machine: str
    cpu: str
    tensorflow: str
    first_measured: str
    last_measured: str
    runs: tuple[str, ...]
    profiles: tuple[str, ...]
    noise: Cost | None
    failed_controls: tuple[str, ...]
    cold: bool = False


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, and all it rests on.

    Attributes
    ----------
    best
        The cheapest setting that qualifies, and of those tied with it the one with the fewest
        levers; ``None`` if none qualifies.
    candidates
        Every setting measured: the best, then the others that qualify and then those that do
        not, the cheapest first.
    commands
        What would measure what is missing.
    snippets
        How to get the best.
    """

    schema: int = SCHEMA
    scenarios: tuple[str, ...]
    device: str
    size: str
    dtype: str
    survive: tuple[str, ...]
    max_rate: float | None
    best: str | None
    candidates: tuple[Candidate, ...]
    commands: tuple[str, ...]
    snippets: Snippets | None
    source: Source


def choose(
    records: Sequence[Record], question: Question, out: str = "results/more.trials.jsonl"
) -> Choice:
    """Choose one setting for all the scenarios asked about.

    Parameters
    ----------
    records
        Evidence of any number of runs, oldest first; the newest of each cell counts.
    out
        The file that :attr:`Choice.commands` write to.

    Raises
    ------
    UsageError
        Where the evidence does not hold what is asked about; see
        :func:`detcost.choosing.selection.select`.
    """
    chosen = select(records, question)
    costs = contrasts.between([chosen.row(name) for name in chosen.scenarios])
    candidates = _rank(chosen, costs, question)
    best = candidates[0].setting if candidates[0].qualifies else None
    return Choice(
        scenarios=chosen.scenarios,
        device=chosen.device,
        size=chosen.size,
        dtype=chosen.dtype,
        survive=question.survive,
        max_rate=question.max_rate,
        best=best,
        candidates=tuple(candidates),
        commands=tuple(missing.commands_to_measure(chosen, question.survive, out)),
        snippets=_snippets(best, chosen),
        source=source_of(chosen.records),
    )


def choose_each(
    records: Sequence[Record], question: Question, out: str = "results/more.trials.jsonl"
) -> list[Choice]:
    """Choose a setting for each scenario asked about, by itself; see :func:`choose`."""
    names = select(records, question).scenarios
    questions = [msgspec.structs.replace(question, scenarios=(name,)) for name in names]
    return [choose(records, each, out) for each in questions]


def all_qualify(found: Choice | Sequence[Choice]) -> bool:
    """Return whether there is a setting that qualifies for everything asked about."""
    choices = [found] if isinstance(found, Choice) else found
    return all(choice.best is not None for choice in choices)


def _rank(chosen: Selection[Record], costs: Contrasts, question: Question) -> list[Candidate]:
    """Put the best first, then the others that qualify; within each, the cheapest first."""
    together = contrasts.combine(costs)
    default = chosen.settings.index("default") if "default" in chosen.settings else None
    means = contrasts.estimates(together.ratios(default))
    worst = contrasts.estimates(contrasts.worst(costs.ratios(default)))
    candidates = []
    for i, setting in enumerate(chosen.settings):
        findings, reasons = _judge(chosen, setting, question)
        candidates.append(
            Candidate(
                setting=setting,
                qualifies=not reasons and means[i] is not None,
                cost=means[i],
                worst=worst[i],
                tied=False,
                findings=tuple(findings),
                reasons=tuple(reasons or ([] if means[i] else [COST_UNKNOWN])),
                also_survives=_also_survives(chosen, setting, question),
            )
        )
    return _order(_mark_ties(candidates, together))


def _judge(
    chosen: Selection[Record], setting: str, question: Question
) -> tuple[list[ScopeCheck], list[str]]:
    """Return what was seen of a setting in every scenario and scope, and what stands against it."""
    findings: list[ScopeCheck] = []
    failed: list[str] = []
    for scenario in chosen.scenarios:
        record = chosen.record(scenario, setting)
        if record is None or record.status != "ok":
            failed.append(f"{scenario}: {unusable(record)}")
        else:
            findings += [
                check_scope(record, scope, question.max_rate) for scope in question.survive
            ]
    # What was seen to diverge tells more than a bound that is not low enough.
    against = sorted((f for f in findings if f.disqualifies), key=lambda f: not f.divergent)
    return findings, failed + [f"{f.scenario}, {f.scope}: {f.why}" for f in against]


def unusable(record: Record | None) -> str:
    """Say why there are no figures of a cell."""
    if record is None:
        return NOT_MEASURED
    return f"{record.status.replace('_', ' ')} ({record.reason})"


def _also_survives(chosen: Selection[Record], setting: str, question: Question) -> tuple[str, ...]:
    records = [chosen.record(scenario, setting) for scenario in chosen.scenarios]
    if not all(record and record.status == "ok" for record in records):
        return ()

    def survives(scope: str) -> bool:
        found = [check_scope(record, scope, question.max_rate) for record in records if record]
        return any(f.survives for f in found) and not any(f.disqualifies for f in found)

    return tuple(s for s in SCOPES if s not in question.survive and survives(s))


def _mark_ties(candidates: Sequence[Candidate], together: Contrasts) -> list[Candidate]:
    places = [i for i, candidate in enumerate(candidates) if candidate.qualifies]
    if not places:
        return list(candidates)
    cheapest = min(places, key=lambda i: _ratio(candidates[i].cost))
    ties = together.ties[:, cheapest]
    return [
        msgspec.structs.replace(candidate, tied=candidate.qualifies and bool(ties[i]))
        for i, candidate in enumerate(candidates)
    ]


def _order(candidates: Iterable[Candidate]) -> list[Candidate]:
    ranked = sorted(candidates, key=lambda c: (not c.qualifies, _ratio(c.cost)))
    tied = [candidate for candidate in ranked if candidate.tied]
    if not tied:
        return ranked
    best = min(tied, key=lambda c: (lever_count(c.setting), _ratio(c.cost)))
    return [best, *(candidate for candidate in ranked if candidate is not best)]


def _ratio(cost: Estimate | None) -> float:
    return cost.ratio if cost else math.inf


def _snippets(best: str | None, chosen: Selection[Record]) -> Snippets | None:
    if best is None:
        return None
    try:
        return snippets(grammar.parse(best), chosen.records[0].seed)
    except UsageError:  # a lever of a newer detcost, or of nobody's
        return None


def source_of(records: Sequence[Record]) -> Source:
    """Return what an answer from some records rests on."""
    days = sorted(record.measured_at for record in records)
    controls = [record.controls for record in records if record.controls]
    widths = [c.same_setting for c in controls if c.same_setting and c.same_setting.low]
    return Source(
        machine=records[0].machine_name,
        cpu=str(records[0].machine.get("cpu") or "unknown CPU"),
        tensorflow=records[0].tensorflow,
        first_measured=days[0],
        last_measured=days[-1],
        runs=tuple(sorted({record.run_id for record in records})),
        profiles=tuple(sorted({r.protocol.profile for r in records if r.protocol})),
        noise=max(widths, key=lambda cost: (cost.high or 1) / (cost.low or 1), default=None),
        failed_controls=tuple(dict.fromkeys(f for c in controls for f in c.failures)),
        cold=any(record.cold for record in records),
    )
