"""The outputs of a step that differ, by their paths in its return value."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from detcost.outputs.digests import Leaf, digest

#: Maximum number of paths in a list: a step may return thousands of tensors.
MOST_NAMED = 20
_MORE = re.compile(r"and at least (\d+) more")


def outputs(reference: Sequence[Leaf], leaves: Sequence[Leaf]) -> list[str]:
    """Name the outputs whose type, shape or bytes differ from the reference.

    Parameters
    ----------
    reference, leaves
        The leaves that two calls of a step returned. The leaves of a composite, such as the
        values and indices of a sparse tensor, share a path and count as one output.

    Returns
    -------
    list of str
        Paths such as ``step()[1]['loss']``, in the order of the return value. Empty if the
        step returns a single output. After :data:`MOST_NAMED` paths the last entry is
        ``and at least 7 more``.
    """
    # Digests pair leaves by position, and a program may generate other keys in each process.
    if len(reference) == len(leaves):
        pairs = zip(reference, leaves, strict=True)
        leaves = [replace(theirs, path=ours.path) for ours, theirs in pairs]
    ours, theirs = _by_path(reference), _by_path(leaves)
    if min(len(ours), len(theirs)) == 1:
        return []
    paths = ours.keys() | theirs.keys()
    differing = [path for path in paths if digest(ours[path]) != digest(theirs[path])]
    return _capped(differing, len(differing))


def union(a: Sequence[str], b: Sequence[str]) -> list[str]:
    """Merge the lists of two comparisons. The order of merging does not matter."""
    paths = {path for path in (*a, *b) if not _MORE.fullmatch(path)}
    return _capped(paths, max(_count(a), _count(b)))


def _capped(paths: Iterable[str], count: int) -> list[str]:
    """Keep the first paths. ``count`` is the largest number of differing outputs so far."""
    named = sorted(paths, key=_position)
    more = max(count - MOST_NAMED, int(len(named) > MOST_NAMED))
    return named[:MOST_NAMED] + ([f"and at least {more} more"] if more > 0 else [])


def _count(capped: Sequence[str]) -> int:
    more = _MORE.fullmatch(capped[-1]) if capped else None
    return len(capped) - 1 + int(more[1]) if more else len(capped)


def _position(path: str) -> list[str | int]:
    """Return a sort key in which the tenth item of a list follows the second."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"\[(\d+)\]", path))]


def _by_path(leaves: Sequence[Leaf]) -> defaultdict[str, list[Leaf]]:
    by_path: defaultdict[str, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        by_path[leaf.path].append(leaf)
    return by_path
