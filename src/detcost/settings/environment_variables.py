"""Environment variables of settings, in the three forms that set them."""

from __future__ import annotations

import os
import shlex

import msgspec


class Variable(msgspec.Struct, frozen=True):
    """An environment variable, which must be set before TensorFlow is imported.

    Attributes
    ----------
    name
        Name of the variable.
    text
        The value, or the part of it to append.
    appended
        Whether to append ``text`` to the user's own value, as a flag to other flags.
        Otherwise ``text`` replaces that value.
    """

    name: str
    text: str
    appended: bool = False

    @property
    def value(self) -> str:
        """The complete value, for a process that inherits this one's environment."""
        return f"{os.environ.get(self.name, '')} {self.text}" if self.appended else self.text

    @property
    def python(self) -> str:
        """A line of Python that sets the variable."""
        if self.appended:
            own = f'os.environ.get("{self.name}", "")'
            return f'os.environ["{self.name}"] = {own} + " {self.text}"'
        return f'os.environ["{self.name}"] = "{self.text}"'

    @property
    def shell(self) -> str:
        """A line of shell code that sets the variable."""
        if self.appended:
            return f'export {self.name}="${self.name} {self.text}"'
        return f"export {self.name}={shlex.quote(self.text)}"
