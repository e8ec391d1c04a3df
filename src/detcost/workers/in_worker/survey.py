"""What a program is made of: the operations that it builds and runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from detcost.workers.contract import Traits

#: The beginnings of the names of ops that draw numbers from a generator or a seed.
_DRAWS = ("Random", "Stateful", "StatelessRandom", "Multinomial", "TruncatedNormal")
#: Ops that only prepare a draw: they make or split a seed.
_NO_DRAWS = ("StatelessRandomGetKey", "StatelessRandomGetAlg")
#: Ops that add to rows by index, in forward or backward passes of embeddings.
_SCATTERS = ("ResourceScatter", "ResourceSparseApply", "UnsortedSegment", "ScatterNd")


class OpRecorder:
    """Records the types of all operations that this thread builds or runs."""

    def __init__(self) -> None:
        self._types: set[str] = set()
        self._unordered = False

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record until the block ends."""
        from tensorflow.python.framework import op_callbacks  # no public interface

        op_callbacks.add_op_callback(self._record)
        try:
            yield
        finally:
            op_callbacks.remove_op_callback(self._record)

    def traits(self, first: float, step: float, compiles: bool) -> Traits:
        """Return what the operations show about the program."""
        drawing = {name for name in self._types if name.startswith(_DRAWS)}
        return Traits(
            first_seconds=first,
            step_seconds=step,
            compiles=compiles,
            unordered=self._unordered,
            draws=any(not name.startswith(_NO_DRAWS) for name in drawing),
            scatters=any(name.startswith(_SCATTERS) for name in self._types),
        )

    def _record(
        self, op_type: Any, inputs: Any, attributes: Sequence[Any] | None, *_: Any, **__: Any
    ) -> None:
        name = op_type.decode() if isinstance(op_type, bytes) else str(op_type)
        self._types.add(name)
        if name == "OptionsDataset":
            names, values = (attributes or ())[::2], (attributes or ())[1::2]
            self._unordered |= _gives_up_order(dict(zip(names, values, strict=False)))


def _gives_up_order(attributes: dict[str, Any]) -> bool:
    from tensorflow.core.framework import dataset_options_pb2  # no public interface

    options = dataset_options_pb2.Options.FromString(attributes.get("serialized_options", b""))
    return options.HasField("deterministic") and not options.deterministic
