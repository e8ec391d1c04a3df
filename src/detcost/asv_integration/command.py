"""What this asv command was asked for: its options, the commit, the machine, the profile.

This is a part of the asv plugin, and imports only asv and the standard library.
"""

from __future__ import annotations

import contextlib
import io
import os
from functools import cache
from typing import Any

from asv import util
from asv.commands import make_argparser
from asv.config import Config
from asv.machine import Machine, MachineCollection
from asv.repo import get_repo

PROFILE, SIZE = "DETCOST_PROFILE", "DETCOST_SIZE"
#: The profiles. They equal ``detcost.experiment.profiles.PROFILES``, which cannot be imported with
#: the standard library alone.
PROFILES = ("quick", "standard", "full")


@cache
def command_line() -> dict[str, Any]:
    """Return asv's parsed command line; empty if asv is used as a library.

    asv tells an environment neither the machine's name nor ``--quick``, ``--dry-run`` and
    ``--set-commit-hash``. Parsing the command line again works for every command that runs
    benchmarks. A wrapper of ``Run.run`` would miss ``asv find``, and break if the signature
    changes.
    """
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        parser, _ = make_argparser()
        return dict(vars(parser.parse_args()))
    return {}


@cache
def named_commit(conf: Config) -> str | None:
    """Return the full hash of the commit that ``--set-commit-hash`` names."""
    name = command_line().get("set_commit_hash")
    return str(get_repo(conf).get_hash_from_name(name)) if name else None


def machine_name() -> str:
    """Return asv's name of this machine. Unlike the host name, it is unique among results."""
    name = command_line()["machine"] or Machine.get_unique_machine_name()
    return str(MachineCollection.load(name)["machine"])


def unusual() -> dict[str, str]:
    """Return the variables of a profile and a size that are not the usual ones."""
    chosen = {PROFILE: profile(), SIZE: os.environ.get(SIZE, "medium")}
    return {name: value for name, value in chosen.items() if value not in ("standard", "medium")}


def profile() -> str:
    """Return the profile of ``DETCOST_PROFILE`` or ``--quick``.

    Raises
    ------
    asv.util.UserError
        If there is no such profile.
    """
    quick = command_line().get("quick")
    name = os.environ.get(PROFILE) or ("quick" if quick else "standard")
    if name not in PROFILES:
        raise util.UserError(f'{PROFILE}: no profile "{name}"; there are {", ".join(PROFILES)}')
    return name
