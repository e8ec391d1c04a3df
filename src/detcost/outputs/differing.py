"""Which of several outputs differed, by their paths in what a step returns."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from detcost.outputs.digests import Leaf, digest

#: Most paths in one list: a step may return thousands of tensors.
MOST_NAMED = 20
_MORE = re.compile(r"and at least (\d+) more")


def outputs(reference: Sequence[Leaf], leaves: Sequence[Leaf]) -> list[str]:
    """Name the outputs whose type, shape or bytes differ from the reference.

    Parameters
    ----------
    reference, leaves
        What two calls of a step returned. The leaves of a composite, such as the values and
        the indices of a sparse tensor, have one path and count as one output.

    Returns
    -------
    list of str
        Paths such as ``step()[1]['loss']``, in the order in which they are returned. Empty
        where the step returns one output alone. Of more than :data:`MOST_NAMED` outputs the
        first stand here, and then ``and at least 7 more``.
    """
    if len(reference) == len(leaves):  # digests pair leaves by place, and keys may be names made up
        pairs = zip(reference, leaves, strict=True)
        leaves = [replace(theirs, path=ours.path) for ours, theirs in pairs]
    ours, theirs = _by_path(reference), _by_path(leaves)
    if min(len(ours), len(theirs)) == 1:
        return []
    paths = ours.keys() | theirs.keys()
    differ = [path for path in paths if digest(ours[path]) != digest(theirs[path])]
    return _capped(differ, len(differ))


def union(a: Sequence[str], b: Sequence[str]) -> list[str]:
    """Merge what two comparisons named. The order of merging does not matter."""
    paths = {path for path in (*a, *b) if not _MORE.fullmatch(path)}
    return _capped(paths, max(_count(a), _count(b)))


def _capped(paths: Iterable[str], count: int) -> list[str]:
    """Keep the first paths; ``count`` is how many differed in the comparison with most."""
    named = sorted(paths, key=_place)
    more = max(count - MOST_NAMED, int(len(named) > MOST_NAMED))
    return named[:MOST_NAMED] + ([f"and at least {more} more"] if more > 0 else [])


def _count(capped: Sequence[str]) -> int:
    more = _MORE.fullmatch(capped[-1]) if capped else None
    return len(capped) - 1 + int(more[1]) if more else len(capped)


def _place(path: str) -> list[str | int]:
    """Sort paths as the step returns them: the tenth item of a list comes after the second."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"\[(\d+)\]", path))]


def _by_path(leaves: Sequence[Leaf]) -> defaultdict[str, list[Leaf]]:
    found: defaultdict[str, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        found[leaf.path].append(leaf)
    return found
