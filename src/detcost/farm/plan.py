"""The plan of a farm: what to measure, on which machines. It names nothing that can be run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from detcost.errors import UsageError

PROFILES = ("quick", "standard", "full")
SIZES = ("small", "medium", "large")
#: The largest plan, in bytes.
_LARGEST = 1 << 16
#: The core set of benchmarks, as asv's plugin selects it.
CORE = r"^(?!more\.|harness\.)"

_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}((rc|a|b)\d{1,3})?")
_SELECTOR = re.compile(r"[a-z]{1,20}=[\w.-]{1,64}(\+[a-z]{1,20}=[\w.-]{1,64})*", re.ASCII)
_TIME = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"back": "return"}):
    """How long a run waits, and how often it tries.

    Attributes
    ----------
    job
        The longest time of a job, such as ``6h``. A job that takes longer is killed.
    join
        How long to wait for a machine with a label that no machine has.
    back
        How long to wait for a machine that left.
    tries
        How often a job is tried on its machine.
    """

    job: str = "6h"
    join: str = "0s"
    back: str = "10m"
    tries: int = 3


class FarmPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to measure, and where.

    Attributes
    ----------
    tensorflow
        Versions, such as ``2.21.0``.
    suites
        Regular expressions of asv benchmarks.
    machines
        Labels, such as ``cpu=avx512`` or ``gpu=h100+name=box``. A machine takes part if it has
        all the labels of one entry. Without entries, every machine takes part.
    profile
        ``quick``, ``standard`` or ``full``.
    sizes
        Of the scenarios: ``small``, ``medium``, ``large``.
    limits
        How long a run waits, and how often it tries.
    """

    tensorflow: tuple[str, ...]
    suites: tuple[str, ...] = (CORE,)
    machines: tuple[str, ...] = ()
    profile: str = "standard"
    sizes: tuple[str, ...] = ("medium",)
    limits: Limits = Limits()


def read(path: Path) -> FarmPlan:
    """Return the plan in a file.

    Raises
    ------
    UsageError
        If the file cannot be read, or anything in it is not as it should be.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); docs/farm.md shows a plan"
        ) from None
    try:
        return parse(data)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def parse(data: bytes) -> FarmPlan:
    """Return the plan in the bytes of a file.

    Raises
    ------
    UsageError
        If anything in it is not as it should be.
    """
    if len(data) > _LARGEST:
        raise UsageError(f"a plan has at most {_LARGEST} bytes; write a shorter one")
    try:
        plan = msgspec.convert(tomllib.loads(data.decode()), FarmPlan)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"this is no TOML ({error}); docs/farm.md shows a plan") from None
    except msgspec.ValidationError as error:
        raise UsageError(f"{_in_words(str(error))}; docs/farm.md lists a plan's words") from None
    _check(plan)
    return plan


def seconds(text: str) -> float:
    """Return the seconds of a limit such as ``90s``, ``10m`` or ``2h``."""
    found = _TIME.fullmatch(text)
    if not found:
        raise UsageError(f'limits: "{text}" is no time; write one such as 90s, 10m or 2h')
    return float(found[1]) * _SECONDS[found[2]]


def _in_words(message: str) -> str:
    """Return msgspec's message without its notation for places."""
    text, _, place = message.partition(" - at `$")
    text = text.replace("Object", "the plan").replace("`", '"')
    words = place.rstrip("`").strip(".").replace("[...]", "")
    return f"{words}: {text}" if words else text


def _check(plan: FarmPlan) -> None:
    """Raise an error for a value that has the right type only."""
    _check_words(plan)
    for suite in plan.suites:
        check_suite(suite)
    for text in (plan.limits.job, plan.limits.join, plan.limits.back):
        seconds(text)
    if seconds(plan.limits.job) == 0:
        raise UsageError('limits: "job" is no time at all; write one such as 2h')
    if not 1 <= plan.limits.tries <= 100:
        raise UsageError(f"limits: tries is {plan.limits.tries}; it can be 1 to 100")


def _check_words(plan: FarmPlan) -> None:
    if not plan.tensorflow:
        raise UsageError('tensorflow: no version is named; write one such as "2.21.0"')
    for version in plan.tensorflow:
        if not _VERSION.fullmatch(version):
            raise UsageError(f'tensorflow: "{version}" is no version; write one such as "2.21.0"')
    for selector in plan.machines:
        if not _SELECTOR.fullmatch(selector):
            raise UsageError(f'machines: "{selector}" is no label; write one such as "cpu=avx512"')
    known: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
        "profile": ((plan.profile,), PROFILES),
        "sizes": (plan.sizes, SIZES),
    }
    for name, (given, allowed) in known.items():
        for word in given:
            if word not in allowed:
                raise UsageError(f'{name}: no "{word}"; there are {", ".join(allowed)}')
    if not plan.sizes or not plan.suites:
        raise UsageError("sizes and suites: at least one each; or leave them out")


def check_suite(suite: str) -> None:
    """Raise an error if this is no regular expression that asv's ``--bench`` can take."""
    if not suite or len(suite) > 500 or not suite.isprintable():
        raise UsageError(
            f'suites: "{suite}" is no regular expression of benchmarks; write one such as "^conv"'
        )
    try:
        re.compile(f"(?:{suite})")
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(
            f'suites: "{suite}" is no regular expression ({error}); write one such as "^conv"'
        ) from None
