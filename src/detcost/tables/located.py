"""What ``locate`` found, in words: the texts that a terminal, Markdown and the page share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from detcost.choosing import to_locate
from detcost.choosing.missing import is_nameable
from detcost.evidence.schema import SCOPES
from detcost.locating.schema import WHOLE, Culprit, Hop, Location, Proof, Remedy
from detcost.tables.evidence_tables import cost_text, severity_text
from detcost.tables.located_words import headline, line, listed, plural, rate_text, sentence

#: Hops of a path that are shown at either end of a long one.
_ENDS = 5
OUTPUTS = "the outputs of the step"

#: The usual reasons why Python gives other values, and what to do about each.
PYTHON_CURES = (
    "NumPy or Python draws without a seed: tf.keras.utils.set_random_seed(42), or "
    "numpy.random.default_rng(42)",
    "the order of a set, or of files: sorted(…)",
    "the time, a process number, id() or hash(): pass the value in as an argument",
    "a file that changed: keep a copy beside the program",
)


class RemedyRow(msgspec.Struct, frozen=True):
    """A remedy as a row of a table, with the code that applies it."""

    kind: str
    name: str
    alone: str
    whole: str
    cost: str
    seen: str
    cures: bool
    code: str


class CulpritText(msgspec.Struct, frozen=True):
    """A culprit in words.

    Attributes
    ----------
    headline
        One sentence.
    facts
        A name and the lines of text to it, in the order of reading.
    path
        The way of the difference to the outputs. The first entry is the culprit.
    remedies
        Those that cure it come first, the cheapest before the others.
    remarks
        Sentences that follow from the remedies.
    """

    headline: str
    facts: list[tuple[str, list[str]]]
    path: list[str]
    remedies: list[RemedyRow]
    remarks: list[str]


class Account(msgspec.Struct, frozen=True):
    """What was found in one program, in words.

    Attributes
    ----------
    headline
        What was seen, in one sentence or a few.
    facts
        The program, the comparisons with and without the probe, and what was not watched.
    next
        What to do next, one sentence each.
    """

    headline: str
    facts: list[tuple[str, list[str]]]
    culprits: list[CulpritText]
    next: list[str]


def account(location: Location) -> Account:
    """Return what was found in words. Texts of the program are untrusted, and not escaped here."""
    return Account(
        headline=headline(location),
        facts=list(_facts(location)),
        culprits=[_culprit(location, culprit) for culprit in location.culprits],
        next=list(_next(location)),
    )


def _facts(location: Location) -> Iterator[tuple[str, list[str]]]:
    where = f"{location.device}, {location.size}, {location.dtype}, seed {location.seed}"
    yield "program", [f"{location.scenario} under {location.setting} on {where}"]
    yield "scope", [f"{location.scope}: {location.compared}"]
    probed = [f"with the probe {rate_text(location.probed)}"]
    if location.unprobed:
        probed.append(f"without it {rate_text(location.unprobed)}")
    yield "whole step", probed
    watched = f"{plural(location.operations, 'operation')} in {location.frames} executions"
    if location.method == "sets":
        watched += ", a set at a time: all at once hid the difference"
    yield "watched", [watched]
    if location.unwatched:
        yield "not watched", list(location.unwatched)


def _culprit(location: Location, culprit: Culprit) -> CulpritText:
    return CulpritText(
        headline=f"{sentence(location, culprit)}.",
        facts=list(_culprit_facts(culprit)),
        path=list(_path(culprit)),
        remedies=[_row(remedy) for remedy in sorted(culprit.remedies, key=_best_first)],
        remarks=list(_remarks(culprit)),
    )


def _culprit_facts(culprit: Culprit) -> Iterator[tuple[str, list[str]]]:
    named = f" named {culprit.name}" if culprit.name != culprit.type else ""
    inside = _inside(culprit.graph, culprit.name, next(iter(culprit.place), ""))
    on = f" on {culprit.device}" if culprit.device else ""
    kind = _LABELS.get(culprit.kind, culprit.kind)
    yield kind, [f"{culprit.type}{named}{inside}{on}"]
    if culprit.inputs:
        yield "takes", [", ".join(culprit.inputs)]
    if culprit.outputs:
        yield "gives", [", ".join(culprit.outputs)]
    yield (
        "source",
        list(culprit.place) or [_NO_LINE.get(kind, "no line of yours: a library made it")],
    )
    yield "first seen", [_when(culprit)]
    if culprit.consequences:
        passed = plural(culprit.consequences, "other operation")
        yield "consequences", [f"{passed} differed only with unequal inputs: not to blame"]
    if culprit.proof:
        yield "alone", list(_proof(culprit.proof))


#: Names of what is no operation.
_LABELS = {"python": "value", "decision": "runs"}
#: Why a culprit has no line in the user's files.
_NO_LINE = {"value": "made before the step ran, such as at the top level of a file"}


def _when(culprit: Culprit) -> str:
    if culprit.call == 0:
        return "while the program was built"
    return f"call {culprit.call} of the step, execution {culprit.iteration} of it in this call"


def _proof(proof: Proof) -> Iterator[str]:
    forced = f", forced by {proof.forced}" if proof.forced else ""
    inputs = "" if proof.replayed == WHOLE else ", with its recorded inputs"
    processes = plural(proof.processes, "fresh process", "es")
    count = f"{rate_text(proof.rate)} in {processes}{forced}{inputs}"
    if proof.replayed:
        yield f"{proof.replayed}: {count}"
    elif proof.rate.trials:
        yield f"not reproduced: {count}"
    if proof.reason:
        yield f"not replayed: {proof.reason}" if not proof.replayed else proof.reason
    if proof.severity and (distance := severity_text(proof.severity)):
        yield distance
    if proof.folder:
        yield f"to replay it: detcost.replay({proof.folder!r})"


def _path(culprit: Culprit) -> Iterator[str]:
    own = Hop(culprit.type, culprit.name, culprit.graph, culprit.place[0] if culprit.place else "")
    hops = [own, *(h for h in culprit.path if (h.name, h.graph) != (own.name, own.graph))]
    if len(hops) == 1:
        return
    left_out = len(hops) - 2 * _ENDS
    graph = ""
    for place, hop in enumerate(hops):
        if left_out > 1 and _ENDS <= place < len(hops) - _ENDS:
            if place == _ENDS:
                yield f"… {plural(left_out, 'operation')} …"
            continue
        yield _hop(hop, hop.graph if hop.graph != graph else "")
        graph = hop.graph
    yield OUTPUTS


def _hop(hop: Hop, graph: str) -> str:
    at = f" at {line(hop.place)}" if hop.place else f" {hop.name}"
    return f"{hop.type}{at}{_inside(graph, hop.name, hop.place)}"


def _inside(graph: str, name: str, place: str) -> str:
    """Write the graph of an operation. Those of eager code and pipelines have its own name."""
    own = name in graph or (place and line(place) in graph)
    return f" in {graph}" if graph and not own else ""


def _best_first(remedy: Remedy) -> tuple[bool, bool, float]:
    cost = remedy.cost.ratio if remedy.cost else None
    return not remedy.cures, bool(remedy.reason), float("inf") if cost is None else cost


def _row(remedy: Remedy) -> RemedyRow:
    seen = "nothing differed" if remedy.cures else "differs still"
    return RemedyRow(
        kind=remedy.kind,
        name=remedy.name,
        alone=rate_text(remedy.alone) if remedy.alone else "–",
        whole=rate_text(remedy.whole) if remedy.whole else "–",
        cost=cost_text(remedy.cost),
        seen=f"not tried: {remedy.reason}" if remedy.reason else seen,
        cures=remedy.cures,
        code=remedy.code,
    )


def _remarks(culprit: Culprit) -> Iterator[str]:
    if culprit.kind in _LABELS:
        yield from (f"If it is {cause}" for cause in PYTHON_CURES)
    tried = [remedy for remedy in culprit.remedies if not remedy.reason]
    if tried and not any(remedy.cures for remedy in tried):
        yield f"Nothing tried cures it: it differs still under {listed(r.name for r in tried)}."


def _next(location: Location) -> Iterator[str]:
    if location.culprits:
        return
    if location.probed.divergent:
        yield (
            "What was not watched may be the origin. To watch less at a time, locate a smaller "
            "step: a function of your program that returns its own outputs."
        )
    elif location.unprobed and location.unprobed.divergent:
        yield "More time makes more comparisons: try a longer --time."
    else:
        yield from _other_scopes(location)


def _other_scopes(location: Location) -> Iterator[str]:
    further = SCOPES[SCOPES.index(location.scope) + 1 :] if location.scope in SCOPES else ()
    if further and is_nameable(location.scenario):
        command = to_locate.command(
            *(location.scenario, further[0]),
            setting=location.setting,
            device=location.device,
            size=location.size,
            dtype=location.dtype,
            seed=location.seed,
        )
        yield f"Another scope may differ: {command}"
    if further[1:]:
        yield f"Further scopes: {listed(further[1:])}."


def to_paste(rows: Iterable[RemedyRow]) -> list[RemedyRow]:
    """Return the cheapest setting and the cheapest rewriting that cure it and have code."""
    first: dict[str, RemedyRow] = {}
    for row in rows:
        if row.cures and row.code:
            first.setdefault(row.kind, row)
    return list(first.values())
