"""Code to paste for a setting: into a program, a shell or a Keras program."""

from __future__ import annotations

import msgspec

from detcost.settings.grammar import Setting


class Snippets(msgspec.Struct, frozen=True):
    """Code that applies a setting.

    Attributes
    ----------
    python
        For the top of a program, before the first op.
    environment
        Lines for a shell, for levers that need no change of the program. May be empty.
    keras
        For a model that Keras compiles.
    line
        For each compiled function or pipeline, if a lever has no global switch;
        ``None`` otherwise.
    """

    python: str
    environment: str
    keras: str
    line: str | None


def snippets(setting: Setting, seed: int = 42) -> Snippets:
    """Return the code for a setting. Workers run the same lines."""
    usage = setting.usage(seed)
    return Snippets(
        python=setting.snippet(seed),
        environment="\n".join(variable.shell for variable in setting.variables),
        keras=_keras(setting, seed),
        line="\n".join(usage) or None,
    )


def _keras(setting: Setting, seed: int) -> str:
    """Return the code with Keras's argument, which Keras otherwise chooses by itself."""
    compiled = setting.has("xla")
    lines = [line for line in setting.snippet(seed).splitlines() if "jit_compile" not in line]
    lines.append(f"model.compile(optimizer, loss, jit_compile={compiled})")
    return "\n".join(lines)
