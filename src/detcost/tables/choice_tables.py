"""A choice as tables: in a terminal, in Markdown for a page or a CI summary, and as JSON."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detcost.choosing.answers import Candidate, Choice
from detcost.choosing.scope_checks import ANYWAY, COLD, PLURAL, ScopeCheck, percent
from detcost.tables.evidence_tables import cost_text
from detcost.tables.text import code, lines, markdown_text, plain

#: How many reasons a table lists before it counts the rest.
REASONS_LISTED = 3

#: The forms of the line that answers a question. The report's page fills in the same ones.
HEADLINE = "{subject} on {device}: {setting} survives {scopes} at {cost} times the time of default"
NONE_QUALIFIES = "{subject} on {device}: no setting measured survives {scopes}"
AT_RATE = "{scopes} at a rate of at most {rate}"
SEVERAL = "{count} scenarios"
TO_LOCATE = "to find the operation that differs: {command}"


def headline(choice: Choice) -> str:
    """Write in one line which setting is the best, or that no setting qualifies."""
    first = choice.candidates[0]
    form = NONE_QUALIFIES if choice.best is None else HEADLINE
    scopes = ", ".join(choice.survive)
    if choice.max_rate is not None:
        scopes = AT_RATE.format(scopes=scopes, rate=percent(choice.max_rate))
    return form.format(
        subject=_subject(choice),
        device=_device(choice),
        setting=first.setting,
        scopes=scopes,
        cost=cost_text(first.cost),
    )


def terminal(answer: Choice | Sequence[Choice]) -> RenderableType:
    """Return one answer, or a table of several."""
    return terminal_answer(answer) if isinstance(answer, Choice) else terminal_overview(answer)


def markdown(answer: Choice | Sequence[Choice]) -> str:
    """Return the same as Markdown, in which no untrusted text is HTML or a link."""
    return markdown_answer(answer) if isinstance(answer, Choice) else markdown_overview(answer)


def json_text(answer: Choice | Sequence[Choice]) -> str:
    """Return an answer as a JSON object, and several answers as a list."""
    return msgspec.json.format(msgspec.json.encode(answer)).decode()


def terminal_answer(choice: Choice) -> RenderableType:
    """Return the answer, a table of every setting, the basis, and the code to paste."""
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
    """Return a table of answers, one row a scenario."""
    table = Table(title=plain(_overview_title(choices), "bold"), title_justify="left")
    header, *rows = _overview(choices)
    for column in header:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(plain, row))
    table.caption = lines(_warnings(choices), "table.caption")
    return table


def markdown_overview(choices: Sequence[Choice]) -> str:
    """Return a table of answers as Markdown, one row a scenario."""
    header, *rows = _overview(choices)
    table = [header, ["---"] * len(header), *([markdown_text(c) for c in row] for row in rows)]
    text = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([*text, *(f"\n{markdown_text(line)}" for line in _warnings(choices))])


def _warnings(choices: Sequence[Choice]) -> Iterator[str]:
    failures = dict.fromkeys(f for choice in choices for f in choice.source.failed_controls)
    if failures:
        yield controls_failed(failures)
    if any(choice.source.cold for choice in choices):
        yield COLD


def controls_failed(failures: Iterable[str]) -> str:
    """Write that an answer must not be used."""
    return f"CONTROLS FAILED: {'; '.join(failures)}; do not use these results"


def _overview_title(choices: Sequence[Choice]) -> str:
    first = choices[0]
    return f"cheapest settings that survive {', '.join(first.survive)} on {_device(first)}"


def _overview(choices: Sequence[Choice]) -> Iterator[list[str]]:
    yield ["scenario", "setting", "cost [95 %]", "bounds", "tied with it"]
    for choice in choices:
        best = choice.candidates[0]
        if choice.best is None:
            yield [_subject(choice), "none qualifies", "–", _listed(best.reasons), ""]
        else:
            bounds = ", ".join(_bounds(choice, best))
            tied = ", ".join(c.setting for c in choice.candidates[1:] if c.tied)
            yield [_subject(choice), choice.best, cost_text(best.cost), bounds, tied]


def _subject(choice: Choice) -> str:
    names = choice.scenarios
    return names[0] if len(names) == 1 else SEVERAL.format(count=len(names))


def _bounds(choice: Choice, candidate: Candidate) -> Iterator[str]:
    """Yield the bound of each scope. Of several machines it is the worst one's."""
    for scope in choice.survive:
        checks = [check for check in candidate.findings if check.scope == scope]
        yield _bound_text(max(checks, key=lambda check: check.high or 0))


def _device(choice: Choice) -> str:
    """Write the device, and of how many machines or versions, if it is not one."""
    if not choice.spans:
        return choice.device
    kinds = " and ".join(PLURAL[scope] for scope in choice.spans)
    return f"{choice.device} of {len(choice.candidates[0].on_each)} {kinds}"


def _bound_text(check: ScopeCheck) -> str:
    if not check.applies:
        return f"{check.scope} n/a"
    bound = f"{check.scope} {check.divergent}/{check.trials} ≤ {percent(check.high)}"
    return f"{bound} ({check.note})" if check.note else bound


def _terminal_table(choice: Choice) -> Table:
    header, *rows = _rows(choice)
    table = Table()
    for column in header:
        table.add_column(column, no_wrap=column in header[:-1])
    for row, candidate in zip(rows, choice.candidates, strict=True):
        table.add_row(*map(plain, row), style="" if candidate.qualifies else "dim")
    return table


def _rows(choice: Choice) -> Iterator[list[str]]:
    several = _is_mean(choice)
    costs = ["cost, mean [95 %]", "worst"] if several else ["cost [95 %]"]
    yield ["setting", *costs, *choice.survive, "result"]
    for candidate in choice.candidates:
        worst = [cost_text(candidate.worst)] if several else []
        counts = [_count(candidate, scope) for scope in choice.survive]
        yield [
            candidate.setting,
            "1" if candidate.setting == "default" else cost_text(candidate.cost),
            *worst,
            *counts,
            _result(choice, candidate),
        ]


def _is_mean(choice: Choice) -> bool:
    """Return whether costs are means, over scenarios or over machines."""
    return len(choice.scenarios) > 1 or bool(choice.spans)


def _count(candidate: Candidate, scope: str) -> str:
    """Write a scope's count. Of several scenarios it is the worst one's."""
    checks = [check for check in candidate.findings if check.scope == scope]
    compared = [check for check in checks if check.trials]
    if not compared:
        return "n/a" if checks and not any(check.disqualifies for check in checks) else "–"
    worst = max(compared, key=extent)
    count = f"{worst.divergent}/{worst.trials}"
    if worst.anyway:
        return f"({count})"
    return count if worst.divergent else f"{count} ≤ {percent(worst.high)}"


def extent(check: ScopeCheck) -> tuple[bool, float, float]:
    """Return the sort key by which the worst check is the greatest.

    A divergence that the scope caused ranks above one of a cell that races, and that above a
    high bound.
    """
    caused = bool(check.divergent) and not check.anyway
    return caused, check.divergent / check.trials, check.high or 1.0


def _result(choice: Choice, candidate: Candidate) -> str:
    """Write the rank of a setting that qualifies, or else why it does not."""
    if not candidate.qualifies:
        return "; ".join([_listed(candidate.reasons), *_notes(choice, candidate)])
    results = []
    if candidate.setting == choice.best:
        results.append("the answer")
    elif candidate.tied:
        results.append("tied: the noise does not separate its cost from the answer's")
    if candidate.also_survives:
        results.append(f"survives {', '.join(candidate.also_survives)} as well")
    return "; ".join([*results, *_notes(choice, candidate)])


def _notes(choice: Choice, candidate: Candidate) -> Iterator[str]:
    """Yield the notes of the checks, and of several scenarios how many have the note."""
    for scope in choice.survive:
        notes = [check.note for check in candidate.findings if check.scope == scope]
        for note, times in Counter(filter(None, notes)).items():
            share = f" in {times} of {len(notes)} scenarios" if len(choice.scenarios) > 1 else ""
            yield f"{scope}: {note}{share}"


def _listed(reasons: Sequence[str]) -> str:
    listed = [textwrap.shorten(text, 200, placeholder=" …") for text in reasons[:REASONS_LISTED]]
    if len(reasons) > REASONS_LISTED:
        listed.append(f"and {len(reasons) - REASONS_LISTED} more")
    return "; ".join(listed)


def _remarks(choice: Choice) -> Iterator[str]:
    source = choice.source
    yield from _warnings([choice])
    where = f"{source.machine} ({source.processor})"
    yield (
        f"measured on {where} with TensorFlow {source.tensorflow}, "
        f"profile {' and '.join(source.profiles) or 'unknown'}, {source.last_measured[:10]}; "
        f"default against itself: {cost_text(source.noise)}"
    )
    if any(check.anyway for candidate in choice.candidates for check in candidate.findings):
        yield ANYWAY
    best = choice.candidates[0]
    if choice.best and _is_mean(choice) and best.worst:
        of = "a scenario" if len(choice.scenarios) > 1 else "one of them"
        yield f"its worst cost in {of}: {cost_text(best.worst)}"
    yield from _costs_on_each(choice)
    for command in choice.commands:
        yield f"not everything was measured; to measure the rest: {command}"
    for where, commands in choice.elsewhere.items():
        for command in commands:
            yield f"not everything was measured; {where}: {command}"
    yield from to_locate(choice.locate)


def _costs_on_each(choice: Choice) -> Iterator[str]:
    """Yield what the best setting costs on each machine, or with each version."""
    best = choice.candidates[0]
    if choice.best and best.on_each:
        for place, cost in best.on_each.items():
            yield f"cost on {place}: {cost_text(cost)}"


def to_locate(commands: Sequence[str]) -> Iterator[str]:
    """Yield the commands that find which operation differs, and how many are left out."""
    for command in commands[:REASONS_LISTED]:
        yield TO_LOCATE.format(command=command)
    if (more := len(commands) - REASONS_LISTED) > 0:
        yield f"{more} more scenarios differ under every setting measured"


def _pastes(choice: Choice) -> Iterable[tuple[str, str]]:
    if choice.snippets is None:
        return
    yield "To paste before the first op:", choice.snippets.python
    yield "With Keras:", choice.snippets.keras
    if choice.snippets.environment:
        yield "In the environment:", choice.snippets.environment
