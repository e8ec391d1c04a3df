"""The asv plugin that measures TensorFlow. ``asv.conf.json`` names it.

* ``virtualenv`` environments get the TensorFlow build that fits the machine.
* ``existing`` environments get their name from the TensorFlow that is installed in them.
* The processes of both get variables for the evidence file and for the profile.
* Their progress is shown at once, together with the progress of the whole run.
* What asv prints of a scenario is short, and the reasons of failures are its last lines.
* One asv at a time measures on a machine. Others wait, and say for whom.

asv loads the plugin by its path in the checkout, even if detcost is not installed beside asv. So
it imports only asv, the standard library, modules of its own folder and the machine's lock.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from asv import environment, util
from asv.config import Config
from asv.console import log
from asv.plugins import virtualenv
from asv.results import get_filename

from ..host import machine_lock
from . import command, progress_relay, short_log  # noqa: F401  # short_log changes what asv prints
from .failures import failures, why
from .progress_log import ProgressLog
from .selection import countdown
from .tensorflow_build import build

#: Names in the requirement matrix that stand for the build that fits the machine.
PACKAGES = ("tensorflow", "tf-nightly")
#: The suffix of evidence files. It equals ``detcost.evidence.journal.SUFFIX``, which cannot be
#: imported with the standard library alone.
SUFFIX = ".trials.jsonl"


#: Holds the machine until this process ends.
_holding = ExitStack()
atexit.register(_holding.close)


def setup() -> None:
    """Wait until nothing else measures on this machine. asv calls this before a command.

    Raises
    ------
    asv.util.UserError
        At Ctrl-C, where asv would print a traceback.
    """
    if "launch_method" not in command.command_line():
        return  # a command that measures nothing
    try:
        _holding.enter_context(machine_lock.held("asv", _tell))
    except KeyboardInterrupt:
        raise util.UserError("Interrupted.") from None
    except OSError as error:
        log.warning(f"{error.filename}: no lock ({error.strerror}); others may measure meanwhile")


def _tell(line: str) -> None:
    log.info(line)
    log.flush()  # else asv leaves the line open


def evidence_path(conf: Config, env_name: str, commit: str | None) -> str | None:
    """Return the path of the evidence file: beside asv's own result, with the same name.

    ``None`` if asv saves no result: in a dry run, for an unknown commit, or in a command that
    only tries benchmarks.
    """
    options = command.command_line()
    if commit is None or "machine" not in options:
        return None
    if options.get("dry_run") or options.get("skip_save"):
        return None
    result = get_filename(command.machine_name(), commit, env_name)
    return str(Path(conf.results_dir, result.removesuffix(".json") + SUFFIX).absolute())


class EnvironmentMixin(environment.Environment):  # type: ignore[misc]  # asv has no types
    """An environment that gives its processes variables about the run.

    They are asv's ``ASV_*``, which asv itself does not set in existing environments, and
    ``DETCOST_EVIDENCE``, ``DETCOST_MACHINE``, ``DETCOST_PROFILE`` and ``DETCOST_PROGRESS``.

    A profile other than ``standard`` is a part of the environment's name, and so is a size other
    than ``medium``. So their results are apart from the usual ones: in files of their own, and in
    series of their own on the site.
    """

    def __init__(
        self,
        conf: Config,
        python: str,
        requirements: dict[str, str],
        variables: dict[tuple[str, str], str],
    ) -> None:
        self._conf = conf
        unusual = {("nobuild", name): value for name, value in command.unusual().items()}
        super().__init__(conf, python, requirements, {**unusual, **variables})

    def run(self, args: list[str], **kwargs: Any) -> Any:
        """Run the environment's Python with these variables.

        Raises
        ------
        asv.util.UserError
            At Ctrl-C, where asv would print a traceback.
        """
        # Not cached: one environment serves several commits, and a parallel build (-j) sets the
        # commit in another process.
        commit = command.named_commit(self._conf) or self.installed_commit_hash
        self._set_commit_hash(commit)
        variables = {**kwargs.pop("env", os.environ), **self._global_env_vars}
        variables.pop("DETCOST_EVIDENCE", None)
        if evidence := evidence_path(self._conf, self.name, commit):
            variables["DETCOST_EVIDENCE"] = evidence
            variables["DETCOST_MACHINE"] = command.machine_name()
        try:
            if "setup_cache" in args:  # this measures a scenario; all other calls are fast
                return self._measure(args, env=variables, **kwargs)
            return super().run(args, env=variables, **kwargs)
        except KeyboardInterrupt:
            raise util.UserError("Interrupted.") from None

    def _measure(self, args: list[str], env: dict[str, str], cwd: str, **kwargs: Any) -> Any:
        """Run a ``setup_cache``. Show its progress, and note why it failed.

        Its temporary files go into its own folder, which asv removes, even if it must be killed.
        """
        countdown.start()
        env["TMPDIR"] = cwd
        try:
            with ProgressLog(cwd) as progress:
                env[progress_relay.VARIABLE] = progress.path
                output, errors, code = super().run(args, env=env, cwd=cwd, **kwargs)
        except BaseException:
            shutil.rmtree(cwd, ignore_errors=True)
            raise
        if code:
            suite = args[args.index("setup_cache") + 2].rpartition(".")[0]
            failures.add(suite, why(output, code, kwargs["timeout"]))
        return output, errors, code


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

    @property
    def env_vars(self) -> dict[str, str]:
        """The variables of the matrix, and asv's own one that keeps apart the published series.

        asv averages the results of all environments with the same packages and variables.
        """
        return {**super().env_vars, "ASV_ENV_TYPE": self.tool_name}

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
