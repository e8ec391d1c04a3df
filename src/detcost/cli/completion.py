"""Shell completion: the values that options and arguments may take."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Complete = Callable[[str], list[str]]


def one_of(names: Callable[[], Iterable[str]]) -> Complete:
    """Return a function that completes one word."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def list_of(names: Callable[[], Iterable[str]], separators: str = ",") -> Complete:
    """Return a function that completes the last word of a list: ``repeat,pro``."""

    def complete(incomplete: str) -> list[str]:
        start = 1 + max(incomplete.rfind(separator) for separator in separators)
        before, word = incomplete[:start], incomplete[start:]
        return [before + name for name in names() if name.startswith(word)]

    return complete


# The imports are inside the functions because a command line without completion needs none of
# them, and each costs time.


def scenarios() -> Iterable[str]:
    """Return the built-in scenarios."""
    from detcost.scenarios import registry

    return registry.built_in()


def scenarios_and_families() -> Iterable[str]:
    """Return what ``--scenario`` takes: ``all``, families and scenarios."""
    from detcost.scenarios import registry

    known = registry.built_in()
    return dict.fromkeys(["all", *(entry.family for entry in known.values()), *known])


def levers() -> Iterable[str]:
    """Return ``default`` and the levers. A lever with a number has 1: ``threads=1``."""
    from detcost.settings import grammar

    return [name.replace("=N", "=1") for name in grammar.spellings()]


def scopes() -> Iterable[str]:
    """Return the scopes."""
    from detcost.evidence.schema import SCOPES

    return SCOPES


def survivable_scopes() -> Iterable[str]:
    """Return the scopes that a setting can be asked to survive."""
    from detcost.evidence.schema import ALL_SCOPES

    return ALL_SCOPES


def profiles() -> Iterable[str]:
    """Return the profiles."""
    from detcost.experiment.profiles import PROFILES

    return PROFILES


def sizes() -> Iterable[str]:
    """Return the sizes of scenarios."""
    from detcost.scenarios.bench import SIZES

    return SIZES


def dtypes() -> Iterable[str]:
    """Return the types of scenarios."""
    from detcost.experiment.request import DTYPES

    return DTYPES


def listings() -> Iterable[str]:
    """Return what ``detcost list`` takes."""
    return ("scenarios", "settings", "devices")
