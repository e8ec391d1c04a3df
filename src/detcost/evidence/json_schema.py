"""The JSON schema of a line of evidence, for readers that are not written in Python."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.inspect import DictType, ListType, StructType, Type, UnionType

from detcost.evidence.schema import Evidence

#: The dialect that ``msgspec`` writes.
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SECTION = re.compile(r"^(\w+)\n-+\n", re.MULTILINE)
_FIELD = re.compile(r"^(\w[\w, ]*)\n((?:    .*\n|\n)+)", re.MULTILINE)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the evidence: of one line, as this version writes it.

    The descriptions of objects and of their fields come from the docstrings.
    """
    schema = {"$schema": _DIALECT, **msgspec.json.schema(Evidence)}
    for cls in set(_structs(msgspec.inspect.type_info(Evidence))):
        _describe(schema["$defs"][cls.__name__], cls)
    return schema


def _structs(kind: Type) -> Iterator[type]:
    """List the structs that values of a type consist of."""
    match kind:
        case StructType():
            yield kind.cls
            parts: tuple[Type, ...] = tuple(field.type for field in kind.fields)
        case UnionType():
            parts = kind.types
        case ListType():
            parts = (kind.item_type,)
        case DictType():
            parts = (kind.value_type,)
        case _:
            parts = ()
    for part in parts:
        yield from _structs(part)


def _describe(definition: dict[str, Any], cls: type) -> None:
    """Add the descriptions to the schema of one struct."""
    definition["description"], _ = _documentation(cls)
    for base in reversed(cls.__mro__):
        for field, text in _documentation(base)[1].items():
            if field in definition["properties"]:
                definition["properties"][field]["description"] = text


def _documentation(cls: type) -> tuple[str, dict[str, str]]:
    """Split a docstring in numpydoc's form into its text and its fields' descriptions."""
    text, *sections = _SECTION.split(inspect.cleandoc(cls.__doc__ or "") + "\n")
    fields: dict[str, str] = {}
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        if title in ("Attributes", "Parameters"):
            for names, description in _FIELD.findall(body):
                fields.update(dict.fromkeys(names.split(", "), _plain(description)))
    return _plain(text), fields


def _plain(text: str) -> str:
    """Turn a docstring's paragraphs into lines, and its markup into Markdown."""
    paragraphs = (" ".join(lines.split()) for lines in text.strip().split("\n\n"))
    return "\n".join(paragraphs).replace("``", "`")
