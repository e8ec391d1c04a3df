"""Writes a culprit into a program."""

from __future__ import annotations

from dataclasses import dataclass

from detcost.selfbench.injection.catalogue import FLIP, CulpritKind
from detcost.selfbench.injection.pipelines import pipeline
from detcost.selfbench.injection.source import INDENT, Body, ProgramWords, Text


@dataclass(frozen=True)
class Planted:
    """A culprit in a program.

    Attributes
    ----------
    number
        The number in its lines' comments.
    rate
        How often it differs, where that is decided.
    """

    kind: CulpritKind
    number: int
    rate: float | None


def write(body: Body, planted: Planted) -> Text:
    """Write a culprit, and return the value that it makes differ."""
    source, kind = body.source, planted.kind
    x = body.pick(clean=True)
    words = ProgramWords(source)
    words |= {"x": x.name, "mark": f"# culprit {planted.number}", "p": planted.rate}
    if kind.gated:
        words["f"] = source.fresh("flip")
    for definition in kind.top:
        gated = definition is FLIP
        source.define_at_top(definition.format_map(words) if gated else definition)
    if "pipeline" in kind.where:
        result = pipeline(body, lambda ds: _filled(kind.lines, words, ds=ds))
    else:
        source.setup += [INDENT + line for line in _filled(kind.setup, words)]
        result = body.let(kind.lines, x, **words)
    body.values.remove(result)
    marked = Text(result.name, result.culprits | {planted.number})
    body.used |= marked.culprits
    body.values.append(marked)
    return marked


def _filled(text: str, words: ProgramWords, **more: object) -> list[str]:
    words.update(more)
    return text.format_map(words).splitlines()
