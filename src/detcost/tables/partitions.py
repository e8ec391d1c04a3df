"""Partitions as text: which variants of a scope gave the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from detcost.evidence.schema import Variant, partition


def partition_text(variants: Sequence[Variant]) -> str:
    """Write which variants of a scope agree: ``1 | 2 | 3–16``, ``eager, graph | xla``.

    The text is empty if all variants agree, or if there are none.
    """
    groups = partition(variants)
    if len(groups) < 2:
        return ""
    labels = tuple(variant.label for variant in variants)
    return _partition_text(tuple(map(tuple, groups)), labels)


@lru_cache(maxsize=4096)  # many machines have the same few partitions
def _partition_text(groups: tuple[tuple[str, ...], ...], labels: tuple[str, ...]) -> str:
    return " | ".join(_runs(group, labels) for group in groups)


def _runs(group: Sequence[str], labels: Sequence[str]) -> str:
    """Write labels, with neighbouring numbers as a range."""
    numeric = all(label.isdecimal() for label in labels)
    runs: list[list[str]] = []
    for label in group:
        follows = runs and labels.index(label) == labels.index(runs[-1][-1]) + 1
        if numeric and follows:
            runs[-1].append(label)
        else:
            runs.append([label])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
