"""Digests of 64 bits by TensorFlow's own operation, alike in graphs and in eager code.

``Fingerprint`` runs in C++ and needs no lock of Python, so that threads go on racing. Inside
graphs, ``Stage`` hands the digests of one execution out, in any thread and any loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

#: The names of the probe's own operations begin with it.
PREFIX = "detcost_probe"
_STAGED = (tf.int32, tf.uint8)
_CPU = "/device:CPU:0"


class _Own:
    """Whether the operations that run now are the probe's own."""

    running = False


@contextmanager
def unseen() -> Iterator[None]:
    """Run eager operations of the probe's own, which no probe watches."""
    outside, _Own.running = _Own.running, True
    try:
        yield
    finally:
        _Own.running = outside


def are_unseen() -> bool:
    """Return whether the operations that run now are the probe's own."""
    return _Own.running


def has_digest(tensor: Any) -> bool:
    """Return whether a tensor has bytes of its own: resources and variants have none."""
    dtype = tensor.dtype
    return dtype not in (tf.resource, tf.variant) and not dtype._is_ref_dtype


def constants() -> tuple[Any, Any]:
    """Make the two constants that :func:`fingerprint` needs, once for each graph."""
    with tf.device(_CPU):
        return tf.constant([1, -1]), tf.constant("farmhash64")


def fingerprint(tensor: Any, made: tuple[Any, Any] | None = None) -> Any:
    """Return the digest of a tensor's whole bytes, shape (1, 8), type uint8.

    ``made`` are the graph's :func:`constants`.
    """
    shape, method = made or constants()
    with tf.device(_CPU):
        flat = tf.raw_ops.Reshape(tensor=tensor, shape=shape)
        return tf.raw_ops.Fingerprint(data=flat, method=method)


def hand_out(graph: int, digests: list[Any]) -> Any:
    """Add the operation that hands out one frame of a graph, and return it."""
    with tf.device(_CPU):
        matrix = tf.raw_ops.ConcatV2(values=digests, axis=0) if len(digests) > 1 else digests[0]
        return tf.raw_ops.Stage(values=[tf.constant(graph), matrix], shared_name=PREFIX)


def handed_out() -> Iterator[tuple[int, bytes]]:
    """Take the frames handed out so far, in their order: the graph and its digests."""
    with tf.device(_CPU):
        size = int(tf.raw_ops.StageSize(dtypes=_STAGED, shared_name=PREFIX))
        for _ in range(size):
            graph, matrix = tf.raw_ops.Unstage(dtypes=_STAGED, shared_name=PREFIX)
            yield int(graph), matrix.numpy().tobytes()
