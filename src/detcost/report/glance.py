"""A glance: what the page takes of evidence, and no more, since there may be millions."""

from __future__ import annotations

import msgspec

from detcost.evidence import Comparison, Record, Variant

_NOTHING = msgspec.Raw()
_decode = msgspec.json.Decoder(tuple[Variant, ...]).decode


class Glimpse(Comparison, frozen=True, gc=False):
    """A comparison, with its variants only where something differed: else all agree."""

    variants: tuple[Variant, ...] = msgspec.field(name="variants of what differed", default=())
    written: msgspec.Raw = msgspec.field(name="variants", default=_NOTHING)


class Glance(Record, frozen=True, kw_only=True, gc=False):
    """A record as the page reads it."""

    divergence: dict[str, Glimpse] = {}  # noqa: RUF012

    def __post_init__(self) -> None:
        """Decode what variants are needed; let go of the others, and of the line around them."""
        for found in self.divergence.values():
            if found.divergent and found.written:
                msgspec.structs.force_setattr(found, "variants", _decode(found.written))
            msgspec.structs.force_setattr(found, "written", _NOTHING)
