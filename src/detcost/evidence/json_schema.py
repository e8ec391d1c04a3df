"""The JSON schema of the evidence, for programs that read it without detcost."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec.inspect import DictType, ListType, StructType, Type, UnionType

from detcost.evidence.schema import Evidence

#: The dialect that ``msgspec`` writes.
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SECTION = re.compile(r"^(\w+)\n-+\n", re.MULTILINE)
_FIELD = re.compile(r"^(\w+(?:, \w+)*)\n((?:    .*\n|\n)+)", re.MULTILINE)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of one line of an evidence file.

    Objects and fields have descriptions, which come from the docstrings.
    """
    schema = {"$schema": _DIALECT, **msgspec.json.schema(Evidence)}
    for struct in set(_structs(msgspec.inspect.type_info(Evidence))):
        _describe(schema["$defs"][struct.__name__], struct)
    return schema


def _structs(kind: Type) -> Iterator[type[msgspec.Struct]]:
    """Give every struct inside a type, and the type itself if it is a struct."""
    parts: Iterable[Type] = ()
    match kind:
        case StructType():
            yield kind.cls
            parts = (field.type for field in kind.fields)
        case UnionType():
            parts = kind.types
        case ListType():
            parts = (kind.item_type,)
        case DictType():
            parts = (kind.value_type,)
    for part in parts:
        yield from _structs(part)


def _describe(definition: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    """Add the descriptions to the JSON schema of one struct."""
    definition["description"], _ = _split_docstring(struct)
    for base in reversed(struct.__mro__):
        for field, text in _split_docstring(base)[1].items():
            if field in definition["properties"]:
                definition["properties"][field]["description"] = text


def _split_docstring(cls: type) -> tuple[str, dict[str, str]]:
    """Split a numpydoc docstring into its text and the descriptions of its fields."""
    text, *sections = _SECTION.split(inspect.cleandoc(cls.__doc__ or "") + "\n")
    fields: dict[str, str] = {}
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        if title in ("Attributes", "Parameters"):
            for names, description in _FIELD.findall(body):
                fields.update(dict.fromkeys(names.split(", "), _plain(description)))
    return _plain(text), fields


def _plain(text: str) -> str:
    """Turn the paragraphs of a docstring into lines of Markdown, and ``None`` into ``null``."""
    paragraphs = (" ".join(lines.split()) for lines in text.strip().split("\n\n"))
    return "\n".join(paragraphs).replace("``None``", "``null``").replace("``", "`")
