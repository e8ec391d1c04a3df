"""Small projects in which tests run a real asv with the plugin of this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from detcost.asv_integration import plugin
from detcost.host import machine_lock
from paths import TESTS


class Project:
    """A repository with a file of benchmarks, and an installed TensorFlow that is empty."""

    def __init__(self, root: Path, benchmarks: str) -> None:
        self.root = root
        # Short, because asv's fork server makes a socket there, whose path has a limit.
        self._temporary = tempfile.TemporaryDirectory(prefix="asv-")
        self.temporary = Path(self._temporary.name)
        self._write("asv.conf.json", json.dumps(CONFIGURATION))
        self._write("benchmarks/__init__.py", "")
        self._write("benchmarks/figures.py", benchmarks)
        for source in Path(plugin.__file__).parent.glob("*.py"):
            self._write(f"src/detcost/asv_integration/{source.name}", source.read_text())
        self._write("src/detcost/host/machine_lock.py", Path(machine_lock.__file__).read_text())
        self._write("packages/tensorflow_cpu-2.99.0.dist-info/top_level.txt", "tensorflow")
        self._write(
            "packages/tensorflow_cpu-2.99.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tensorflow-cpu\nVersion: 2.99.0\n",
        )
        machine = dict.fromkeys(("os", "arch", "cpu", "num_cpu", "ram"), "")
        self._write(
            "home/.asv-machine.json",
            json.dumps({"version": 1, "box": {"machine": "box", **machine}}),
        )
        self._git("init", "--quiet")
        self._git("add", "asv.conf.json", "benchmarks", "src")
        self._git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "one")
        self.head = self._git("rev-parse", "HEAD").strip()

    def _write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _git(self, *args: str) -> str:
        return subprocess.check_output(["git", *args], cwd=self.root, text=True)

    def start(self, *args: str, **variables: str) -> subprocess.Popen[str]:
        """Start asv in the project, without the variables of this process."""
        return subprocess.Popen(
            [sys.executable, "-m", "asv", *args],
            cwd=self.root,
            env=self.environment() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def environment(self) -> dict[str, str]:
        """Return the variables for a process in the project, without those of this process."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DETCOST", "ASV"))}
        path = os.pathsep.join(map(str, (self.root / "packages", self.root / "src", TESTS)))
        ours = {
            "HOME": str(self.root / "home"),
            "PYTHONPATH": path,
            "ASV_PYTHONPATH": path,  # what asv gives to benchmarks instead
            "TMPDIR": str(self.temporary),
            "DETCOST_MACHINE_LOCK": str(self.root / "lock"),
        }
        return inherited | ours

    def asv(self, *args: str, code: int = 0, **variables: str) -> str:
        """Run asv to its end, which must give this exit code. Return all that it printed."""
        process = self.start(*args, **variables)
        output, _ = process.communicate()
        assert process.returncode == code, output
        return output

    def run(self, *args: str, code: int = 0, **variables: str) -> str:
        """Return what ``asv run`` prints with this Python, whose results it keeps."""
        here = ("--environment", "existing", "--set-commit-hash", "HEAD")
        return self.asv("run", *here, *args, code=code, **variables)

    def results(self) -> list[str]:
        return sorted(path.name for path in (self.root / "results/box").glob("*-*.json"))


CONFIGURATION = {
    "version": 1,
    "project": "detcost",
    "repo": ".",
    "branches": ["HEAD"],
    "plugins": [".src.detcost.asv_integration.plugin"],
    "environment_type": "virtualenv",
    "launch_method": "forkserver",
}
