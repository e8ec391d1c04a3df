"""A projection: what the page takes of evidence, and no more, since there may be millions."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter

import msgspec

from detcost.evidence.schema import OWN_SCOPES, Comparison, Record, Variant
from detcost.tables.partitions import partition_text

#: Characters of a stranger's text that a page takes.
LONGEST = 500


class Count(Comparison, frozen=True, gc=False, array_like=True):
    """A comparison as the page has it; ``partition`` says which variants agree."""

    partition: str = ""


class Written(Comparison, frozen=True, gc=False):
    """A comparison as it is written: most of the variants are never looked at."""

    variants: msgspec.Raw = msgspec.Raw()


class Projection(Record, frozen=True, kw_only=True, gc=False):
    """A record as the page reads it. Many share their counts."""

    divergence: dict[str, Count] = msgspec.field(name="divergence, counted", default_factory=dict)
    written: dict[str, Written] = msgspec.field(name="divergence", default_factory=dict)

    def __post_init__(self) -> None:
        """Take what is needed while the line is at hand, and let go of the rest."""
        races = any(self.written[s].divergent for s in OWN_SCOPES if s in self.written)
        counts = {scope: _count(found, races) for scope, found in self.written.items()}
        msgspec.structs.force_setattr(self, "divergence", counts)
        msgspec.structs.force_setattr(self, "written", {})
        if self.sequence:
            msgspec.structs.force_setattr(self, "sequence", [])


def _count(found: Written, races: bool) -> Count:
    partition = ""  # where nothing differed all agree, and a race parts what it will
    if found.divergent and found.variants and not races:
        partition = partition_text(_decode(found.variants))
    skipped = tuple(found.skipped.items())
    return _shared(_figures(found), skipped, found.reason, found.first_call, partition)


@lru_cache(maxsize=1 << 16)
def _shared(
    figures: tuple[int, int, float | None, float | None, float | None, int],
    skipped: tuple[tuple[str, str], ...],
    reason: str | None,
    first_call: int | None,
    partition: str,
) -> Count:
    short = {name[:LONGEST]: why[:LONGEST] for name, why in skipped}
    why = reason and reason[:LONGEST]
    return Count(*figures, short, why, first_call, partition[:LONGEST])


_figures = attrgetter("divergent", "trials", "rate", "low", "high", "distinct")
_decode = msgspec.json.Decoder(list[Variant]).decode
