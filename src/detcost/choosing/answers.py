"""The answer to a question: the cheapest setting that survives the scopes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import itemgetter

import msgspec

from detcost.choosing import judging, missing, to_locate
from detcost.choosing.fleet import Fleet, select_fleet
from detcost.choosing.question import Question, Selection, lever_count, select
from detcost.choosing.scope_checks import ScopeCheck
from detcost.comparison import contrasts
from detcost.comparison.contrasts import Contrasts, Estimate
from detcost.errors import UsageError
from detcost.evidence.schema import DERIVED_SCOPES, Cost, Record
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
    on_each
        Its cost on each machine, or with each version of TensorFlow, if the answer is for several.
    """

    setting: str
    qualifies: bool
    cost: Estimate | None
    worst: Estimate | None
    tied: bool
    findings: tuple[ScopeCheck, ...]
    reasons: tuple[str, ...]
    also_survives: tuple[str, ...]
    on_each: dict[str, Estimate | None] = {}


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The basis of an answer: machine, versions, runs, controls.

    The names of several machines, processors or versions are joined by commas. ``noise`` is the
    widest interval of an A/A comparison. ``cold`` is true if some cost is of steps after idleness,
    as costs were up to schema 2.
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
    spans
        ``machine`` if the answer is for several machines, ``version`` if it is for several versions
        of TensorFlow.
    best
        The setting with the fewest levers among the cheapest that qualifies and those tied with
        it. ``None`` if no setting qualifies.
    candidates
        Every setting measured. The best is first, then the others that qualify, then the rest;
        in each group the cheapest is first.
    commands
        Commands that measure the missing cells.
    elsewhere
        Commands for other machines, or for another TensorFlow, by where to run them.
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
    spans: tuple[str, ...] = ()
    best: str | None
    candidates: tuple[Candidate, ...]
    commands: tuple[str, ...]
    elsewhere: dict[str, tuple[str, ...]] = {}
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
    return choose_for(select_fleet(records, question), question, out)


def choose_for(fleet: Fleet[Record], question: Question, out: str = missing.OUT) -> Choice:
    """Choose as :func:`choose` does, from records that were selected already."""
    candidates = _rank(fleet, question)
    best = candidates[0].setting if candidates[0].qualifies else None
    chosen = fleet.first
    commands = missing.commands_to_measure(fleet, question.survive, out)
    return Choice(
        scenarios=chosen.scenarios,
        device=chosen.device,
        size=chosen.size,
        dtype=chosen.dtype,
        survive=question.survive,
        max_rate=question.max_rate,
        spans=tuple(filter(fleet.spans, DERIVED_SCOPES)),
        best=best,
        candidates=tuple(candidates),
        commands=tuple(commands.pop("", ())),
        elsewhere={where: tuple(lines) for where, lines in commands.items()},
        locate=() if best else tuple(to_locate.commands(fleet, question.survive)),
        snippets=_snippets(best, chosen),
        source=source_of(fleet.records),
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


def _rank(fleet: Fleet[Record], question: Question) -> list[Candidate]:
    """Return the candidates in the order of :attr:`Choice.candidates`."""
    costs = contrasts.between(fleet.rows())
    together = contrasts.combine(costs)
    default = fleet.settings.index("default") if "default" in fleet.settings else None
    means = contrasts.estimates(together.ratios(default))
    worst = contrasts.estimates(contrasts.worst(costs.ratios(default)))
    on_each = _on_each(fleet, costs, default)
    candidates = []
    for i, setting in enumerate(fleet.settings):
        checks, reasons = judging.judge(fleet, setting, question)
        candidates.append(
            Candidate(
                setting=setting,
                qualifies=not reasons and means[i] is not None,
                cost=means[i],
                worst=worst[i],
                tied=False,
                findings=tuple(checks),
                reasons=tuple(reasons or ([] if means[i] else [COST_UNKNOWN])),
                also_survives=judging.also_survives(fleet, setting, question),
                on_each={name: own[i] for name, own in on_each.items()},
            )
        )
    return _order(_mark_ties(candidates, together))


def _on_each(
    fleet: Fleet[Record], costs: Contrasts, default: int | None
) -> dict[str, list[Estimate | None]]:
    """Return the costs of all settings at each place of several."""
    if fleet.is_single:
        return {}
    many = len(fleet.first.scenarios)
    return {
        fleet.name(place): contrasts.estimates(
            contrasts.combine(
                costs.for_scenarios(range(number * many, (number + 1) * many))
            ).ratios(default)
        )
        for number, place in enumerate(fleet.selections)
    }


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
        machine=_joined(record.machine_name for record in records),
        processor=_joined(record.processor for record in records),
        tensorflow=_joined(record.tensorflow for record in records),
        first_measured=days[0],
        last_measured=days[-1],
        runs=tuple(sorted({record.run_id for record in records})),
        profiles=tuple(sorted({r.protocol.profile for r in records if r.protocol})),
        noise=max(widths, key=itemgetter(0))[1] if widths else None,
        failed_controls=tuple(dict.fromkeys(f for c in controls for f in c.failures)),
        cold=any(record.cold for record in records),
    )


def _joined(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
