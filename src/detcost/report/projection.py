"""A projection of evidence: the fields that the page needs, since there may be millions."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter

import msgspec

from detcost.choosing.scope_checks import groups_text
from detcost.evidence.schema import OWN_SCOPES, Comparison, Divergence, Record, Variant
from detcost.tables.partitions import partition_text

#: The most characters that the page keeps of an untrusted text.
LONGEST = 500


class Count(Comparison, frozen=True, gc=False, array_like=True):
    """A comparison as the page has it; ``partition`` tells which variants agree."""

    partition: str = ""


class Written(Comparison, frozen=True, gc=False):
    """A comparison as the file has it. Most variants are never decoded."""

    variants: msgspec.Raw = msgspec.Raw()


class Projection(Record, frozen=True, kw_only=True, gc=False):
    """A record as the page reads it. Many records share their counts."""

    divergence: dict[str, Count] = msgspec.field(name="divergence, counted", default_factory=dict)
    written: dict[str, Written] = msgspec.field(name="divergence", default_factory=dict)

    def __post_init__(self) -> None:
        """Keep what the page needs while the line is in memory, and drop the rest."""
        races = any(self.written[s].divergent for s in OWN_SCOPES if s in self.written)
        counts = {scope: _count(written, races) for scope, written in self.written.items()}
        msgspec.structs.force_setattr(self, "divergence", counts)
        msgspec.structs.force_setattr(self, "written", {})
        if self.sequence and self.expect == "same":
            msgspec.structs.force_setattr(self, "sequence", [])


def _count(written: Written, races: bool) -> Count:
    partition = ""  # without a difference all agree, and a race makes groups at random
    if written.divergent and written.variants and not races:
        partition = partition_text(_decode(written.variants))
    skipped = tuple(written.skipped.items())
    return _shared(_figures(written), skipped, written.reason, written.first_call, partition)


def derived_count(divergence: Divergence) -> Count:
    """Return the count of a derived scope, with the groups that agree."""
    groups = groups_text(divergence) if divergence.divergent else ""
    return _shared(_figures(divergence), (), None, None, groups)


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
