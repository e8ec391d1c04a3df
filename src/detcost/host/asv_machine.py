"""The file ``~/.asv-machine.json``, in which asv looks up what the machine is.

Every key travels into asv's results, and asv draws a series of its own for every value. So the
values are coarse words, which neither a reboot nor a patch changes. No name of a user or host is
among them.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from detcost.atomic_file import replacing
from detcost.errors import UsageError
from detcost.host import cuda, machine, words

#: asv's version of the file.
VERSION = 1
UNKNOWN, NONE = "unknown", "none"
#: The distributions that bring cuDNN with TensorFlow.
_CUDNN = ("nvidia-cudnn-cu13", "nvidia-cudnn-cu12", "nvidia-cudnn-cu11")

Entry = dict[str, Any]


def path() -> Path:
    """Return asv's file of this user."""
    return Path(os.path.expanduser("~/.asv-machine.json"))


def describe(name: str | None = None) -> Entry:
    """Describe this machine with asv's keys and some more, without TensorFlow.

    The values are texts. The name is ``name``, or else one made of the words.
    """
    here = machine.describe()
    size = words.memory_gib(here["memory_bytes"])
    return {
        "machine": name or words.proposed_name(here),
        "os": platform.system() or UNKNOWN,
        "arch": here["arch"] or UNKNOWN,
        "cpu": here["cpu"] or UNKNOWN,
        "num_cpu": str(here["logical_cores"] or UNKNOWN),
        "ram": f"{size} GiB" if size else UNKNOWN,
        "isa": words.level(here["cpu_flags"]) or UNKNOWN,
        "virtualisation": here["virtualisation"] or NONE,
        "governor": here["governor"] or UNKNOWN,
        **_gpu(words.gpu_models(here)),
    }


def _gpu(models: list[str]) -> Entry:
    """Return the GPUs, and the first numbers of the versions of what drives them."""
    if not models:
        return dict.fromkeys(("gpu", "driver", "cuda", "cudnn"), NONE)
    versions = cuda.versions()
    cudnn = versions.get("cudnn") or _installed_cudnn()
    return {
        "gpu": ", ".join(models),
        "driver": versions.get("nvidia_driver", UNKNOWN).partition(".")[0],
        "cuda": versions.get("cuda_driver", UNKNOWN),
        "cudnn": cudnn.partition(".")[0],
    }


def _installed_cudnn() -> str:
    """Return the version of cuDNN beside TensorFlow, which only TensorFlow knows how to load."""
    for distribution in _CUDNN:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return UNKNOWN


def write(name: str | None = None, overwrite: bool = False) -> tuple[Entry, list[str]]:
    """Write what this machine is into asv's file. The entries of other machines stay.

    Parameters
    ----------
    name
        The machine's name. Without one, it keeps the name in the file, or gets one that tells
        what it is.
    overwrite
        Replace the values in the file. Otherwise they stay, and only missing ones are added.

    Returns
    -------
    entry, names
        This machine's entry, and the names of all machines in the file.

    Raises
    ------
    UsageError
        If the file is not asv's, or cannot be written.
    """
    file = path()
    entries = _read(file)
    fresh = describe(name)
    known = _own(entries, fresh, name)
    kept = {} if overwrite else dict(entries.get(known or "", {}))
    entry = {**fresh, **kept}
    if name or "machine" not in kept:
        entry["machine"] = fresh["machine"]
    others = {key: value for key, value in entries.items() if key != known}
    _save(file, {**others, entry["machine"]: entry})
    return entry, [*others, entry["machine"]]


def needs_name(names: list[str]) -> bool:
    """Return whether asv must be told which of these machines it runs on."""
    return len(names) > 1 and platform.node() not in names


def _own(entries: Mapping[str, Entry], fresh: Entry, name: str | None) -> str | None:
    """Return the name under which the file describes this machine; ``None`` if it does not.

    asv's own rule is the entry of the host's name, or else the only one. A home folder may be
    shared, so the only entry counts only if it can be of this machine.
    """
    for known in (name, fresh["machine"], platform.node()):
        if known in entries:
            return known
    if len(entries) != 1:
        return None
    ((only, entry),) = entries.items()
    same = ("num_cpu", "arch")
    return only if all(entry.get(key) in (None, "", fresh[key]) for key in same) else None


def _read(file: Path) -> dict[str, Entry]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version = content.pop("version")
        entries = {str(name): dict(entry) for name, entry in content.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}); see who owns it") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(f"{file}: not a file of asv's; move it away") from None
    if version != VERSION:
        raise UsageError(f"{file}: version {version} of asv's file, not {VERSION}; run asv update")
    return entries


def _save(file: Path, entries: Mapping[str, Entry]) -> None:
    content = {**entries, "version": VERSION}
    try:
        with replacing(file) as opened:
            opened.write(json.dumps(content, indent=4, sort_keys=True).encode())
    except OSError as error:
        raise UsageError(f"{file}: cannot be written ({error.strerror})") from None
