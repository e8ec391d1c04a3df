"""Environment variables as settings want them, in the three ways in which they are set."""

from __future__ import annotations

import os
import shlex

import msgspec


class Variable(msgspec.Struct, frozen=True):
    """A variable that a library reads once, and so must be set before TensorFlow is imported.

    Attributes
    ----------
    name, text
        What to set to what.
    appended
        Whether the text follows what the user has in the variable already, as a flag follows
        other flags. A text that is not appended replaces it.
    """

    name: str
    text: str
    appended: bool = False

    @property
    def value(self) -> str:
        """The whole of what to set, for a process that inherits this one's environment."""
        return f"{os.environ.get(self.name, '')} {self.text}" if self.appended else self.text

    @property
    def python(self) -> str:
        """A line of Python that sets it."""
        if self.appended:
            own = f'os.environ.get("{self.name}", "")'
            return f'os.environ["{self.name}"] = {own} + " {self.text}"'
        return f'os.environ["{self.name}"] = "{self.text}"'

    @property
    def shell(self) -> str:
        """A line for a shell that sets it."""
        if self.appended:
            return f'export {self.name}="${self.name} {self.text}"'
        return f"export {self.name}={shlex.quote(self.text)}"
