"""What ``locate`` found: one file for a cell, a scope and a version of TensorFlow."""

from __future__ import annotations

from typing import Any

import msgspec

#: The newest schema: that of ``detcost.locating.schema``, which this package cannot import.
SCHEMA = 1


class FoundOperation(msgspec.Struct):
    """What merging needs of :class:`detcost.locating.schema.Location`.

    The machine's description is less than that of evidence. So its identity is that of the
    evidence beside it.
    """

    scenario: str
    setting: str
    device: str
    size: str
    dtype: str
    scope: str
    located_at: str = ""
    machine: dict[str, str | None] = {}
    versions: dict[str, str | None] = {}
    schema: int = SCHEMA

    @property
    def subject(self) -> tuple[str, ...]:
        """The cell and the scope."""
        return (self.scenario, self.setting, self.device, self.size, self.dtype, self.scope)

    @property
    def version(self) -> str:
        """The version of TensorFlow, by which files of one name are told apart."""
        return f"tensorflow{self.versions.get('tensorflow')}"


def parse(text: bytes) -> FoundOperation:
    """Check a file.

    Raises
    ------
    ValueError, RecursionError
        If it is damaged, of another form or of a newer schema.
    """
    found = msgspec.json.decode(text, type=FoundOperation)
    if found.schema > SCHEMA:
        raise ValueError(f"schema {found.schema} is newer than {SCHEMA}; upgrade detcost")
    return found


def renamed(text: bytes, name: str) -> bytes:
    """Return the file with another name for its machine."""
    content: dict[str, Any] = msgspec.json.decode(text)
    if content["machine"].get("name") == name:
        return text
    content["machine"]["name"] = name
    return msgspec.json.format(msgspec.json.encode(content))
