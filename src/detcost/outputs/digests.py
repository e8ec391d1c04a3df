"""Digests of what a step returned: equal bytes give equal digests, other bytes give others.

Runs in workers. TensorFlow is used if the scenario loaded it, and never imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

STRING = "string"
#: The path of what a step returned, from which the paths of its outputs go on.
STEP = "step()"
#: What TensorFlow has beyond NumPy's own types; older versions of ml_dtypes lack some.
_EXTENDED = {
    name: np.dtype(getattr(ml_dtypes, name))
    for name in (
        *("bfloat16", "float8_e5m2", "float8_e5m2fnuz", "float8_e4m3fn", "float8_e4m3fnuz"),
        *("float8_e4m3b11fnuz", "float4_e2m1fn", "int4", "uint4", "int2", "uint2"),
    )
    if hasattr(ml_dtypes, name)
}
_MAGIC = b"detcost1"
_ALIGNMENT = 64
#: Elements looked at together: enough that the price of a call to NumPy does not count, and
#: few enough that what one call leaves for the next stays in the processor's caches.
CHUNK = 1 << 18

Array = npt.NDArray[Any]
_Header = tuple[str, tuple[int, ...], int, str]  # of a saved leaf: dtype, shape, bytes, path


class UnusableOutput(Exception):
    """What ``step()`` returned cannot be compared; one line that says why and what to do."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """One output, as bytes.

    Parameters
    ----------
    dtype
        NumPy's name of the type (quantised types count as the integers they are stored
        as), or ``"string"``.
    shape
        Number of elements along each axis.
    data
        The raw bytes in C order, shape (n,). May be a view of a live tensor or array:
        :func:`save` what must outlast the next step. Strings are written as all their
        lengths (uint64), then all their bytes.
    path
        Where it stands in what the step returned, such as ``step()[1]['loss']``. The leaves
        of a composite tensor share one path.
    """

    dtype: str
    shape: tuple[int, ...]
    data: npt.NDArray[np.uint8]
    path: str = STEP

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def array(self) -> npt.NDArray[Any]:
        """The elements, a view of shape :attr:`shape`; strings have :meth:`strings` instead."""
        elements: npt.NDArray[Any] = self.data.view(_EXTENDED.get(self.dtype, self.dtype))
        return elements.reshape(self.shape)

    def strings(self) -> Iterator[bytes]:
        """Give the elements of a string leaf one by one, in C order."""
        lengths = self.data[: 8 * self.size].view(np.uint64)
        start = 8 * self.size
        for length in map(int, lengths):
            yield self.data[start : start + length].tobytes()
            start += length


def leaves(outputs: object) -> list[Leaf]:
    """Flatten what a step returned into comparable leaves, in the order of ``tf.nest``.

    Tensors, variables and their composites (ragged, sparse, ``IndexedSlices``), NumPy
    arrays, Python numbers and strings, nested in lists, tuples and dicts (sorted by key).
    A tensor in host memory is viewed, not copied: ``np.asarray`` does that,
    ``Tensor.numpy()`` copies.

    Raises
    ------
    UnusableOutput
        For nothing to compare, a ``None`` among the outputs, or a thing without bytes.
    """
    if outputs is None:
        raise UnusableOutput("step() returned nothing; return the tensors to compare")
    found = [_leaf(value, path) for path, value in _flatten(outputs, STEP)]
    if not found:
        raise UnusableOutput("step() returned an empty nest; return the tensors to compare")
    return found


def signature(leaves: Sequence[Leaf]) -> tuple[str, ...]:
    """Types and shapes as text, such as ``float32[8,32]``."""
    return tuple(f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]" for leaf in leaves)


def digest(leaves: Sequence[Leaf]) -> str:
    """Hash dtype, shape and bytes of every leaf, in order: 32 hex digits of 128-bit XXH3.

    XXH3 reads as fast as memory gives; a cryptographic hash would not, and nobody
    attacks here. NaN payloads and the sign of zero count, as all bytes do.
    """
    hasher = xxhash.xxh3_128()
    for leaf, text in zip(leaves, signature(leaves), strict=True):
        hasher.update(f"{text};".encode())  # tells where the bytes end: leaves cannot run together
        hasher.update(leaf.data.data)
    return hasher.hexdigest()


def save(leaves: Sequence[Leaf], path: str | os.PathLike[str]) -> None:
    """Write leaves to a file: magic, length of the header, JSON header, then aligned bytes.

    The file appears whole or not at all, and one already there stays whole for those
    who have it mapped.
    """
    header = msgspec.json.encode(
        [(leaf.dtype, leaf.shape, leaf.data.size, leaf.path) for leaf in leaves]
    )
    part = f"{os.fspath(path)}.{os.getpid()}.part"
    with open(part, "wb") as file:
        file.write(_MAGIC + len(header).to_bytes(8, "little") + header)
        for leaf in leaves:
            file.write(bytes(-file.tell() % _ALIGNMENT))
            file.write(leaf.data.data)
    os.replace(part, path)


def load(path: str | os.PathLike[str]) -> list[Leaf]:
    """Read leaves back as read-only views of the file, which is not copied into memory.

    Raises
    ------
    ValueError
        If the file was not written by :func:`save`, or not to its end.
    """
    raw = np.asarray(np.memmap(path, np.uint8, "r"))
    if raw[:8].tobytes() != _MAGIC:
        raise ValueError(f"{path} does not hold outputs that detcost saved")
    end = 16 + int.from_bytes(raw[8:16].tobytes(), "little")
    if end > raw.size:
        raise ValueError(f"{path} is cut off: {raw.size} bytes")
    header = msgspec.json.decode(raw[16:end].tobytes(), type=list[_Header])
    found = []
    for dtype, shape, size, name in header:
        end += -end % _ALIGNMENT
        found.append(Leaf(dtype, shape, raw[end : end + size], name))
        end += size
    if end > raw.size:
        raise ValueError(f"{path} is cut off: {raw.size} of {end} bytes")
    return found


def chunks(a: Array, b: Array) -> Iterator[tuple[Array, Array]]:
    """Cut two arrays of one shape into pairs of at most ``CHUNK`` elements, each shape (n,)."""
    a, b = a.reshape(-1), b.reshape(-1)
    for start in range(0, a.size, CHUNK):
        yield a[start : start + CHUNK], b[start : start + CHUNK]


def is_float(dtype: str) -> bool:
    """Tell whether a type of this name is of real or complex floats."""
    return "float" in dtype or "complex" in dtype


def _flatten(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Walk the containers ourselves, since ``tf.nest`` cannot say where a leaf came from."""
    if isinstance(value, Mapping):
        try:
            keys = sorted(value)
        except TypeError:
            raise UnusableOutput(f"the keys of {path} cannot be sorted; use strings") from None
        for key in keys:
            yield from _flatten(value[key], f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _flatten(item, f"{path}[{index}]")
    elif value is not None and (tf := sys.modules.get("tensorflow")):
        for part in tf.nest.flatten(value, expand_composites=True):
            yield path, part
    else:
        yield path, value


def _leaf(value: object, path: str) -> Leaf:
    if value is None:
        raise UnusableOutput(f"{path} is None; return only the tensors to compare")
    array = _array(value, path)
    if array.dtype.kind in "OSU":
        return Leaf(STRING, array.shape, _encode_strings(array, path), path)
    native = array.dtype.kind in "biufc" and not issubclass(array.dtype.type, _PADDED)
    if not native and _EXTENDED.get(array.dtype.name) != array.dtype:
        raise _unusable(f"an array of {array.dtype}", path)
    array = np.asarray(array, array.dtype.newbyteorder("="), order="C")
    return Leaf(array.dtype.name, array.shape, array.reshape(-1).view(np.uint8), path)


_PADDED = (np.longdouble, np.clongdouble)  # its spare bytes hold whatever was there before


def _array(value: object, path: str) -> npt.NDArray[Any]:
    """View a leaf as an array. TensorFlow's own errors pass: a step may fail only here."""
    if isinstance(value, str | bytes):
        return np.array(value, object)
    if isinstance(value, np.ndarray | np.generic | bool | int | float | complex):
        return np.asarray(value)
    tf = sys.modules.get("tensorflow")
    if tf is None or not tf.is_tensor(value):
        raise _unusable(f"a {type(value)}", path)
    dtype: Any = getattr(value, "dtype", None)
    if dtype in (tf.resource, tf.variant):
        raise _unusable(f"a tensor of {dtype}", path)
    try:
        return np.asarray(value)
    except (NotImplementedError, TypeError, ValueError):
        raise _unusable(f"a {type(value)} without a value", path) from None


def _encode_strings(array: npt.NDArray[Any], path: str) -> npt.NDArray[np.uint8]:
    texts = [text.encode() if isinstance(text, str) else text for text in array.ravel().tolist()]
    for text in texts:
        if not isinstance(text, bytes):
            raise _unusable(f"an array holding a {type(text)}", path)
    lengths = np.fromiter(map(len, texts), np.uint64, len(texts))
    return np.frombuffer(lengths.tobytes() + b"".join(texts), np.uint8)


def _unusable(what: str, path: str) -> UnusableOutput:
    verb = "returned" if path == STEP else "is"
    return UnusableOutput(f"{path} {verb} {what}, which cannot be compared; return tensors")
