"""The machines of a farm, and the labels by which a plan names them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from detcost.errors import UsageError
from detcost.farm.plan import FarmPlan
from detcost.host import gpus, machine, words

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)
_LABEL = re.compile(r"[a-z]{1,20}=[\w.-]{1,64}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class FarmMachine(msgspec.Struct, frozen=True):
    """A machine that has joined a farm.

    Attributes
    ----------
    name
        Its name in the farm and among the results.
    labels
        Such as ``cpu=avx512``. Each machine has a label ``name=…``.
    commit
        The commit of its checkout: the version of the code that it runs.
    python
        The version of its Python, such as ``3.11``.
    """

    name: str
    labels: tuple[str, ...]
    commit: str
    python: str


def describe(name: str, checkout: Path, labels: Sequence[str] = ()) -> FarmMachine:
    """Return this machine, with the labels that can be seen and those given.

    Raises
    ------
    UsageError
        If the name or a label is not one, or ``checkout`` is no checkout.
    """
    check_name(name)
    for label in labels:
        if not _LABEL.fullmatch(label) or label.startswith("name="):
            raise UsageError(f'--label "{label}": write a label such as rack=7')
    seen = {*_cpu_labels(), *_gpu_labels(), f"os={sys.platform}", *labels}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return FarmMachine(name, (f"name={name}", *sorted(seen)), commit(checkout), version)


def check_name(name: str) -> None:
    """Raise an error if this cannot be a machine's name, which becomes a folder's."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" cannot be a machine\'s name; use letters, digits, dots and dashes'
        )


def commit(checkout: Path) -> str:
    """Return the commit of a checkout.

    Raises
    ------
    UsageError
        If the folder is no checkout with asv's configuration.
    """
    if not (checkout / "asv.conf.json").is_file():
        raise UsageError(
            f"{checkout}: no asv.conf.json; run this in a checkout of detcost, or name one"
        )
    try:
        command = ["git", "rev-parse", "--verify", "HEAD"]
        done = subprocess.run(
            command, cwd=checkout, capture_output=True, text=True, timeout=60, check=True
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        raise UsageError(f"{checkout}: git says {lines[0] if lines else 'nothing'}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{checkout}: git cannot be run ({error}); install it") from None
    return done.stdout.strip()


def from_a_stranger(told: object) -> FarmMachine | None:
    """Return what a worker told about its machine; ``None`` if it is not as it should be."""
    try:
        found = msgspec.convert(told, FarmMachine)
    except msgspec.ValidationError:
        return None
    whole = NAME.fullmatch(found.name) and _COMMIT.fullmatch(found.commit)
    labels = all(_LABEL.fullmatch(label) for label in found.labels) and len(found.labels) < 200
    return found if whole and labels and re.fullmatch(r"3\.\d{1,2}", found.python) else None


def selected(plan: FarmPlan, machines: Iterable[FarmMachine]) -> list[FarmMachine]:
    """Return the machines that take part in a plan, by name."""
    wanted = [set(selector.split("+")) for selector in plan.machines] or [set()]
    return sorted(
        (m for m in machines if any(labels <= set(m.labels) for labels in wanted)),
        key=lambda m: m.name,
    )


def missing(plan: FarmPlan, machines: Iterable[FarmMachine]) -> list[str]:
    """Return the plan's labels that no machine has."""
    there = [set(m.labels) for m in machines]
    return [s for s in plan.machines if not any(set(s.split("+")) <= labels for labels in there)]


def no_such_label(absent: Sequence[str], machines: Iterable[FarmMachine]) -> UsageError:
    """Return the error for labels that no machine has. It names the labels there are."""
    there = list(machines)
    labels = sorted({label for m in there for label in m.labels}, key=_names_last)
    known = ", ".join(labels) if labels else "no machines yet"
    wanted = ", ".join(absent) or "any label"
    return UsageError(
        f"no machine has {wanted}; there are {known}; join such a machine, or set limits.join "
        "in the plan to wait for it"
    )


def _names_last(label: str) -> tuple[bool, str]:
    return (label.startswith("name="), label)


def _cpu_labels() -> set[str]:
    """Return the processor's maker and family, its instruction sets, and the number of cores."""
    found = machine.describe()
    known = {str(found["arch"]).lower(), *_words(found["cpu"] or ""), *found["cpu_flags"]}
    known |= {wide for wide in ("avx512", "amx") if any(w.startswith(wide) for w in known)}
    return {f"cpu={word}" for word in known} | {f"cores={found['usable_cores']}"}


def _gpu_labels() -> set[str]:
    """Return the words of the names of NVIDIA GPUs, such as ``gpu=h100``; else ``gpu=none``."""
    return {f"gpu={word}" for model in gpus.models() for word in _words(model)} or {"gpu=none"}


def _words(text: str) -> set[str]:
    """Return the words of a product's name that can be labels: ``AMD EPYC 9B45`` has three."""
    plain = re.sub(r"\((r|tm)\)", " ", text.lower())
    return {word for word in re.findall(r"[a-z0-9][\w.-]*", plain, re.ASCII) if len(word) <= 64}


def default_name() -> str:
    """Return asv's name of this machine if there is one only; else one made of what it is."""
    try:
        known = msgspec.json.decode(Path("~/.asv-machine.json").expanduser().read_bytes())
        names = [str(key) for key in known if key != "version"]
    except (OSError, ValueError, TypeError, RuntimeError):
        names = []
    if len(names) == 1 and NAME.fullmatch(names[0]):
        return names[0]
    return words.proposed_name(machine.describe())
