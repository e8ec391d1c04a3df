"""Comparisons of two programs as a sentence, a table and advice: in a terminal and in Markdown."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table

from detcost.choosing import to_locate
from detcost.choosing.missing import is_nameable
from detcost.evidence.schema import OWN_SCOPES, Cost
from detcost.outputs.severity import Severity
from detcost.pairing.names import short_names
from detcost.pairing.schema import PairEvidence, ProgramResult
from detcost.tables.choice_tables import TO_LOCATE, controls_failed
from detcost.tables.evidence_tables import cost_text, divergence_text
from detcost.tables.text import code, lines, markdown_text, plain


def headline(records: Sequence[PairEvidence]) -> str:
    """Write in one sentence what was seen of two programs on one device."""
    first, second = _names(records[0])
    text = f"{first} and {second} on {records[0].device}: "
    text += "; ".join(
        f"{bits}, under {_joined(record.setting for record in group)}"
        for bits, group in _by_bits(records)
    )
    timed = next((record for record in records if record.cost), None)
    if timed:
        text += (
            f". The time of {second} ÷ the time of {first} is {cost_text(timed.cost)} "
            f"under {timed.setting}"
        )
    return f"{text}."


def terminal(records: Sequence[PairEvidence]) -> RenderableType:
    """Return the sentence, the table and the advice for every device."""
    parts: list[RenderableType] = []
    for group in _by_device(records):
        table = Table("", caption_justify="left")
        for record in group:
            table.add_column(plain(record.setting))
        for name, cells in _rows(group):
            table.add_row(plain(name), *map(lines, cells))
        table.caption = lines(_remarks(group), "table.caption")
        parts += [plain(headline(group), "bold"), table, *map(plain, advice(group))]
    return Group(*parts)


def markdown(records: Sequence[PairEvidence]) -> str:
    """Return the same as Markdown, in which no untrusted text is HTML or a link."""
    text: list[str] = []
    for group in _by_device(records):
        table = [["", *(code(record.setting) for record in group)], ["---"] * (len(group) + 1)]
        table += [
            [markdown_text(name), *("<br>".join(map(markdown_text, cell)) for cell in cells)]
            for name, cells in _rows(group)
        ]
        text += [f"**{markdown_text(headline(group))}**", ""]
        text += [f"| {' | '.join(row)} |" for row in table]
        notes = [*_remarks(group), *advice(group)]
        text += ["", *(f"* {markdown_text(note)}" for note in notes), ""]
    return "\n".join(text).rstrip()


def json_text(records: Sequence[PairEvidence]) -> str:
    """Return the records as a JSON list."""
    return msgspec.json.format(msgspec.json.encode(list(records))).decode()


def advice(records: Sequence[PairEvidence]) -> Iterator[str]:
    """Yield what to do next, where it follows from what was seen on one device."""
    if all(record.bits == "equal" for record in records):
        return
    equal = next((record for record in records if record.bits == "equal"), None)
    if equal:
        names = " ".join(program.scenario for program in equal.programs)
        yield (
            f"Under {equal.setting} the bits of both are the same. To see what it costs: "
            f"detcost measure {names} --settings {equal.setting}"
        )
        return
    for place in (0, 1):
        yield from _advice_about([record.programs[place] for record in records], records)


def _advice_about(
    results: Sequence[ProgramResult], records: Sequence[PairEvidence]
) -> Iterator[str]:
    """Yield how to make one of the programs repeat its own bits, if it does not."""
    if not any(result.varies for result in results):
        return
    stays = [
        record.setting
        for record, result in zip(records, results, strict=True)
        if result.status == "ok" and not result.varies
    ]
    name = results[0].scenario
    if stays:
        yield f"{name} keeps its own bits under {_joined(stays)}"
    else:
        yield f"To find a setting in which {name} keeps its own bits: detcost measure {name}"
        yield from _to_locate(results[0], records[0])


def _to_locate(result: ProgramResult, record: PairEvidence) -> Iterator[str]:
    """Yield the command that finds the operation in a program that varies by itself."""
    scope = next(
        (s for s in OWN_SCOPES if s in result.divergence and result.divergence[s].divergent), None
    )
    if scope and is_nameable(result.scenario):
        command = to_locate.command(
            *(result.scenario, scope),
            setting=record.setting,
            device=record.device,
            size=record.size,
            dtype=result.dtype,
            seed=record.seed,
        )
        yield TO_LOCATE.format(command=command)


def _by_device(records: Sequence[PairEvidence]) -> Iterator[list[PairEvidence]]:
    """Group by programs and device, in the order measured."""

    def experiment(record: PairEvidence) -> tuple[str, ...]:
        return (record.run_id, *(p.scenario for p in record.programs), record.device)

    for _, group in itertools.groupby(records, key=experiment):
        yield list(group)


def _by_bits(records: Sequence[PairEvidence]) -> Iterator[tuple[str, list[PairEvidence]]]:
    """Group the settings in which the same was seen."""
    groups: dict[str, list[PairEvidence]] = {}
    for record in records:
        groups.setdefault(_bits_sentence(record), []).append(record)
    yield from groups.items()


def _bits_sentence(record: PairEvidence) -> str:
    match record.bits:
        case "equal":
            return f"the same bits in {_calls(record)}"
        case "different":
            return f"different bits{_by_up_to(record)}, from call {record.first_call} on"
        case "varies":
            return f"no bits to compare, since {_joined(_itself(record))}"
        case None:
            return f"not compared ({'; '.join(_reasons(record))})"


def _itself(record: PairEvidence) -> Iterator[str]:
    """Yield how often each program that varies differs from itself."""
    for name, result in zip(_names(record), record.programs, strict=True):
        counts = [
            f"{comparison.divergent} of {comparison.trials} {_COUNTED[scope]}"
            for scope, comparison in result.divergence.items()
            if comparison.divergent
        ]
        if counts:
            yield f"{name} differs from itself in {_joined(counts)}"


_COUNTED = {"repeat": "repeats", "process": "processes"}


def _reasons(record: PairEvidence) -> Iterator[str]:
    for name, result in zip(_names(record), record.programs, strict=True):
        if result.status != "ok":
            reason = f": {result.reason}" if result.reason else ""
            yield f"{name} {result.status.replace('_', ' ')}{reason}"


def _by_up_to(record: PairEvidence) -> str:
    seen = [s.max_ulp for s in (record.severity_at_first, record.severity_at_last) if s]
    known = [ulp for ulp in seen if ulp is not None]
    return f" by up to {_ulp(max(known))}" if known else ""


def _calls(record: PairEvidence) -> str:
    return f"{len(record.first.sequence)} calls"


def _rows(records: Sequence[PairEvidence]) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the name of every row, and a cell of several lines for every setting.

    Settings are columns: there are few, and a cell has much to say. A row without a figure is
    left out.
    """
    for name, cell in _facts(*_names(records[0])):
        cells = [list(cell(record)) for record in records]
        if any(cells):
            yield name, [lines or ["–"] for lines in cells]


def _facts(
    first: str, second: str
) -> Iterator[tuple[str, Callable[[PairEvidence], Iterable[str]]]]:
    """Yield the name of every row, and the function that gives its cell for a setting."""
    yield "bits", _bits_cell
    yield "apart by", lambda record: _distance(record.severity_at_first)
    yield "in the last call", _distance_at_last
    yield f"{first} with itself", lambda record: _own(record.first)
    yield f"{second} with itself", lambda record: _own(record.second)
    yield f"{second} ÷ {first} [95 %]", lambda record: _cost(record.cost)
    yield f"{first} ÷ {first}", lambda record: list(_cost(record.same_program))[:1]
    yield f"step of {first}", lambda record: _step(record.first)
    yield f"step of {second}", lambda record: _step(record.second)


def _bits_cell(record: PairEvidence) -> Iterator[str]:
    if record.bits is None:
        yield from _reasons(record)
    elif record.bits == "different":
        yield f"different from call {record.first_call} of {len(record.first.sequence)}"
    else:
        yield f"{record.bits}, {_calls(record)}"


def _distance_at_last(record: PairEvidence) -> Iterator[str]:
    """Yield the distance at the last call, if it is another one than at the first."""
    if record.severity_at_last == record.severity_at_first:
        return iter(())
    if record.severity_at_last is None:
        return iter(["equal"])
    return _distance(record.severity_at_last)


def _distance(severity: Severity | None) -> Iterator[str]:
    if severity is None:
        return
    yield from _figures(severity)
    if severity.outputs:
        more = f" and {len(severity.outputs) - 3} more" if len(severity.outputs) > 3 else ""
        yield f"in {', '.join(severity.outputs[:3])}{more}"


def _figures(severity: Severity) -> Iterator[str]:
    if severity.max_ulp is not None:
        yield _ulp(severity.max_ulp)
    if severity.fraction_differing is not None:
        yield f"{100 * severity.fraction_differing:.3g} % of elements"
    if severity.mean_relative is not None:
        yield f"mean relative {severity.mean_relative:.0e}"


def _ulp(distance: int) -> str:
    """Write a distance. Numbers of opposite signs are billions apart."""
    return f"{distance if distance < 1e6 else f'{distance:.1e}'} ulp"


def _own(result: ProgramResult) -> Iterator[str]:
    """Yield how often a program differed from itself, and by how much."""
    for scope in OWN_SCOPES:
        if comparison := result.divergence.get(scope):
            yield f"{scope} {divergence_text(comparison)}"
    if result.varies and result.severity:
        yield from _figures(result.severity)


def _cost(cost: Cost | None) -> Iterator[str]:
    if cost:
        yield cost_text(cost)
        yield _VERDICTS.get(cost.verdict, cost.verdict)


#: What the verdict on a setting means of a program.
_VERDICTS = {"costs": "slower", "free": "as fast, within 2 %"}


def _step(result: ProgramResult) -> Iterator[str]:
    if result.step_seconds:
        yield f"{1000 * result.step_seconds.median:.3g} ms"


def _remarks(records: Sequence[PairEvidence]) -> Iterator[str]:
    failures = [f for record in records if record.controls for f in record.controls.failures]
    if failures:
        yield controls_failed(dict.fromkeys(failures))
    overridden = [text for record in records for p in record.programs for text in p.overridden]
    if overridden:
        yield f"left out of the programs: {'; '.join(dict.fromkeys(overridden))}"


def _names(record: PairEvidence) -> tuple[str, str]:
    return short_names(record.first.scenario, record.second.scenario)


def _joined(words: Iterable[str]) -> str:
    *start, end = words
    return f"{', '.join(start)} and {end}" if start else end
