"""A captured operation: one operation of a program, with the inputs of one execution, in a folder.

A worker writes it (:mod:`detcost.workers.in_worker.probe.capturing`), and ``detcost.replay`` runs
it. The folder is untrusted input: a graph can read and write files or call Python, so only
operations that do none of this are run.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal

import msgspec

from detcost.atomic_file import replacing
from detcost.errors import UsageError

SCHEMA = 1
DESCRIPTION, GRAPH, INPUTS, PROGRAM = "operation.json", "operation.pb", "inputs", "replay.py"
#: The name of the replayed operation in its graph, and of the function that contains it.
OPERATION, FUNCTION = "operation", "replayed"

#: Parts of the names of operations that reach out of the graph: to files, networks, other
#: devices' hosts, Python, or foreign code.
_REACHES_OUT = re.compile(
    "File|Snapshot|Cache|Debug|Dump|CustomCall|CallModule|Proto|Vocab|TPU|Tpu|Abort|Register|Reader|"
    "Save|Restore|Checkpoint|Summary|Print|PyFunc|Remote|Rpc|Service|Send|Recv|Collective|Library|"
    "Sql|ImmutableConst|LoadAndRemap|Infeed|Outfeed|Dataset|Iterator"
)
#: Operations with a state that is within the graph: variables, random numbers, and calls.
_KEEPS_INSIDE = re.compile(
    r"Resource(Scatter|Gather|Apply|SparseApply|StridedSliceAssign|CountUpTo)|\w*VariableOp$|"
    r"Var(iableShape|IsInitializedOp|HandleOp)$|Random|Stateful|Stateless|NonDeterministicInts$|"
    r"(Parameterized)?TruncatedNormal$|Multinomial$|Rng|SampleDistorted|\w+CandidateSampler$|"
    r"(If|Case|While|Assert|Empty|DeepCopy|DisableCopyOnRead)$|CheckNumerics|CudnnRNN|"
    r"TensorArray\w*V3$"
)

InputKind = Literal["value", "constant", "variable", "unread"]


class CapturedInput(msgspec.Struct, frozen=True):
    """One input of a captured operation.

    Attributes
    ----------
    kind
        ``constant`` if the graph itself has the value. ``variable`` is the content of a variable
        before the operation; ``unread`` is a variable whose content the operation does not use.
    dtype, shape
        TensorFlow's names, such as ``float32`` and ``[32,?]``.
    """

    kind: InputKind
    dtype: str
    shape: str


class CapturedOperation(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder holds.

    Attributes
    ----------
    type, name, graph, place, device
        See :class:`~detcost.evidence.recording.Operation`.
    attributes
        In words.
    inputs
        In the order of the operation.
    stateful
        Whether its outputs may differ from call to call, as those of a random operation.
    call, iteration
        Which execution was captured; see :class:`~detcost.locating.schema.Culprit`.
    checksum
        SHA-256 of the graph and the inputs.
    reason
        Why it cannot be replayed from the folder. The folder then has no inputs.
    """

    type: str
    name: str
    graph: str
    place: tuple[str, ...] = ()
    device: str = ""
    attributes: dict[str, str] = {}
    inputs: tuple[CapturedInput, ...] = ()
    stateful: bool = False
    call: int = 1
    iteration: int = 1
    versions: dict[str, str | None] = {}
    checksum: str = ""
    reason: str | None = None
    schema: int = SCHEMA


class _CapturedVersion(msgspec.Struct):
    schema: int


def why_not(types: dict[str, bool]) -> str | None:
    """Return why a graph with operations of these types cannot be replayed from a file.

    Parameters
    ----------
    types
        The types of its operations, each with whether TensorFlow calls it stateful.
    """
    for name, stateful in sorted(types.items()):
        if "PyFunc" in name:
            return f"{name} calls Python, which a file cannot hold"
        reaches_out = name.startswith("_") or _REACHES_OUT.search(name)
        if reaches_out or (stateful and not _KEEPS_INSIDE.match(name)):
            return f"{name} may reach files, networks or another state outside its graph"
    return None


def checksum(folder: Path) -> str:
    """Return the checksum of the graph and the inputs in a folder."""
    digest = hashlib.sha256()
    for name in (GRAPH, INPUTS):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def write(operation: CapturedOperation, folder: Path) -> None:
    """Write the description of an operation."""
    with replacing(folder / DESCRIPTION) as file:
        file.write(msgspec.json.format(msgspec.json.encode(operation)) + b"\n")


def read(folder: Path) -> CapturedOperation:
    """Read the description of a captured operation.

    Raises
    ------
    UsageError
        If the folder has none, it is of a newer schema, or cannot be read.
    """
    path = folder / DESCRIPTION
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}; name a folder that detcost locate wrote"
        ) from None
    try:
        version = msgspec.json.decode(content, type=_CapturedVersion).schema
        if version != SCHEMA:
            raise ValueError(f"its schema is {version}, and this detcost reads {SCHEMA}")
        return msgspec.json.decode(content, type=CapturedOperation)
    except ValueError as error:
        raise UsageError(f"{path} is no captured operation: {error}") from None


def read_checked(folder: Path) -> CapturedOperation:
    """Read a captured operation that can be replayed, and verify its checksum.

    Raises
    ------
    UsageError
        As :func:`read`. Also if it cannot be replayed, or if its files were changed.
    """
    operation = read(folder)
    if operation.reason:
        raise UsageError(f"{folder}: cannot be replayed: {operation.reason}")
    try:
        found = checksum(folder)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror or error}") from None
    if found != operation.checksum:
        raise UsageError(f"{folder}: its checksum is wrong; its files were changed or are cut off")
    return operation
