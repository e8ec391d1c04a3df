"""The answer to a question: the cheapest setting that survives the scopes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import itemgetter

import msgspec

from detcost.choosing import missing, to_locate
from detcost.choosing.question import Question, Selection, lever_count, select
from detcost.choosing.scope_checks import NOT_MEASURED, ScopeCheck, check_scope
from detcost.comparison import contrasts
from detcost.comparison.contrasts import Contrasts, Estimate
from detcost.errors import UsageError
from detcost.evidence.schema import SCOPES, Cost, Record
from detcost.settings import grammar
from detcost.settings.snippets import Snippets, snippets

SCHEMA = 1
#: The reason if a setting survives every scope but has no cost to compare.
COST_UNKNOWN = "its cost is not known"


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A setting with its cost and its scope checks.

    Attributes
    ----------
    qualifies
        Whether it was measured in every scenario and survives every scope there.
    cost, worst
        Over the scenarios: the geometric mean with its interval, and the highest cost. ``None``
        if a scenario has no cost.
    tied
        Whether it qualifies and may cost as little as the cheapest setting that does: the
        interval of their ratio does not lie wholly above the free band.
    findings
        The checks, one for each scenario and scope.
    reasons
        Why it does not qualify, one reason a line.
    also_survives
        Scopes outside the question that it survives too, at the same highest rate.
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
    """The basis of an answer: machine, versions, runs, controls.

    ``noise`` is the widest interval of an A/A comparison. ``cold`` is true if some cost is of
    steps after idleness, as costs were up to schema 2.
    """

    machine: str
    processor: str
    tensorflow: str
    first_measured: str
    last_measured: str
    runs: tuple[str, ...]
    profiles: tuple[str, ...]
    noise: Cost | None
    failed_controls: tuple[str, ...]
    cold: bool = False


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a question, and its basis.

    Attributes
    ----------
    best
        The setting with the fewest levers among the cheapest that qualifies and those tied with
        it. ``None`` if no setting qualifies.
    candidates
        Every setting measured. The best is first, then the others that qualify, then the rest;
        in each group the cheapest is first.
    commands
        Commands that measure the missing cells.
    locate
        If no setting qualifies: a command for each scenario that differed under every setting. It
        finds the operation to blame.
    snippets
        Code that sets the best setting.
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
    locate: tuple[str, ...] = ()
    snippets: Snippets | None
    source: Source


def choose(records: Sequence[Record], question: Question, out: str = missing.OUT) -> Choice:
    """Choose one setting for all the scenarios of a question.

    Parameters
    ----------
    records
        Evidence of any number of runs, oldest first. The newest record of each cell counts.
    out
        The file that :attr:`Choice.commands` write to.

    Raises
    ------
    UsageError
        If the evidence has no record that the question asks for; see
        :func:`detcost.choosing.question.select`.
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
        locate=() if best else tuple(to_locate.commands(chosen, question.survive)),
        snippets=_snippets(best, chosen),
        source=source_of(chosen.records),
    )


def choose_each(
    records: Sequence[Record], question: Question, out: str = missing.OUT
) -> list[Choice]:
    """Choose a setting for each scenario of a question; see :func:`choose`."""
    names = select(records, question).scenarios
    questions = [msgspec.structs.replace(question, scenarios=(name,)) for name in names]
    return [choose(records, single, out) for single in questions]


def all_qualify(answer: Choice | Sequence[Choice]) -> bool:
    """Return whether every choice has a setting that qualifies."""
    choices = [answer] if isinstance(answer, Choice) else answer
    return all(choice.best is not None for choice in choices)


def _rank(chosen: Selection[Record], costs: Contrasts, question: Question) -> list[Candidate]:
    """Return the candidates in the order of :attr:`Choice.candidates`."""
    together = contrasts.combine(costs)
    default = chosen.settings.index("default") if "default" in chosen.settings else None
    means = contrasts.estimates(together.ratios(default))
    worst = contrasts.estimates(contrasts.worst(costs.ratios(default)))
    candidates = []
    for i, setting in enumerate(chosen.settings):
        checks, reasons = _judge(chosen, setting, question)
        candidates.append(
            Candidate(
                setting=setting,
                qualifies=not reasons and means[i] is not None,
                cost=means[i],
                worst=worst[i],
                tied=False,
                findings=tuple(checks),
                reasons=tuple(reasons or ([] if means[i] else [COST_UNKNOWN])),
                also_survives=_also_survives(chosen, setting, question),
            )
        )
    return _order(_mark_ties(candidates, together))


def _judge(
    chosen: Selection[Record], setting: str, question: Question
) -> tuple[list[ScopeCheck], list[str]]:
    """Return the checks of a setting, and the reasons why it does not qualify."""
    checks: list[ScopeCheck] = []
    failures: list[str] = []
    for scenario in chosen.scenarios:
        record = chosen.record(scenario, setting)
        if record is None or record.status != "ok":
            failures.append(f"{scenario}: {unusable(record)}")
        else:
            checks += [check_scope(record, scope, question.max_rate) for scope in question.survive]
    # A divergence is a stronger reason than a bound that is too high, so it comes first.
    failed = sorted((c for c in checks if c.disqualifies), key=lambda check: not check.divergent)
    return checks, failures + [f"{c.scenario}, {c.scope}: {c.why}" for c in failed]


def unusable(record: Record | None) -> str:
    """Write why a cell has no figures."""
    if record is None:
        return NOT_MEASURED
    return f"{record.status.replace('_', ' ')} ({record.reason})"


def _also_survives(chosen: Selection[Record], setting: str, question: Question) -> tuple[str, ...]:
    records = [chosen.record(scenario, setting) for scenario in chosen.scenarios]
    if not all(record and record.status == "ok" for record in records):
        return ()

    def survives(scope: str) -> bool:
        checks = [check_scope(record, scope, question.max_rate) for record in records if record]
        return any(c.survives for c in checks) and not any(c.disqualifies for c in checks)

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
    best = min(tied, key=lambda c: lever_count(c.setting))  # the first of these is the cheapest
    return [best, *(candidate for candidate in ranked if candidate is not best)]


def _ratio(cost: Estimate | None) -> float:
    return cost.ratio if cost else math.inf


def _snippets(best: str | None, chosen: Selection[Record]) -> Snippets | None:
    if best is None:
        return None
    try:
        return snippets(grammar.parse(best), chosen.records[0].seed)
    except UsageError:  # the evidence may name a lever that this detcost does not know
        return None


def source_of(records: Sequence[Record]) -> Source:
    """Return the basis of an answer from some records."""
    days = sorted(record.measured_at for record in records)
    controls = [record.controls for record in records if record.controls]
    widths = [
        (same.high / same.low, same)
        for same in (control.same_setting for control in controls)
        if same and same.low and same.high
    ]
    return Source(
        machine=records[0].machine_name,
        processor=records[0].processor,
        tensorflow=records[0].tensorflow,
        first_measured=days[0],
        last_measured=days[-1],
        runs=tuple(sorted({record.run_id for record in records})),
        profiles=tuple(sorted({r.protocol.profile for r in records if r.protocol})),
        noise=max(widths, key=itemgetter(0))[1] if widths else None,
        failed_controls=tuple(dict.fromkeys(f for c in controls for f in c.failures)),
        cold=any(record.cold for record in records),
    )
