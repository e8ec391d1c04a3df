"""The command ``detcost init``: a file with a user's program, ready to be measured."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from detcost.cli.templates import TEMPLATES
from detcost.errors import UsageError, did_you_mean

_QUESTION = "keras, loop, dataset, callable, or the path of a saved model or Keras file"


def init(
    file: Annotated[Path, typer.Argument(help="The file to write, such as my_model.py.")],
    keras: Annotated[bool, typer.Option("--keras", help="A Keras model and fit.")] = False,
    loop: Annotated[bool, typer.Option("--loop", help="Your own training step.")] = False,
    dataset: Annotated[bool, typer.Option("--dataset", help="A tf.data pipeline.")] = False,
    callable: Annotated[bool, typer.Option("--callable", help="Any function.")] = False,
    saved_model: Annotated[
        Path | None, typer.Option("--saved-model", help="The folder of a saved model.")
    ] = None,
    keras_file: Annotated[
        Path | None, typer.Option("--keras-file", help="A .keras or .h5 file.")
    ] = None,
) -> None:
    """Write a file to put your own program into. It runs as it is."""
    _check_place(file)
    flags = {"keras": keras, "loop": loop, "dataset": dataset, "callable": callable}
    paths = {"saved-model": saved_model, "keras-file": keras_file}
    chosen: list[tuple[str, Path | None]] = [(kind, None) for kind, given in flags.items() if given]
    chosen += [(kind, path) for kind, path in paths.items() if path]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0][0]} and --{chosen[1][0]}: a file has one kind; keep one")
    kind, path = chosen[0] if chosen else _asked()
    text = TEMPLATES[kind].replace("FILE", file.name)
    if path:
        place = _from_folder_of(file, _checked(kind, path))
        text = text.replace('"PATH"', json.dumps(place, ensure_ascii=False))
    _write(file, text)
    typer.echo(f"{file} is written. Measure it: detcost measure {file}")


def _check_place(file: Path) -> None:
    if file.suffix != ".py":
        raise UsageError(f"{file}: name a Python file, such as {file.name or 'my_model'}.py")
    if file.exists() or file.is_symlink():
        raise UsageError(f"{file}: exists already, and is kept; name another file")
    if importlib.util.find_spec(file.stem):
        raise UsageError(f"{file}: it would hide the package {file.stem}; name another file")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: cannot be written ({error.strerror})") from None


def _asked() -> tuple[str, Path | None]:
    """Ask for the kind. Without a terminal it is Keras, since nobody could answer."""
    if not sys.stdin.isatty():
        return "keras", None
    answer = str(typer.prompt(f"What is it? {_QUESTION}", default="keras")).strip()
    if answer in ("keras", "loop", "dataset", "callable"):
        return answer, None
    path = Path(answer).expanduser()
    if path.exists():
        return ("saved-model" if path.is_dir() else "keras-file"), path
    raise UsageError(f'"{answer}"{did_you_mean(answer, TEMPLATES)}; answer {_QUESTION}')


def _checked(kind: str, path: Path) -> Path:
    is_there = (path / "saved_model.pb").is_file() if kind == "saved-model" else path.is_file()
    if not is_there:
        raise UsageError(f"--{kind} {path}: no such {kind.replace('-', ' ')}")
    return path


def _from_folder_of(file: Path, path: Path) -> str:
    """Return a path relative to the file's folder, unless it is absolute."""
    return str(path) if path.is_absolute() else os.path.relpath(path, file.parent)
