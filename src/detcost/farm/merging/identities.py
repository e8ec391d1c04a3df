"""The machines in the results that are merged, and names that tell unlike ones apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from detcost.host import words


class Identity(NamedTuple):
    """A machine: the name it has in results, and what it is, by :func:`words.identity`."""

    name: str
    words: str

    @property
    def base(self) -> str:
        """The name without the words that an earlier merge put behind it."""
        return self.name.removesuffix(f"-{self.words}") or self.name

    @property
    def told_apart(self) -> str:
        """The name that unlike machines cannot share."""
        return f"{self.base}-{self.words}"

    @property
    def is_safe(self) -> bool:
        """Whether the name can be the name of a folder."""
        return words.can_name_a_folder(self.base)


def names(machines: Iterable[Identity]) -> dict[Identity, str]:
    """Return a name for each machine: its own, or, if unlike machines share it, one with words.

    The words stay in the name at later merges. So the names do not depend on what was merged
    first.
    """
    machines = set(machines)
    words_of = _words_by((machine.base, machine) for machine in machines)
    apart = {machine.base for machine in machines if machine.base != machine.name}
    apart |= {base for base, different in words_of.items() if len(different) > 1}
    chosen = {m: m.told_apart if m.base in apart else m.name for m in machines}
    # A name may be equal to the name with words of another machine.
    holders = _words_by((name, machine) for machine, name in chosen.items())
    return {
        machine: machine.told_apart if len(holders[name]) > 1 else name
        for machine, name in chosen.items()
    }


def _words_by(pairs: Iterable[tuple[str, Identity]]) -> dict[str, set[str]]:
    words_of: dict[str, set[str]] = {}
    for name, machine in pairs:
        words_of.setdefault(name, set()).add(machine.words)
    return words_of
