"""Data as scripts: a page opened from a file may load those, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import xxhash

_encode = msgspec.json.Encoder().encode
#: What would end a script element, or a line of a script, amid a text.
_ESCAPES = ((b"<", rb"\u003c"), ("\u2028".encode(), rb"\u2028"), ("\u2029".encode(), rb"\u2029"))


def write(folder: Path, key: str, data: bytes) -> Path:
    """Write JSON that the page receives under a key when it loads ``<key>.js``."""
    path = folder / f"{key}.js"
    path.write_bytes(call(key, data))
    return path


def call(key: str, data: bytes) -> bytes:
    """Return the call that gives the page its data, in which nothing is HTML.

    As a text that is parsed: in an object written out a stranger's ``__proto__`` would be no
    key, and a browser takes longer to read it.
    """
    text = _encode(data.decode())
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return b'detcost.receive("%s", JSON.parse(%s));\n' % (key.encode(), text)


def json(data: Any) -> bytes:
    """Return data as JSON."""
    return _encode(data)


def key(kind: str, name: str) -> str:
    """Return the key of a machine's or a scenario's data: a file's name with nothing of theirs."""
    return f"{kind}-{xxhash.xxh3_64_hexdigest(name.encode())}"
