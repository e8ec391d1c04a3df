"""What to do next after a measurement: the recommendation, its code, and what more time buys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from detcost import intervals
from detcost.choosing import answers
from detcost.choosing.answers import Choice
from detcost.choosing.question import USUAL_SCOPES, Question
from detcost.evidence.schema import Evidence
from detcost.experiment.planning import ProgramPlan
from detcost.scenarios.registry import Kind
from detcost.tables.choice_tables import (
    REASONS_LISTED,
    controls_failed,
    headline,
    to_locate,
)
from detcost.tables.evidence_tables import markdown_overview
from detcost.tables.text import duration, lines, markdown_text, plain

#: What the recommendation ``default`` means to a user.
NOTHING_NEEDED = "No switch is needed beside the seeds: default sets nothing else."


class Paste(msgspec.Struct, frozen=True):
    """Code to paste, and the place for it."""

    place: str
    code: str


class NextSteps(msgspec.Struct, frozen=True):
    """What to do next about one scenario on one device.

    Attributes
    ----------
    advice
        The recommendation in one sentence. If nothing qualifies, the reasons follow.
    pastes
        The code that applies the recommended setting to this kind of program.
    more_time
        What more time would buy, if that is known.
    choice
        The whole answer, as ``detcost choose --json`` gives it.
    records
        The evidence.
    """

    advice: list[str]
    pastes: list[Paste]
    more_time: str | None
    choice: Choice
    records: list[Evidence]


def next_steps(
    records: Sequence[Evidence], plans: Iterable[ProgramPlan], out: str
) -> list[NextSteps]:
    """Return what to do next for every plan that has evidence.

    ``out`` is the file for commands that measure more.
    """
    steps = [_of_plan(plan, [r for r in records if _is_of(r, plan)], out) for plan in plans]
    return [step for step in steps if step]


def _is_of(record: Evidence, plan: ProgramPlan) -> bool:
    return (record.scenario, record.device) == (plan.scenario, plan.device)


def _of_plan(plan: ProgramPlan, records: list[Evidence], out: str) -> NextSteps | None:
    measured = {scope for record in records for scope in record.divergence}
    survive = tuple(scope for scope in USUAL_SCOPES if scope in measured) or tuple(measured)
    if not survive:
        return None
    one = records[0]
    question = Question(
        scenarios=(plan.scenario,),
        device=plan.device,
        survive=survive,
        machine=one.machine_name,
        size=one.size,
        dtype=one.dtype,
    )
    choice = answers.choose(records, question, out)
    return NextSteps(
        list(_advice(choice)), _pastes(choice, plan.kind), more_time(plan, records), choice, records
    )


def _advice(choice: Choice) -> Iterator[str]:
    if choice.source.failed_controls:
        yield controls_failed(choice.source.failed_controls)
    yield headline(choice)
    if choice.best == "default":
        yield NOTHING_NEEDED
    if choice.best is None:
        for candidate in choice.candidates:
            yield f"{candidate.setting}: {'; '.join(candidate.reasons[:REASONS_LISTED])}"
    yield from to_locate(choice.locate)


def _pastes(choice: Choice, kind: Kind | None) -> list[Paste]:
    snippets = choice.snippets
    if snippets is None:
        return []
    code = snippets.keras if kind == "keras" else snippets.python
    pastes = [Paste("before the first op", code)]
    if snippets.environment:
        pastes.append(Paste("in the environment", snippets.environment))
    return pastes


def more_time(plan: ProgramPlan, records: Sequence[Evidence]) -> str | None:
    """Write what more time would buy; ``None`` without a larger plan or without an interval.

    The half-width is scaled by :func:`detcost.intervals.margin_factor` from the blocks measured
    to those planned, and the bound by :func:`detcost.intervals.upper_bound_of_zero`.
    """
    widths = [width for record in records if (width := _half_width(record)) is not None]
    blocks = max((record.cost.blocks for record in records if record.cost), default=0)
    if plan.more is None or not widths or blocks < 2:
        return None
    profile, seconds = plan.more
    now = max(widths)
    then = now * intervals.margin_factor(profile.looks[-1]) / intervals.margin_factor(blocks)
    bound = intervals.upper_bound_of_zero(profile.processes) or 1.0
    return (
        f"--time {duration(seconds)} would narrow the widest interval from ±{100 * now:.0f} % to "
        f"about ±{100 * then:.0f} %, and bound a rate in process at {100 * bound:.0f} %"
    )


def _half_width(record: Evidence) -> float | None:
    cost = record.cost
    if cost is None or not cost.low or not cost.high:
        return None
    return float((cost.high / cost.low) ** 0.5 - 1)


def terminal(steps: Sequence[NextSteps]) -> RenderableType:
    """Return the recommendations with their code."""
    parts: list[RenderableType] = []
    for step in steps:
        first, *others = step.advice
        parts += [plain(first, "bold"), *map(plain, others)]
        for paste in step.pastes:
            code = lines(f"    {line}" for line in paste.code.splitlines())
            parts += [plain(f"To paste {paste.place}:"), code]
        parts += [plain(line) for line in (*step.choice.commands, step.more_time) if line]
        parts.append(Text())
    return Group(*parts)


def markdown(steps: Sequence[NextSteps]) -> str:
    """Return the results and recommendations as Markdown, without untrusted HTML or links."""
    return "\n\n".join(part for step in steps for part in _markdown(step))


def _markdown(step: NextSteps) -> Iterator[str]:
    first, *others = map(markdown_text, step.advice)
    yield f"**{first}**"
    if others:
        yield "\n".join(f"* {line}" for line in others)
    yield markdown_overview(step.records)
    for paste in step.pastes:
        language = "sh" if paste.code.startswith("export") else "python"
        yield f"To paste {paste.place}:\n\n```{language}\n{paste.code}\n```"
    if step.more_time:
        yield markdown_text(step.more_time)


def json_text(steps: Sequence[NextSteps]) -> str:
    """Return the steps as a JSON list."""
    return msgspec.json.format(msgspec.json.encode(steps)).decode()
