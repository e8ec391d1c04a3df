"""Digests of the outputs of a step: they are equal if and only if the bytes are equal.

Runs in workers. It uses TensorFlow if the scenario has loaded it, and never imports it.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from detcost.atomic_file import replacing

STRING = "string"
#: The path of a step's return value, which begins the paths of its outputs.
STEP = "step()"
#: TensorFlow's types that NumPy lacks. Older versions of ml_dtypes lack some of them too.
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
#: Elements in a chunk: enough to make the overhead of NumPy's calls negligible, and few enough
#: to keep intermediate results in the processor's caches.
CHUNK = 1 << 18

Array = npt.NDArray[Any]
_Header = tuple[str, tuple[int, ...], int, str]  # of a saved leaf: dtype, shape, bytes, path


class UnusableOutput(Exception):
    """The return value of ``step()`` cannot be compared. One line has the reason and the remedy."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """One output, as bytes.

    Parameters
    ----------
    dtype
        NumPy's name of the type, or ``"string"``. Quantised types have the name of the
        integers that store them.
    shape
        Number of elements along each axis.
    data
        The raw bytes in C order, shape (n,). May be a view of a live tensor or array, which
        the next step may overwrite; :func:`save` keeps the bytes. Strings are stored as all
        lengths (uint64), followed by all bytes.
    path
        Position in the return value of the step, such as ``step()[1]['loss']``. The leaves
        of a composite tensor share a path.
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
        """A view of the elements, of shape :attr:`shape`. For strings, use :meth:`strings`."""
        elements: npt.NDArray[Any] = self.data.view(_EXTENDED.get(self.dtype, self.dtype))
        return elements.reshape(self.shape)

    def strings(self) -> Iterator[bytes]:
        """Yield the elements of a string leaf in C order."""
        lengths = self.data[: 8 * self.size].view(np.uint64)
        start = 8 * self.size
        for length in map(int, lengths):
            yield self.data[start : start + length].tobytes()
            start += length


def leaves(outputs: object, rows: slice | Sequence[int] | int | None = None) -> list[Leaf]:
    """Flatten the return value of a step into leaves, in the order of ``tf.nest``.

    Accepts tensors, variables and their composites (ragged, sparse, ``IndexedSlices``), NumPy
    arrays, Python numbers and strings. They may be nested in lists, tuples and dicts, whose
    keys are sorted. A tensor in host memory is viewed by ``np.asarray``, because
    ``Tensor.numpy()`` copies it.

    Parameters
    ----------
    outputs
        The return value of a step.
    rows
        The rows to keep of every leaf, along its leading axis. ``None`` keeps all.

    Raises
    ------
    UnusableOutput
        If there are no outputs, or if one is ``None``, has no bytes, or lacks the rows.
    """
    if outputs is None:
        raise UnusableOutput("step() returned nothing; return the tensors to compare")
    parts = list(_flatten(outputs, STEP))
    if rows is not None:
        _refuse_composites(path for path, _ in parts)
    flat = [_leaf(value, path, rows) for path, value in parts]
    if not flat:
        raise UnusableOutput("step() returned an empty nest; return the tensors to compare")
    return flat


def signature(leaves: Sequence[Leaf]) -> tuple[str, ...]:
    """Return types and shapes as text, such as ``float32[8,32]``."""
    return tuple(f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]" for leaf in leaves)


def digest(leaves: Sequence[Leaf]) -> str:
    """Hash dtype, shape and bytes of every leaf, in order: 32 hex digits of 128-bit XXH3.

    XXH3 is as fast as memory. A cryptographic hash is slower, and no attack is possible here.
    NaN payloads and the sign of zero count, because all bytes do.
    """
    hasher = xxhash.xxh3_128()
    for leaf, text in zip(leaves, signature(leaves), strict=True):
        hasher.update(f"{text};".encode())  # separates the bytes of leaves
        hasher.update(leaf.data.data)
    return hasher.hexdigest()


def save(leaves: Sequence[Leaf], path: str | os.PathLike[str]) -> None:
    """Write leaves to a file: magic, length of the header, JSON header, then aligned bytes.

    The file is replaced atomically. A process that has mapped the old file keeps it.
    """
    header = msgspec.json.encode(
        [(leaf.dtype, leaf.shape, leaf.data.size, leaf.path) for leaf in leaves]
    )
    with replacing(path) as file:
        file.write(_MAGIC + len(header).to_bytes(8, "little") + header)
        for leaf in leaves:
            file.write(bytes(-file.tell() % _ALIGNMENT))
            file.write(leaf.data.data)


def load(path: str | os.PathLike[str]) -> list[Leaf]:
    """Read leaves as read-only views of the file, without copying it into memory.

    Raises
    ------
    ValueError
        If :func:`save` did not write the file, or if the file is incomplete.
    """
    raw = np.asarray(np.memmap(path, np.uint8, "r"))
    if raw[:8].tobytes() != _MAGIC:
        raise ValueError(f"{path} does not hold outputs that detcost saved")
    end = 16 + int.from_bytes(raw[8:16].tobytes(), "little")
    if end > raw.size:
        raise ValueError(f"{path} is cut off: {raw.size} bytes")
    header = msgspec.json.decode(raw[16:end].tobytes(), type=list[_Header])
    saved = []
    for dtype, shape, size, name in header:
        end += -end % _ALIGNMENT
        saved.append(Leaf(dtype, shape, raw[end : end + size], name))
        end += size
    if end > raw.size:
        raise ValueError(f"{path} is cut off: {raw.size} of {end} bytes")
    return saved


def chunks(a: Array, b: Array) -> Iterator[tuple[Array, Array]]:
    """Cut two arrays of one shape into pairs of flat chunks, of at most ``CHUNK`` elements."""
    a, b = a.reshape(-1), b.reshape(-1)
    for start in range(0, a.size, CHUNK):
        yield a[start : start + CHUNK], b[start : start + CHUNK]


def is_float(dtype: str) -> bool:
    """Return whether the type of this name has real or complex floats."""
    return "float" in dtype or "complex" in dtype


def _flatten(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Flatten containers without ``tf.nest``, which does not give the paths of leaves."""
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


def _leaf(value: object, path: str, rows: slice | Sequence[int] | int | None) -> Leaf:
    if value is None:
        raise UnusableOutput(f"{path} is None; return only the tensors to compare")
    array = _array(value, path)
    if rows is not None:
        array = _rows_of(array, path, rows)
    if array.dtype.kind in "OSU":
        return Leaf(STRING, array.shape, _encode_strings(array, path), path)
    native = array.dtype.kind in "biufc" and not issubclass(array.dtype.type, _PADDED)
    if not native and _EXTENDED.get(array.dtype.name) != array.dtype:
        raise _unusable(f"an array of {array.dtype}", path)
    array = np.asarray(array, array.dtype.newbyteorder("="), order="C")
    return Leaf(array.dtype.name, array.shape, array.reshape(-1).view(np.uint8), path)


def _refuse_composites(paths: Iterable[str]) -> None:
    """Refuse ragged and sparse tensors. Their parts, which share a path, have no rows."""
    for path, parts in Counter(paths).items():
        if parts > 1:
            raise UnusableOutput(f"{path} is ragged or sparse, without rows; make it dense")


def _rows_of(array: Array, path: str, rows: slice | Sequence[int] | int) -> Array:
    """Keep some rows. One row keeps its axis, so that it compares with a batch of one."""
    if array.ndim == 0:
        raise UnusableOutput(f"{path} has no rows; return only what has the rows of the batch")
    kept = rows if isinstance(rows, slice) else np.atleast_1d(rows)
    try:
        chosen: Array = array[kept]
    except IndexError:
        chosen = array[:0]
    if not len(chosen):
        raise UnusableOutput(f"{path} has {len(array)} rows, and not those of rows={rows}")
    return chosen


_PADDED = (np.longdouble, np.clongdouble)  # their padding bytes are undefined


def _array(value: object, path: str) -> npt.NDArray[Any]:
    """View a leaf as an array. Errors of an asynchronous step appear here and pass through."""
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
        if hasattr(value, "numpy"):  # a single bfloat16, which NumPy refuses from a tensor
            return np.asarray(value.numpy())
        raise _unusable(f"a {type(value)} without a value", path) from None


def _encode_strings(array: npt.NDArray[Any], path: str) -> npt.NDArray[np.uint8]:
    texts = [text.encode() if isinstance(text, str) else text for text in array.ravel().tolist()]
    for text in texts:
        if not isinstance(text, bytes):
            raise _unusable(f"an array holding a {type(text)}", path)
    lengths = np.fromiter(map(len, texts), np.uint64, len(texts))
    return np.frombuffer(lengths.tobytes() + b"".join(texts), np.uint8)


def _unusable(value: str, path: str) -> UnusableOutput:
    verb = "returned" if path == STEP else "is"
    return UnusableOutput(f"{path} {verb} {value}, which cannot be compared; return tensors")
