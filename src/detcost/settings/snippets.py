"""A setting as code to paste: into a program, a shell, a Keras program."""

from __future__ import annotations

import msgspec

from detcost.settings.grammar import Setting


class Snippets(msgspec.Struct, frozen=True):
    """How to get a setting.

    Attributes
    ----------
    python
        For the top of a program, before the first op.
    environment
        Lines for a shell that do what can be done without touching the program; empty
        where there are none.
    keras
        The same for a model that Keras compiles.
    line
        What is written once for each compiled function or pipeline, where no global
        switch exists; ``None`` where it does.
    """

    python: str
    environment: str
    keras: str
    line: str | None


def snippets(setting: Setting, seed: int = 42) -> Snippets:
    """Return the code for a setting, of the same lines that were measured."""
    usage = setting.usage(seed)
    return Snippets(
        python=setting.snippet(seed),
        environment="\n".join(variable.shell for variable in setting.variables),
        keras=_keras(setting, seed),
        line="\n".join(usage) or None,
    )


def _keras(setting: Setting, seed: int) -> str:
    """Return it with Keras's own argument, which Keras otherwise chooses by itself."""
    compiled = setting.has("xla")
    lines = [line for line in setting.snippet(seed).splitlines() if "jit_compile" not in line]
    lines.append(f"model.compile(optimizer, loss, jit_compile={compiled})")
    return "\n".join(lines)
