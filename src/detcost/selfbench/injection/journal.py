"""Keeps what a program's steps gave, by another way than the probe's."""

from __future__ import annotations

import functools
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec


class Line(msgspec.Struct):
    """One call of a step.

    Attributes
    ----------
    process, call
        The process, and the number of the call in it, from 1.
    probed
        Whether the probe was in the program.
    digests
        A digest of each output.
    """

    process: int
    call: int
    probed: bool
    digests: list[str]


def path_of(program: str | Path) -> Path:
    """Return the file beside a program that its steps write into."""
    return Path(program).with_suffix(".journal")


def kept(step: Callable[[], Any], program: str) -> Callable[[], Any]:
    """Return the step, which then also writes a line for each call."""
    calls = 0

    @functools.wraps(step)
    def journalled() -> Any:
        nonlocal calls
        outputs = step()
        calls += 1
        # Not by numpy(), which the probe takes for the program's own reading of a value.
        digests = [hashlib.md5(memoryview(out)).hexdigest() for out in outputs]
        line = Line(os.getpid(), calls, _is_probed(), digests)
        with path_of(program).open("ab") as journal:
            journal.write(msgspec.json.encode(line) + b"\n")
        return outputs

    return journalled


def _is_probed() -> bool:
    from tensorflow.python.eager.polymorphic_function import atomic_function

    return "detcost" in str(atomic_function.from_func_graph.__code__.co_filename)


def differing(program: Path, *, probed: bool = True) -> frozenset[int]:
    """Return which outputs differed between two runs in the same call."""
    seen: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    decoder = msgspec.json.Decoder(Line)
    path = path_of(program)
    for line in path.read_bytes().splitlines() if path.exists() else ():
        entry = decoder.decode(line)
        if entry.probed == probed:
            for output, digest in enumerate(entry.digests):
                seen[entry.call, output].add(digest)
    return frozenset(output for (_, output), digests in seen.items() if len(digests) > 1)
