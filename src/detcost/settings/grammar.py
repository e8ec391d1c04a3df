"""The grammar of settings, and the code that applies a setting.

A *lever* is one thing that can be set (:mod:`detcost.settings.levers`). A *setting* is a
combination of levers, written ``op_determinism+threads=1+xla``. A worker applies a setting by
running the text that :meth:`Setting.snippet` gives users to paste. So the advice cannot differ
from the measured code.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from detcost.errors import UsageError, did_you_mean
from detcost.settings.environment_variables import Variable
from detcost.settings.levers import LEVERS, SEEDED, ByWord, Lever, Value, of_word

_BY_NAME = {lever.name: lever for lever in LEVERS}
_ALIASES = {"single_thread": "threads=1"}


@dataclass(frozen=True)
class Setting:
    """A combination of levers, each at most once. The empty combination is ``default``.

    Equal settings have equal names, whatever their spelling: ``xla+single_thread`` becomes
    ``threads=1+xla``.
    """

    values: tuple[tuple[str, Value], ...] = ()

    @property
    def levers(self) -> tuple[tuple[Lever, Value], ...]:
        """The levers with their values, in the order of :data:`LEVERS`."""
        return tuple((_BY_NAME[name], value) for name, value in self.values)

    @property
    def name(self) -> str:
        """The canonical spelling, for example ``op_determinism+threads=1+xla``."""
        return "+".join(_write(name, value) for name, value in self.values) or "default"

    def __str__(self) -> str:
        return self.name

    def has(self, lever: str) -> bool:
        """Return whether the setting contains the named lever."""
        return any(name == lever for name, _ in self.values)

    @property
    def strategy(self) -> str | None:
        """The value of the lever ``seeding``, or ``None`` without that lever."""
        return self.word("seeding")

    def word(self, lever: str) -> str | None:
        """Return the value of the named lever; ``None`` for a switch or an absent lever."""
        value = dict(self.values).get(lever)
        return None if value is None else str(value)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Variables to set before TensorFlow is imported."""
        wanted = (of_word(lever.environment, value) for lever, value in self.levers)
        return tuple(itertools.chain.from_iterable(wanted))

    @property
    def environment(self) -> dict[str, str]:
        """The variables for a child process of this one. Flags that the user has set are kept."""
        return {variable.name: variable.value for variable in self.variables}

    def python(self, seed: int) -> str:
        """Return code to run after the import of ``tf`` and ``np``, before the first op."""
        lines = [self.seeding(seed)]
        for lever, value in self.levers:
            if "seed" not in lever.controls:
                lines += _fill_in(lever.python, value, seed)
        return "\n".join(filter(None, lines))

    def seeding(self, seed: int) -> str:
        """Return code that seeds the whole program. Running it again restarts random numbers."""
        chosen = [(lever, value) for lever, value in self.levers if "seed" in lever.controls]
        if not chosen:
            return SEEDED.format(seed=seed)
        return "\n".join(_fill_in(chosen[0][0].python, chosen[0][1], seed))

    def usage(self, seed: int) -> list[str]:
        """Return the lines of levers without a global switch, to write where they are needed."""
        filled = (_fill_in(lever.usage, value, seed) for lever, value in self.levers)
        return list(itertools.chain.from_iterable(filled))

    def expects(self) -> dict[str, Any]:
        """Return what TensorFlow must report once the setting is applied."""
        return {
            key: answer
            for lever, value in self.levers
            for key, answer in lever.expects(value if isinstance(value, int) else 0).items()
        }

    def snippet(self, seed: int = 42) -> str:
        """Return Python code that applies this setting, to paste at the top of a program."""
        variables = [variable.python for variable in self.variables]
        before = ["import os", *variables] if variables else []
        after = [*self.python(seed).splitlines(), *self.usage(seed)]
        if any("np." in line for line in after):
            before += ["import numpy as np"]
        return "\n".join([*before, "import tensorflow as tf", *after])


DEFAULT = Setting()


def parse(text: str) -> Setting:
    """Read a setting such as ``op_determinism+threads=1+xla``.

    Raises
    ------
    UsageError
        If a lever is unknown or given twice, if a value is missing or impossible, or if two
        levers control the same thing (``threads=1+intra=4``).
    """
    words = [word.strip() for word in text.split("+")]
    if words == ["default"]:
        return DEFAULT
    chosen: dict[str, Value] = {}
    for word in words:
        name, value = _read(_ALIASES.get(word, word), text)
        if name in chosen:
            raise UsageError(f'setting "{text}": {name} is given twice; keep one of them')
        chosen[name] = value
    setting = Setting(
        tuple((lever.name, chosen[lever.name]) for lever in LEVERS if lever.name in chosen)
    )
    _refuse_conflicts(setting, text)
    return setting


def default_grid() -> list[Setting]:
    """Return the 2×2×2 factorial of op determinism, one thread and XLA. ``default`` is first."""
    switches = ("op_determinism", "threads=1", "xla")
    subsets = (
        [switch for bit, switch in enumerate(switches) if mask >> bit & 1] for mask in range(8)
    )
    return [parse("+".join(subset) or "default") for subset in subsets]


def spellings() -> list[str]:
    """Return every word of a setting, for messages and ``detcost list settings``."""
    return ["default", *(word for lever in LEVERS for word in lever.spellings), *_ALIASES]


def _read(word: str, text: str) -> tuple[str, Value]:
    name, equals, value = word.partition("=")
    lever = _BY_NAME.get(name)
    if word == "default":
        raise UsageError(f'setting "{text}": default is not a lever; leave it out')
    if lever is None:
        advice = did_you_mean(word, spellings()) or "; detcost list settings shows them all"
        raise UsageError(f'setting "{text}": no lever "{word}"{advice}')
    if lever.value is None:
        if equals:
            raise UsageError(f'setting "{text}": {name} takes no value; write "{name}"')
        return name, None
    if lever.value is int:
        # The pattern bounds the length, because int() refuses thousands of digits.
        if not re.fullmatch("0*[1-9][0-9]{0,3}", value) or int(value) > 4096:
            raise UsageError(f'setting "{text}": {name} takes a number from 1 to 4096, as {name}=1')
        return name, int(value)
    if word not in lever.spellings:
        advice = did_you_mean(word, lever.spellings) if len(lever.spellings) > 1 else ""
        raise UsageError(f'setting "{text}": {name} takes a word; write "{lever.spelling}"{advice}')
    return name, value


def _fill_in(lines: ByWord[str], value: Value, seed: int) -> list[str]:
    return [line.format(value=value, seed=seed) for line in of_word(lines, value)]


def _write(name: str, value: Value) -> str:
    return name if value is None else f"{name}={value}"


def _refuse_conflicts(setting: Setting, text: str) -> None:
    owner: dict[str, str] = {}
    for lever, _ in setting.levers:
        for thing in sorted(lever.controls):
            if thing in owner:
                raise UsageError(
                    f'setting "{text}": {owner[thing]} and {lever.name} both set {thing}; keep one'
                )
            owner[thing] = lever.name


def parse_all(texts: Iterable[str]) -> list[Setting]:
    """Read several settings and drop duplicates."""
    return list(dict.fromkeys(parse(text) for text in texts))
