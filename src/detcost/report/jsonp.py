"""Data as scripts: a page opened from a file can load scripts, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import xxhash

_encode = msgspec.json.Encoder().encode
#: Characters that end a script element, or a line of a script, within a text.
_ESCAPES = ((b"<", rb"\u003c"), ("\u2028".encode(), rb"\u2028"), ("\u2029".encode(), rb"\u2029"))


def write(folder: Path, key: str, data: bytes) -> Path:
    """Write JSON as ``<key>.js``, which the page loads and receives under the key."""
    path = folder / f"{key}.js"
    path.write_bytes(call(key, data))
    return path


def call(key: str, data: bytes) -> bytes:
    """Return the call that passes data to the page. Nothing in it is HTML.

    The data is a text that the page parses. In an object literal, an untrusted ``__proto__``
    would not be a key, and a browser needs more time to read it.
    """
    text = _encode(data.decode())
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return b'detcost.receive("%s", JSON.parse(%s));\n' % (key.encode(), text)


def json(data: Any) -> bytes:
    """Return data as JSON."""
    return _encode(data)


def key(kind: str, name: str) -> str:
    """Return the key of the data of a machine or a scenario: a file name without untrusted text."""
    return f"{kind}-{xxhash.xxh3_64_hexdigest(name.encode())}"
