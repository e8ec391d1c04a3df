"""What asv must know to measure TensorFlow: the plugin that ``asv.conf.json`` names.

* ``virtualenv`` environments get the TensorFlow build that fits the machine.
* ``existing`` environments are named by the TensorFlow found in them.
* The processes of both are told where evidence goes and how much to measure.
* What they report while they measure is shown at once, with what is left in all.

asv loads it by its place in the checkout, whether or not detcost is installed
beside asv. So it imports asv, the standard library and its neighbours, no more.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import re
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from asv import environment, util
from asv.commands import make_argparser
from asv.config import Config
from asv.console import log
from asv.machine import Machine, MachineCollection
from asv.plugins import virtualenv
from asv.repo import get_repo
from asv.results import get_filename

from . import progress_relay
from .selection import countdown
from .tensorflow_build import build

#: Names in the requirement matrix that stand for whichever build fits the machine.
PACKAGES = ("tensorflow", "tf-nightly")
#: The suffix of evidence files. It equals ``detcost.evidence.journal.SUFFIX``, which needs more
#: than the standard library.
SUFFIX = ".trials.jsonl"
#: Seconds between lines of progress in a log, where they stay.
PAUSE = 10.0


@cache
def command_line() -> dict[str, Any]:
    """Return what the user asked asv for, by asv's own parser; nothing when asv is a library.

    An environment learns from asv neither the machine's name nor ``--quick``,
    ``--dry-run`` and ``--set-commit-hash``. Reading the command line once more
    serves every command that runs benchmarks, and leaves asv's own as they are;
    wrapping ``Run.run`` would miss ``asv find`` and break with its signature.
    """
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        parser, _ = make_argparser()
        return dict(vars(parser.parse_args()))
    return {}


@cache
def named_commit(conf: Config) -> str | None:
    """Return the commit that ``--set-commit-hash`` names, in full."""
    name = command_line().get("set_commit_hash")
    return str(get_repo(conf).get_hash_from_name(name)) if name else None


def machine_name() -> str:
    """Return what asv calls this machine: unlike its host name, unique among the results."""
    name = command_line()["machine"] or Machine.get_unique_machine_name()
    return str(MachineCollection.load(name)["machine"])


def evidence_path(conf: Config, env_name: str, commit: str | None) -> str | None:
    """Return where evidence belongs: beside asv's own result, of the same name.

    ``None`` when asv will not save a result: a dry run, an unknown commit, or a
    command that only tries benchmarks.
    """
    asked = command_line()
    if commit is None or "machine" not in asked or asked.get("dry_run") or asked.get("skip_save"):
        return None
    result = get_filename(machine_name(), commit, env_name)
    return str(Path(conf.results_dir, result.removesuffix(".json") + SUFFIX).absolute())


class EnvironmentMixin(environment.Environment):  # type: ignore[misc]  # asv has no types
    """An environment whose processes are told what they are run for.

    In ``ASV_*`` (asv leaves them out for existing environments), and in
    ``DETCOST_EVIDENCE``, ``DETCOST_MACHINE``, ``DETCOST_PROFILE`` and ``DETCOST_PROGRESS``.
    """

    def __init__(self, conf: Config, *args: Any) -> None:
        self._conf = conf
        super().__init__(conf, *args)

    def run(self, args: list[str], **kwargs: Any) -> Any:
        """Run the environment's Python, telling it."""
        # Asked anew each time: one environment serves several commits, and what a parallel
        # build (-j) noted happened in another process.
        commit = named_commit(self._conf) or self.installed_commit_hash
        self._set_commit_hash(commit)
        variables = {**kwargs.pop("env", os.environ), **self._global_env_vars}
        variables.pop("DETCOST_EVIDENCE", None)
        if evidence := evidence_path(self._conf, self.name, commit):
            variables["DETCOST_EVIDENCE"] = evidence
            variables["DETCOST_MACHINE"] = machine_name()
        if command_line().get("quick"):
            variables.setdefault("DETCOST_PROFILE", "quick")
        variables[progress_relay.VARIABLE] = progress().path
        if "setup_cache" in args:  # where a scenario is measured; all else is quick
            countdown.start()
        try:
            return super().run(args, env=variables, **kwargs)
        finally:
            progress().show()


# asv takes the first class of a tool_name. Once its own give theirs up, ours answer to the names
# that users, asv's documentation and results know.
virtualenv.Virtualenv.tool_name = "virtualenv of asv"
environment.ExistingEnvironment.tool_name = "existing of asv"


class Virtualenv(EnvironmentMixin, virtualenv.Virtualenv):  # type: ignore[misc]
    """asv's virtualenv, with the TensorFlow build that fits the machine, and pinned packages."""

    tool_name = "virtualenv"

    def __init__(self, conf: Config, python: str, *args: Any) -> None:
        super().__init__(conf, python, *args)
        if python == f"{sys.version_info.major}.{sys.version_info.minor}":
            # asv prefers whatever PATH has by that name: another build of it, or a broken shim.
            self._executable = sys.executable

    @property
    def dir_name(self) -> str:
        """The folder asv gives it, one for each build: a machine may get a GPU later."""
        return f"{super().dir_name}-{build().label}"

    def create(self) -> None:
        """Create it where it does not exist; say which build of TensorFlow it has in any case."""
        super().create()
        for package in self._requirements.keys() & PACKAGES:
            log.info(f"TensorFlow: {build(package)}")

    def _run_pip(self, args: list[str], **kwargs: Any) -> Any:
        return super()._run_pip([*map(resolve_requirement, args), *self._constraints()], **kwargs)

    def _constraints(self) -> list[str]:
        """Return pip's options for those of the project's constraint files that apply."""
        wanted = [f"{name}-{version}" for name, version in self._requirements.items()]
        folder = Path(self._global_env_vars["ASV_CONF_DIR"], "constraints")
        files = [folder / f"{name}.txt" for name in ("detcost", *wanted)]
        return [f"--constraint={file}" for file in files if file.exists()]


def resolve_requirement(argument: str) -> str:
    """Return pip's argument, with the build that fits this machine in TensorFlow's place."""
    name = re.split(r"[^\w-]", argument)[0]
    return build(name).requirement(argument.removeprefix(name)) if name in PACKAGES else argument


class ExistingEnvironment(EnvironmentMixin, environment.ExistingEnvironment):  # type: ignore[misc]
    """asv's existing environment, named by its versions instead of the interpreter's path."""

    tool_name = "existing"
    name = environment.Environment.name

    def __init__(self, conf: Config, executable: str, *args: Any) -> None:
        try:
            super().__init__(conf, executable, *args)
        except environment.EnvironmentUnavailable:  # which says nothing
            raise environment.EnvironmentUnavailable(f"{executable} is no Python") from None
        self._python, self._requirements = inventory(self._executable)
        self._global_env_vars["ASV_ENV_NAME"] = self.name


#: Whichever distribution it is that brings the package: there are about ten.
INVENTORY = """
import sys
from importlib.metadata import packages_distributions, version
print("%d.%d" % sys.version_info[:2])
for distribution in packages_distributions().get("tensorflow", [])[:1]:
    print(version(distribution))
"""


def inventory(executable: str) -> tuple[str, dict[str, str]]:
    """Return an interpreter's version and, where it has TensorFlow, that one's, not importing it.

    Raises
    ------
    EnvironmentUnavailable
        If it cannot tell, being older than 3.10.
    """
    try:
        answer = util.check_output([executable, "-c", INVENTORY], display_error=False, dots=False)
    except util.ProcessError:
        raise environment.EnvironmentUnavailable(
            f"{executable} cannot tell its packages; it must be Python 3.11 or newer"
        ) from None
    python, *tensorflow = answer.split()
    return python, dict(zip(["tensorflow"], tensorflow, strict=False))


class ProgressLog:
    """A file to which benchmarks append lines, each shown as it comes; see ``progress_relay``.

    A plain file: no writer ever waits for a reader, and it works on every system.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._next = 0.0
        handle, self.path = tempfile.mkstemp(prefix="detcost-progress-")
        os.close(handle)
        self._lines = open(self.path, encoding="utf-8", errors="replace")  # noqa: SIM115
        self._closing = threading.Event()
        atexit.register(self.close)
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while not self._closing.wait(0.2):
            self.show()

    def show(self) -> None:
        """Show what came since the last time: all on a terminal, else a line now and then."""
        with self._lock:
            for line in self._lines:
                if rewrites(self._stream) or time.monotonic() >= self._next:
                    show(f"{countdown}: {line.rstrip()}", self._stream)
                    self._next = time.monotonic() + PAUSE

    def close(self) -> None:
        """Stop, and remove the file."""
        self._closing.set()
        with self._lock:
            self._lines.close()
            os.remove(self.path)


@cache
def progress() -> ProgressLog:
    """Return the one channel of this process."""
    return ProgressLog(sys.stderr)


def rewrites(stream: TextIO) -> bool:
    """Return whether what was written can be written over: a terminal that moves its cursor."""
    return stream.isatty() and os.environ.get("TERM") not in (None, "dumb")


def show(line: str, stream: TextIO) -> None:
    """Show a line of progress amid asv's own output.

    asv leaves its last line open until the work it names is done. On a terminal the
    progress is put into the rest of that line and the cursor back, so that the next
    one, and then asv, write over it. Elsewhere it gets a line of its own.
    """
    if rewrites(stream):
        save, restore, erase, dim, plain = "\x1b7", "\x1b8", "\x1b[K", "\x1b[2m", "\x1b[0m"
        clip, wrap = "\x1b[?7l", "\x1b[?7h"
        margin = "\x1b[999C\x1b[3D"  # asv's line may end two columns before the terminal's
        stream.write(f"{save}{clip}{erase} {dim}{line}{plain}{margin}{erase}{wrap}{restore}")
    else:
        log.flush()
        stream.write(f"{' ' * 14}{line}\n")  # as far in as asv's text
    stream.flush()
