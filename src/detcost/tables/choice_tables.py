"""A choice as a person reads it: in a terminal, and as Markdown for a page or a CI summary."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detcost.choosing.decision import Candidate, Choice
from detcost.choosing.scope_checks import ANYWAY, COLD, ScopeCheck, percent
from detcost.tables.evidence_tables import cost_text
from detcost.tables.text import code, lines, markdown_text, plain

#: Reasons against a setting that are told before it says that there are more.
TOLD = 3

#: The forms of the line that answers a question; the report's page fills in the same ones.
HEADLINE = "{subject} on {device}: {setting} survives {scopes} at {cost} times the time of default"
NONE_QUALIFIES = "{subject} on {device}: no setting measured survives {scopes}"
AT_RATE = "{scopes} at a rate of at most {rate}"
SEVERAL = "{count} scenarios"


def headline(choice: Choice) -> str:
    """Say in a line which setting it is, or that there is none."""
    first = choice.candidates[0]
    form = NONE_QUALIFIES if choice.best is None else HEADLINE
    scopes = ", ".join(choice.survive)
    if choice.max_rate is not None:
        scopes = AT_RATE.format(scopes=scopes, rate=percent(choice.max_rate))
    return form.format(
        subject=_subject(choice),
        device=choice.device,
        setting=first.setting,
        scopes=scopes,
        cost=cost_text(first.cost),
    )


def terminal(found: Choice | Sequence[Choice]) -> RenderableType:
    """Return an answer, or a table of answers."""
    return terminal_answer(found) if isinstance(found, Choice) else terminal_overview(found)


def markdown(found: Choice | Sequence[Choice]) -> str:
    """Return the same as Markdown, in which nothing of a stranger's is HTML or a link."""
    return markdown_answer(found) if isinstance(found, Choice) else markdown_overview(found)


def json_text(found: Choice | Sequence[Choice]) -> str:
    """Return the whole of it as JSON: an object, or a list of them."""
    return msgspec.json.format(msgspec.json.encode(found)).decode()


def terminal_answer(choice: Choice) -> RenderableType:
    """Return the answer, every setting beside it, what it rests on, and what to paste."""
    parts: list[RenderableType] = [plain(headline(choice), "bold"), _terminal_table(choice)]
    parts += [plain(line) for line in _remarks(choice)]
    for title, text in _pastes(choice):
        parts += [Text(), plain(title, "bold"), lines(f"    {line}" for line in text.splitlines())]
    return Group(*parts)


def markdown_answer(choice: Choice) -> str:
    """Return an answer as Markdown."""
    header, *rows = _rows(choice)
    table = [header, ["---"] * len(header)]
    table += [[code(row[0]), *(markdown_text(cell) for cell in row[1:])] for row in rows]
    text = [f"**{markdown_text(headline(choice))}**", ""]
    text += [f"| {' | '.join(row)} |" for row in table]
    text += ["", *(f"* {markdown_text(line)}" for line in _remarks(choice))]
    for title, paste in _pastes(choice):
        language = "sh" if paste.startswith("export") else "python"
        text += ["", markdown_text(title), "", f"```{language}", paste, "```"]
    return "\n".join(text)


def terminal_overview(choices: Sequence[Choice]) -> Table:
    """Return a table of answers, a row a scenario."""
    table = Table(title=plain(_overview_title(choices), "bold"), title_justify="left")
    header, *rows = _overview(choices)
    for column in header:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(plain, row))
    table.caption = lines(_warnings(choices), "table.caption")
    return table


def markdown_overview(choices: Sequence[Choice]) -> str:
    """Return a table of answers as Markdown, a row a scenario."""
    header, *rows = _overview(choices)
    table = [header, ["---"] * len(header), *([markdown_text(c) for c in row] for row in rows)]
    lines = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([*lines, *(f"\n{markdown_text(line)}" for line in _warnings(choices))])


def _warnings(choices: Sequence[Choice]) -> Iterator[str]:
    failures = dict.fromkeys(f for choice in choices for f in choice.source.failed_controls)
    if failures:
        yield controls_failed(failures)
    if any(choice.source.cold for choice in choices):
        yield COLD


def controls_failed(failures: Iterable[str]) -> str:
    """Say that an answer must not be used."""
    return f"CONTROLS FAILED: {'; '.join(failures)}; trust nothing here"


def _overview_title(choices: Sequence[Choice]) -> str:
    return f"cheapest settings that survive {', '.join(choices[0].survive)} on {choices[0].device}"


def _overview(choices: Sequence[Choice]) -> Iterator[list[str]]:
    yield ["scenario", "setting", "cost [95 %]", "bounds", "tied with it"]
    for choice in choices:
        best = choice.candidates[0]
        if choice.best is None:
            yield [_subject(choice), "none qualifies", "–", _told(best.reasons), ""]
        else:
            bounds = ", ".join(map(_bound, best.findings))
            tied = ", ".join(c.setting for c in choice.candidates[1:] if c.tied)
            yield [_subject(choice), choice.best, cost_text(best.cost), bounds, tied]


def _subject(choice: Choice) -> str:
    names = choice.scenarios
    return names[0] if len(names) == 1 else SEVERAL.format(count=len(names))


def _bound(finding: ScopeCheck) -> str:
    if not finding.applies:
        return f"{finding.scope} n/a"
    bound = f"{finding.scope} {finding.divergent}/{finding.trials} ≤ {percent(finding.high)}"
    return f"{bound} ({finding.note})" if finding.note else bound


def _terminal_table(choice: Choice) -> Table:
    header, *rows = _rows(choice)
    table = Table()
    for column in header:
        table.add_column(column, no_wrap=column in header[:-1])
    for row, candidate in zip(rows, choice.candidates, strict=True):
        table.add_row(*map(plain, row), style="" if candidate.qualifies else "dim")
    return table


def _rows(choice: Choice) -> Iterator[list[str]]:
    several = len(choice.scenarios) > 1
    costs = ["cost, mean [95 %]", "worst"] if several else ["cost [95 %]"]
    yield ["setting", *costs, *choice.survive, "what it buys, or why not"]
    for candidate in choice.candidates:
        worst = [cost_text(candidate.worst)] if several else []
        counts = [_count(candidate, scope) for scope in choice.survive]
        yield [
            candidate.setting,
            "1" if candidate.setting == "default" else cost_text(candidate.cost),
            *worst,
            *counts,
            _word(choice, candidate),
        ]


def _count(candidate: Candidate, scope: str) -> str:
    """Write a scope's count; of several scenarios the one that stands out."""
    found = [finding for finding in candidate.findings if finding.scope == scope]
    compared = [finding for finding in found if finding.trials]
    if not compared:
        return "n/a" if found and not any(each.disqualifies for each in found) else "–"
    worst = max(compared, key=extent)
    count = f"{worst.divergent}/{worst.trials}"
    if worst.anyway:
        return f"({count})"
    return count if worst.divergent else f"{count} ≤ {percent(worst.high)}"


def extent(finding: ScopeCheck) -> tuple[bool, float, float]:
    """Rank what differed before what differs anyway, and that before the highest bound."""
    blames = bool(finding.divergent) and not finding.anyway
    return blames, finding.divergent / finding.trials, finding.high or 1.0


def _word(choice: Choice, candidate: Candidate) -> str:
    """Say what a setting buys, or what stands against it."""
    if not candidate.qualifies:
        return "; ".join([_told(candidate.reasons), *_notes(choice, candidate)])
    words = []
    if candidate.setting == choice.best:
        words.append("the answer")
    elif candidate.tied:
        words.append("tied: the noise does not tell its cost from the answer's")
    if candidate.also_survives:
        words.append(f"survives {', '.join(candidate.also_survives)} as well")
    return "; ".join([*words, *_notes(choice, candidate)])


def _notes(choice: Choice, candidate: Candidate) -> Iterator[str]:
    """Say what is to be known of the counts, and of several scenarios in how many."""
    for scope in choice.survive:
        found = [each for each in candidate.findings if each.scope == scope]
        for note, times in Counter(each.note for each in found if each.note).items():
            share = f" in {times} of {len(found)} scenarios" if len(choice.scenarios) > 1 else ""
            yield f"{scope}: {note}{share}"


def _told(reasons: Sequence[str]) -> str:
    rest = f"; and {len(reasons) - TOLD} more" if len(reasons) > TOLD else ""
    told = [textwrap.shorten(reason, 200, placeholder=" …") for reason in reasons[:TOLD]]
    return "; ".join(told) + rest


def _remarks(choice: Choice) -> Iterator[str]:
    source = choice.source
    yield from _warnings([choice])
    where = f"{source.machine} ({source.cpu})"
    yield (
        f"measured on {where} with TensorFlow {source.tensorflow}, "
        f"profile {' and '.join(source.profiles) or 'unknown'}, {source.last_measured[:10]}; "
        f"default against itself: {cost_text(source.noise)}"
    )
    if any(finding.anyway for each in choice.candidates for finding in each.findings):
        yield ANYWAY
    best = choice.candidates[0]
    if choice.best and len(choice.scenarios) > 1 and best.worst:
        yield f"its worst cost in a scenario: {cost_text(best.worst)}"
    for command in choice.commands:
        yield f"not all was measured; this would: {command}"


def _pastes(choice: Choice) -> Iterable[tuple[str, str]]:
    if choice.snippets is None:
        return
    yield "To paste before the first op:", choice.snippets.python
    yield "With Keras:", choice.snippets.keras
    if choice.snippets.environment:
        yield "In the environment:", choice.snippets.environment
