"""The report of a large farm: seconds, bytes, and its time relative to asv's."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil

from detcost.selfbench import synthetic

#: A farm: machines × scenarios × settings is 1.2 million records.
MACHINES, SCENARIOS, SETTINGS = 1000, 50, 24


def make_farm(results: Path, machines: int = MACHINES) -> None:
    """Write 5 GB of synthetic evidence of a farm."""
    synthetic.write(results, machines, synthetic.scenarios(SCENARIOS), synthetic.settings(SETTINGS))


def report(results: Path, out: Path) -> tuple[float, int]:
    """Write the page of some results; return the seconds and the peak memory."""
    return measured("report", "--results", str(results), "--out", str(out))


def measured(*arguments: str) -> tuple[float, int]:
    """Run a command of detcost; return the seconds and the peak memory.

    The memory is the proportional set size of all processes. It is read only once a second,
    because reading it takes time from the command.
    """
    start = time.perf_counter()
    command = [sys.executable, "-m", "detcost", *arguments]
    run = psutil.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while run.poll() is None:
        peak = max(peak, _memory(run))
        with contextlib.suppress(subprocess.TimeoutExpired, psutil.TimeoutExpired):
            run.wait(timeout=1)
    seconds = time.perf_counter() - start
    if run.returncode:
        raise subprocess.CalledProcessError(run.returncode, command)
    return seconds, peak


def farm_figures(results: Path, out: Path) -> dict[str, float]:
    """Return the time and memory to write the page of a farm, and the times of a browser.

    These are ``report_seconds``, ``report_memory`` in bytes, and in seconds ``first_screen`` and
    ``filter``. The last two are NaN without Chromium or Playwright.
    """
    seconds, memory = report(results, out)
    first_screen, answer = _in_browser(out / "index.html")
    return {
        "report_seconds": seconds,
        "report_memory": memory,
        "first_screen": first_screen,
        "filter": answer,
    }


#: Changes each filter and waits for the next paint. Returns the seconds of three rounds.
_FILTERS = """async () => {
  const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const set = (input, value) => {
    if (input.type === "checkbox") return input.click();
    input.value = value;
    const event = input.type === "text" ? "input" : "change";
    input.dispatchEvent(new Event(event, {bubbles: true}));
  };
  const scenario = document.querySelector("#scenario");
  const scopes = [...document.querySelectorAll("#chooser input[name=survive]")];
  const changes = [
    ...scopes.map(input => () => set(input)),
    ...[...scenario.options].slice(0, 20).map(option => () => set(scenario, option.value)),
    ...["1", "20", ""].map(rate => () => set(document.querySelector("#max-rate"), rate)),
    () => set(scenario, "all"),
  ];
  const rounds = [];
  for (let round = 0; round < 3; round++) {
    const seconds = [];
    for (const change of changes) {
      await painted();
      const start = performance.now();
      change();
      await painted();
      seconds.push((performance.now() - start) / 1000);
    }
    rounds.push(seconds);
  }
  return rounds;
}"""


def _in_browser(page: Path) -> tuple[float, float]:
    """Return the seconds until the first answer, and those of the slowest filter.

    A filter's seconds are the median of three rounds, since garbage collection adds to some.
    """
    browser = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser = None
    if browser is None:
        return math.nan, math.nan
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=flags)
        tab = chromium.new_page()
        start = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="commit")
        tab.wait_for_selector("#answer[data-best]")
        tab.evaluate("new Promise(requestAnimationFrame)")
        first_screen = time.perf_counter() - start
        answer = max(map(statistics.median, zip(*tab.evaluate(_FILTERS), strict=True)))
        chromium.close()
    return first_screen, answer


def _memory(run: psutil.Popen) -> int:
    total = 0
    for process in (run, *run.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:  # the process has ended
            continue
    return total


def share_of_asv(folder: Path, pairs: int = 3) -> float:
    """Return the page's time ÷ that of ``asv publish`` on the same results, the median of pairs.

    There are as many results as asv publishes of itself: 20 machines × 4 environments × 40
    benchmarks × 50 combinations of parameters. The suite has fourteen benchmarks for each
    scenario, so these are about three scenarios.
    """
    project = _asv_project(folder)
    ratios = []
    for _ in range(pairs):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "asv", "publish"], cwd=project, check=True, capture_output=True
        )
        publish = time.perf_counter() - start
        seconds, _ = report(project / "results", folder / "page")
        shutil.rmtree(folder / "page")
        ratios.append(seconds / publish)
    return sorted(ratios)[len(ratios) // 2]


def _asv_project(folder: Path) -> Path:
    """Write a repository of one commit, asv's results of it, and the evidence beside them."""
    project = folder / "project"
    project.mkdir()
    (project / "asv.conf.json").write_text(json.dumps(_CONFIGURATION))
    git = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "one"]):
        subprocess.run([*git, *arguments], cwd=project, check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], cwd=project, text=True).strip()
    results = project / "results"
    cells, versions = synthetic.scenarios(4), [f"2.{minor}.0" for minor in range(18, 22)]
    synthetic.write(results, 20, cells, synthetic.settings(50), versions)
    benchmarks = _benchmarks()
    (results / "benchmarks.json").write_text(json.dumps({"version": 2, **benchmarks}))
    for machine in results.glob("machine-*"):
        (machine / "machine.json").write_text(json.dumps(_machine(machine.name)))
        for version in versions:
            name = f"{commit[:8]}-virtualenv-py3.11-tensorflow{version}"
            result = _result(benchmarks, commit, machine.name, version)
            (machine / f"{name}.json").write_text(json.dumps(result))
    return project


_CONFIGURATION = {
    "version": 1,
    "project": "farm",
    "repo": ".",
    "branches": ["HEAD"],
    "results_dir": "results",
    "html_dir": "html",
}
_DAY = 1_700_000_000_000


def _benchmarks() -> dict[str, dict[str, object]]:
    params = [[repr(setting) for setting in synthetic.settings(50)]]
    common = {"type": "track", "unit": "ratio", "version": "1", "code": "", "timeout": 60}
    names = [f"family.Scenario{i // 10}.track_{i % 10}" for i in range(40)]
    return {
        name: {"name": name, "param_names": ["setting"], "params": params, **common}
        for name in names
    }


def _machine(name: str) -> dict[str, object]:
    return {"machine": name, "cpu": "x", "arch": "x86_64", "os": "Linux", "ram": "8", "version": 1}


def _result(
    benchmarks: dict[str, dict[str, object]], commit: str, machine: str, version: str
) -> dict[str, object]:
    figures = [1 + i / 100 for i in range(50)]
    spread = [figures] * 4
    return {
        "commit_hash": commit,
        "env_name": f"virtualenv-py3.11-tensorflow{version}",
        "date": _DAY,
        "params": {"machine": machine, "python": "3.11", "tensorflow": version},
        "python": "3.11",
        "requirements": {"tensorflow": version},
        "env_vars": {},
        "result_columns": [
            *("result", "params", "version", "started_at", "duration"),
            *("stats_ci_99_a", "stats_ci_99_b", "stats_q_25", "stats_q_75"),
        ],
        "results": {
            name: [figures, benchmark["params"], "1", _DAY, 1.0, *spread]
            for name, benchmark in benchmarks.items()
        },
        "durations": {},
        "version": 2,
    }
