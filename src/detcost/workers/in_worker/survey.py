"""What a program is made of: the operations that it builds and runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from detcost.workers.contract import Traits

#: The beginnings of the names of ops that draw numbers from a generator or a seed.
_DRAWS = ("Random", "Stateful", "StatelessRandom", "Multinomial", "TruncatedNormal")
#: Ops that only prepare a draw: they make or split a seed.
_NO_DRAWS = ("StatelessRandomGetKey", "StatelessRandomGetAlg", "RandomDataset")
#: Ops that add to rows by index, in forward or backward passes of embeddings.
_SCATTERS = ("ResourceScatter", "ResourceSparseApply", "UnsortedSegment", "ScatterNd")


class OpRecorder:
    """Records the types of all operations that this thread builds or runs."""

    def __init__(self) -> None:
        self.types: set[str] = set()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record until the block ends."""
        from tensorflow.python.framework import op_callbacks  # no public interface

        def record(op_type: str, *_: Any, **__: Any) -> None:
            self.types.add(op_type if isinstance(op_type, str) else op_type.decode())

        op_callbacks.add_op_callback(record)
        try:
            yield
        finally:
            op_callbacks.remove_op_callback(record)

    def traits(self, first: float, step: float, compiles: bool) -> Traits:
        """Return what the operations say about the program."""
        return Traits(
            first_seconds=first,
            step_seconds=step,
            compiles=compiles,
            pipeline=any(
                name.endswith("DatasetV2") or name.endswith("Dataset") for name in self.types
            ),
            draws=any(n.startswith(_DRAWS) and not n.startswith(_NO_DRAWS) for n in self.types),
            scatters=any(name.startswith(_SCATTERS) for name in self.types),
        )
