"""The baseline: the digests that tests had before, on each kind of machine.

The file is JSON, sorted and with a line for each value, so that a change reads well in a diff. It
is untrusted input.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from detcost.atomic_file import replacing
from detcost.errors import UsageError
from detcost.evidence.schema import Evidence

SCHEMA = 1
UPDATE = "--detcost-update-baseline"
Text = Annotated[str, msgspec.Meta(max_length=400)]
#: What :func:`detcost.outputs.digests.digest` returns.
BaselineDigest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]


class MachineKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """What decides the bits of a program, apart from the program and its libraries.

    Attributes
    ----------
    system
        The operating system, such as ``Linux``.
    arch
        The architecture, such as ``x86_64``.
    processor
        The model of the device: an accelerator's, or the CPU's.
    cpu_flags
        The instruction sets by which libraries choose their kernels.
    cores
        The number of cores that the process may use, which sizes the thread pools.
    """

    system: Text
    arch: Text
    processor: Text
    cpu_flags: list[Text]
    cores: int | None

    @classmethod
    def of(cls, record: Evidence) -> MachineKind:
        """Return the kind of the machine that measured a record."""
        machine = record.machine
        return cls(
            system=str(machine.get("os")).partition("-")[0],
            arch=str(machine.get("arch")),
            processor=record.processor,
            cpu_flags=sorted(machine.get("cpu_flags") or []),
            cores=machine.get("usable_cores"),
        )

    def unlike(self, other: MachineKind) -> Iterator[str]:
        """Yield what differs, as text: ``cores 2 and not 4``."""
        for field in self.__struct_fields__:
            ours, theirs = getattr(self, field), getattr(other, field)
            if ours != theirs and field != "cpu_flags":
                yield f"{field} {ours} and not {theirs}"
            elif ours != theirs:
                yield f"instruction sets differ by {', '.join(sorted({*ours} ^ {*theirs}))}"


class Bits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bits of one test on one kind of machine.

    Attributes
    ----------
    setting, device
        Where they were measured.
    digests
        The digest of the outputs, or those of the first calls if the program carries state.
    versions
        The versions of TensorFlow and of the libraries.
    """

    machine: MachineKind
    setting: Text
    device: Text
    digests: Annotated[list[BaselineDigest], msgspec.Meta(min_length=1)]
    versions: dict[Text, Text]

    @classmethod
    def of(cls, record: Evidence) -> Bits:
        """Return the bits of a record whose comparisons did not differ."""
        versions = {name: text for name, text in record.versions.items() if name != "detcost"}
        digests = record.sequence or ([record.digest] if record.digest else [])
        kind = MachineKind.of(record)
        return cls(kind, record.setting, record.device, digests, versions)

    @property
    def place(self) -> tuple[MachineKind, str, str]:
        """What two entries must share to be compared."""
        return (self.machine, self.setting, self.device)

    def same_as(self, other: Bits) -> bool:
        """Return whether the bits are equal, over the calls that both have."""
        if (len(self.digests) > 1) != (len(other.digests) > 1):
            return False
        return all(a == b for a, b in zip(self.digests, other.digests, strict=False))

    def changed_versions(self, before: Bits) -> list[str]:
        """Return the packages whose versions are not those of before."""
        names = sorted({*self.versions, *before.versions})
        pairs = [(n, before.versions.get(n, "none"), self.versions.get(n, "none")) for n in names]
        return [f"{name} {old} → {new}" for name, old, new in pairs if old != new]


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A baseline file: the bits of each test, by its id, on each kind of machine."""

    schema: int = SCHEMA
    tests: dict[str, list[Bits]] = {}


class Incomparable(Exception):
    """The baseline has no bits of this kind of machine. The message is the reason."""


class _BaselineVersion(msgspec.Struct):
    schema: int


def read(path: Path) -> Baseline:
    """Read a baseline file.

    Raises
    ------
    UsageError
        If there is none, or if it is no baseline of a version that this detcost reads.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such baseline; {UPDATE} writes it") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        if (schema := msgspec.json.decode(text, type=_BaselineVersion).schema) > SCHEMA:
            raise UsageError(
                f"{path}: schema {schema} is newer than {SCHEMA}, the newest this detcost reads; "
                "upgrade detcost"
            )
        return msgspec.json.decode(text, type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: no baseline ({error}); restore it, or name another") from None


def update(path: Path, test: str, record: Evidence) -> None:
    """Replace the bits of a test on this kind of machine. Other entries stay.

    Raises
    ------
    UsageError
        As :func:`read` for a damaged file, or if the file cannot be written.
    """
    before = read(path) if path.exists() else Baseline()
    bits = Bits.of(record)
    others = [each for each in before.tests.get(test, ()) if each.place != bits.place]
    tests = {**before.tests, test: sorted([*others, bits], key=lambda each: each.place)}
    text = msgspec.json.encode(Baseline(tests=tests), order="sorted")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(msgspec.json.format(text, indent=2) + b"\n")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from None


def compare(baseline: Baseline, test: str, record: Evidence) -> str | None:
    """Compare a test's bits with the baseline.

    Returns
    -------
    str or None
        How they differ; ``None`` if they are the same.

    Raises
    ------
    Incomparable
        If the baseline has the test's bits only of other kinds of machines.
    """
    now = Bits.of(record)
    known = baseline.tests.get(test, [])
    alike = [each for each in known if each.place[1:] == now.place[1:]]
    if not alike:
        return f"the baseline has no bits of it under {now.setting}; {UPDATE} adds them"
    before = next((each for each in alike if each.place == now.place), None)
    if before is None:
        nearest = min(alike, key=lambda each: len(list(now.machine.unlike(each.machine))))
        unlike = "; ".join(now.machine.unlike(nearest.machine))
        raise Incomparable(
            f"another kind of machine than those of the baseline, whose bits cannot be compared "
            f"({unlike}); {UPDATE} here adds this kind"
        )
    if now.same_as(before):
        return None
    versions = now.changed_versions(before)
    why = f"versions: {', '.join(versions)}" if versions else "every version is the same"
    return f"its bits have changed since the baseline, on this kind of machine; {why}"
