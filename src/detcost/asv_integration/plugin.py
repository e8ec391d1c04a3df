"""The asv plugin that measures TensorFlow. ``asv.conf.json`` names it.

* ``virtualenv`` environments get the TensorFlow build that fits the machine.
* ``existing`` environments get their name from the TensorFlow that is installed in them.
* The processes of both get variables for the evidence file and for the profile.
* Their progress is shown at once, together with the progress of the whole run.

asv loads the plugin by its path in the checkout, even if detcost is not installed beside asv. So
it imports only asv, the standard library and modules of its own folder.
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

#: Names in the requirement matrix that stand for the build that fits the machine.
PACKAGES = ("tensorflow", "tf-nightly")
#: The suffix of evidence files. It equals ``detcost.evidence.journal.SUFFIX``, which cannot be
#: imported with the standard library alone.
SUFFIX = ".trials.jsonl"
#: Seconds between lines of progress in a log, where lines are not overwritten.
PAUSE = 10.0


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


def evidence_path(conf: Config, env_name: str, commit: str | None) -> str | None:
    """Return the path of the evidence file: beside asv's own result, with the same name.

    ``None`` if asv saves no result: in a dry run, for an unknown commit, or in a command that
    only tries benchmarks.
    """
    options = command_line()
    if commit is None or "machine" not in options:
        return None
    if options.get("dry_run") or options.get("skip_save"):
        return None
    result = get_filename(machine_name(), commit, env_name)
    return str(Path(conf.results_dir, result.removesuffix(".json") + SUFFIX).absolute())


class EnvironmentMixin(environment.Environment):  # type: ignore[misc]  # asv has no types
    """An environment that gives its processes variables about the run.

    They are asv's ``ASV_*``, which asv itself does not set in existing environments, and
    ``DETCOST_EVIDENCE``, ``DETCOST_MACHINE``, ``DETCOST_PROFILE`` and ``DETCOST_PROGRESS``.
    """

    def __init__(self, conf: Config, *args: Any) -> None:
        self._conf = conf
        super().__init__(conf, *args)

    def run(self, args: list[str], **kwargs: Any) -> Any:
        """Run the environment's Python with these variables."""
        # Not cached: one environment serves several commits, and a parallel build (-j) sets the
        # commit in another process.
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
        if "setup_cache" in args:  # this measures a scenario; all other calls are fast
            countdown.start()
        try:
            return super().run(args, env=variables, **kwargs)
        finally:
            progress().show()


# asv takes the first class with a tool_name. So asv's own classes get other names, and the classes
# below get the names that users, asv's documentation and results use.
virtualenv.Virtualenv.tool_name = "virtualenv of asv"
environment.ExistingEnvironment.tool_name = "existing of asv"


class Virtualenv(EnvironmentMixin, virtualenv.Virtualenv):  # type: ignore[misc]
    """asv's virtualenv, with the TensorFlow build that fits the machine, and pinned packages."""

    tool_name = "virtualenv"

    def __init__(self, conf: Config, python: str, *args: Any) -> None:
        super().__init__(conf, python, *args)
        if python == f"{sys.version_info.major}.{sys.version_info.minor}":
            # asv prefers a Python of that name on PATH: perhaps another build, or a broken shim.
            self._executable = sys.executable

    @property
    def dir_name(self) -> str:
        """The folder of the environment. Each build has its own: a machine may get a GPU later."""
        return f"{super().dir_name}-{build().label}"

    def create(self) -> None:
        """Create the environment if it does not exist. Log its build of TensorFlow."""
        super().create()
        for package in self._requirements.keys() & PACKAGES:
            log.info(f"TensorFlow: {build(package)}")

    def _run_pip(self, args: list[str], **kwargs: Any) -> Any:
        return super()._run_pip([*map(resolve_requirement, args), *self._constraints()], **kwargs)

    def _constraints(self) -> list[str]:
        """Return pip's options for the project's constraint files that apply."""
        releases = [f"{name}-{version}" for name, version in self._requirements.items()]
        folder = Path(self._global_env_vars["ASV_CONF_DIR"], "constraints")
        files = [folder / f"{name}.txt" for name in ("detcost", *releases)]
        return [f"--constraint={file}" for file in files if file.exists()]


def resolve_requirement(argument: str) -> str:
    """Return pip's argument. TensorFlow becomes the build that fits this machine."""
    name = re.split(r"[^\w-]", argument)[0]
    return build(name).requirement(argument.removeprefix(name)) if name in PACKAGES else argument


class ExistingEnvironment(EnvironmentMixin, environment.ExistingEnvironment):  # type: ignore[misc]
    """asv's existing environment, with a name made of versions, and not of the path."""

    tool_name = "existing"
    name = environment.Environment.name

    def __init__(self, conf: Config, executable: str, *args: Any) -> None:
        try:
            super().__init__(conf, executable, *args)
        except environment.EnvironmentUnavailable:  # it has no message
            raise environment.EnvironmentUnavailable(f"{executable} is no Python") from None
        self._python, self._requirements = inventory(self._executable)
        self._global_env_vars["ASV_ENV_NAME"] = self.name


#: Prints the versions of Python and of TensorFlow. About ten distributions have this package.
INVENTORY = """
import sys
from importlib.metadata import packages_distributions, version
print("%d.%d" % sys.version_info[:2])
for distribution in packages_distributions().get("tensorflow", [])[:1]:
    print(version(distribution))
"""


def inventory(executable: str) -> tuple[str, dict[str, str]]:
    """Return the version of an interpreter, and of its TensorFlow, without importing it.

    Raises
    ------
    EnvironmentUnavailable
        If the interpreter is older than 3.10, and cannot list its packages.
    """
    try:
        versions = util.check_output([executable, "-c", INVENTORY], display_error=False, dots=False)
    except util.ProcessError:
        raise environment.EnvironmentUnavailable(
            f"{executable} cannot list its packages; it must be Python 3.11 or newer"
        ) from None
    python, *tensorflow = versions.split()
    return python, dict(zip(["tensorflow"], tensorflow, strict=False))


class ProgressLog:
    """A file to which benchmarks append lines of progress; see ``progress_relay``.

    The lines are shown as they arrive. It is a plain file, so that no writer waits for a reader,
    and that it works on every system.
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
        """Show the new lines: all of them on a terminal, otherwise one every few seconds."""
        with self._lock:
            for line in self._lines:
                if rewrites(self._stream) or time.monotonic() >= self._next:
                    show(f"{countdown}: {line.rstrip()}", self._stream)
                    self._next = time.monotonic() + PAUSE

    def close(self) -> None:
        """Stop showing lines, and remove the file."""
        self._closing.set()
        with self._lock:
            self._lines.close()
            os.remove(self.path)


@cache
def progress() -> ProgressLog:
    """Return the one progress log of this process."""
    return ProgressLog(sys.stderr)


def rewrites(stream: TextIO) -> bool:
    """Return whether the stream is a terminal on which lines can be overwritten."""
    return stream.isatty() and os.environ.get("TERM") not in (None, "dumb")


def show(line: str, stream: TextIO) -> None:
    """Show a line of progress within asv's own output.

    asv leaves its last line open until that work is done. On a terminal, the progress fills the
    rest of that line. Then the cursor moves back, so that the next progress line, and later asv,
    overwrite it. Elsewhere it is a separate line.
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
