"""Every command and program in the documents runs, unchanged, and every link leads to a file."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest

from paths import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
BIN = Path(sys.executable).parent
EVIDENCE = next((ROOT / "results").rglob("*.trials.jsonl"))
LINKED = [*DOCUMENTS, ROOT / "CHANGELOG.md", ROOT / "examples" / "README.md"]


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


def commands(tool: str) -> list[str]:
    """Return a tool's commands in the shell blocks of all documents, without comments."""
    lines = [
        line.split("  #")[0].strip()
        for document in DOCUMENTS
        for block in blocks(document, "sh")
        for line in block.splitlines()
    ]
    return list(dict.fromkeys(line for line in lines if line.split()[:1] == [tool]))


def exit_code(command: str) -> int:
    """Return the exit code that a comment behind the command names; 0 without one."""
    texts = (document.read_text() for document in DOCUMENTS)
    named = (re.search(rf"^{re.escape(command)}  # exit code (\d)", t, re.MULTILINE) for t in texts)
    return next((int(code[1]) for code in named if code), 0)


def reader(home: Path) -> dict[str, str]:
    """Return variables for a quick profile and a home of its own."""
    return {"DETCOST_PROFILE": "quick", "DETCOST_SIZE": "small", "HOME": str(home)}


def environment(home: Path) -> dict[str, str]:
    """Return a reader's environment that has the commands."""
    # With a hash seed of the user's, detcost starts one Python instead of several.
    own = {"PYTHONHASHSEED": "0", "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return {**os.environ, **reader(home), **own}


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        shlex.split(command),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def readers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a reader of the documents: their whole files, and some results."""
    folder = tmp_path_factory.mktemp("reader")
    for document in DOCUMENTS:
        for program in blocks(document, "python"):
            if name := re.match(r"# (\w+\.py)\n", program):
                (folder / name[1]).write_text(program)
    shutil.copytree(ROOT / "results", folder / "results")
    return folder


def test_no_tool_in_the_documents_goes_untested():
    tools = {
        line.split()[0]
        for document in DOCUMENTS
        for block in blocks(document, "sh")
        for line in block.splitlines()
        if line.strip()
    }
    assert tools <= {"make", "asv", "detcost", "pip", "pytest"}  # pytest: tests/testing


@pytest.mark.parametrize("document", LINKED, ids=lambda path: path.name)
def test_a_link_leads_to_a_file_and_its_heading(document: Path):
    text = re.sub(r"`[^`]*`", "", document.read_text())
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    for link in links:
        name, _, heading = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        if heading and target.suffix == ".md":
            assert heading in headings(target), link


def headings(document: Path) -> set[str]:
    """Return a document's headings as links write them."""
    titles = re.findall(r"^#+ (.*)", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_guide_has_every_package_in_the_order_of_the_layers():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(c["layers"] for c in contracts["contracts"] if c["containers"] == ["detcost"])
    packages = re.findall(r"^\| `(\w+)/?` \|", GUIDE, re.MULTILINE)
    assert sorted(packages) == sorted(name for layer in layers for name in layer.split(" | "))
    height = {name: at for at, layer in enumerate(layers) for name in layer.split(" | ")}
    assert [height[name] for name in packages] == sorted(height.values(), reverse=True)


def test_the_files_and_tests_that_the_guide_names_exist():
    code = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", GUIDE)
    places = [ROOT, ROOT / "src" / "detcost"]
    files = [text for text in code if "/" in text and "<" not in text and " " not in text]
    assert [name for name in files if not any((at / name).exists() for at in places)] == []
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = [text.rstrip("…") for text in code if text.startswith("test_")]
    assert named
    assert [name for name in named if f"def {name}" not in tests] == []


@pytest.fixture
def at_the_reader_s(
    readers_folder: Path, shared_workers: None, brief: None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Run commands in this process, in the reader's folder and environment, as short as can be."""
    monkeypatch.chdir(readers_folder)
    for name, value in reader(readers_folder).items():
        monkeypatch.setenv(name, value)
    return readers_folder


@pytest.mark.tensorflow
@pytest.mark.parametrize("command", commands("detcost"))
def test_a_detcost_command_runs(command: str, at_the_reader_s: Path, detcost):
    if "run.trials.jsonl" in command and "--out" not in command:
        shutil.copy(EVIDENCE, at_the_reader_s / "run.trials.jsonl")
    code, out, err = detcost(*shlex.split(command)[1:])
    assert code == exit_code(command), err
    assert out.strip()
    # The other commands are for a reader who has the committed results.
    (at_the_reader_s / "results" / "measured.trials.jsonl").unlink(missing_ok=True)


@pytest.mark.tensorflow
def test_the_python_programs_run(at_the_reader_s: Path):
    shutil.copy(EVIDENCE, at_the_reader_s / "run.trials.jsonl")
    programs = [
        text
        for document in DOCUMENTS
        for text in blocks(document, "python")
        if text.startswith("import detcost")
    ]
    assert len(programs) == 4
    for program in programs:
        exec(compile(program, "<document>", "exec"), {})


SHORTEST = [t for t in blocks(ROOT / "docs" / "folklore.md", "python") if "detcost" not in t]


@pytest.fixture(scope="module")
def printed() -> list[list[str]]:
    """What the shortest programs print, one after another, in each of two new Pythons."""
    one_after_another = f"for program in {SHORTEST!r}: exec(program, {{}}); print('---')"
    command = [sys.executable, "-c", one_after_another]
    runs = [subprocess.check_output(command, text=True).split("---\n") for _ in range(2)]
    return [list(outputs) for outputs in zip(*runs, strict=True)]


@pytest.mark.tensorflow
@pytest.mark.parametrize("program", SHORTEST)
def test_the_shortest_code_shows_its_claim(program: str, printed: list[list[str]]):
    """It prints the output in its comment, or else something new in every run."""
    first, second = printed[SHORTEST.index(program)]
    if re.findall(r"# (\w+)$", program, re.MULTILINE) == ["False"]:
        assert (first, second) == ("False\n", "False\n")
    else:
        assert first != second


@pytest.mark.tensorflow
def test_the_scenario_of_the_guide_is_one(at_the_reader_s: Path, detcost):
    """The guide shows it as a part of this package, so it gets the imports of a module here."""
    text = next(b for b in blocks(ROOT / "docs" / "scenarios.md", "python") if "@scenario" in b)
    module = (ROOT / "src" / "detcost" / "scenarios" / "families" / "matmul.py").read_text()
    Path("guide.py").write_text(module.split("\n\n\n")[0] + "\n\n\n" + text)
    code, _, err = detcost("measure", "guide.py:conv2d_transpose", "-s", "default", "-d", "CPU:0")
    assert code == 0, err


@pytest.mark.parametrize("command", commands("make"))
def test_a_make_target_is_there(command: str):
    """Dry: make test runs this test, and make bench takes a quarter of an hour."""
    done = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_pip_is_asked_for_extras_that_exist():
    asked = {extra for command in commands("pip") for extra in re.findall(r"\[(\w+)\]", command)}
    offered = set(importlib.metadata.metadata("detcost").get_all("Provides-Extra") or [])
    assert asked
    assert asked <= offered


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone whose suite has one scenario, to measure in this environment."""
    folder = tmp_path_factory.mktemp("clone") / "detcost"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    shutil.rmtree(folder / "benchmarks" / "more")
    for module in (folder / "benchmarks").glob("*.py"):
        if module.stem not in ("__init__", "matmul"):
            module.unlink()
    shutil.copytree(ROOT / "results", folder / "results", dirs_exist_ok=True)
    config = folder / "asv.conf.json"
    here = f'"environment_type": "existing:{sys.executable}"'
    config.write_text(config.read_text().replace('"environment_type": "virtualenv"', here))
    assert run("asv machine --yes", folder).returncode == 0
    return folder


@pytest.mark.tensorflow
@pytest.mark.parametrize("command", [c for c in commands("asv") if "preview" not in c])
def test_an_asv_command_runs(command: str, checkout: Path):
    done = run(command, checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout


@pytest.fixture(scope="module")
def site(checkout: Path) -> Path:
    """Return the site, which a test of ``asv publish`` may have made."""
    html = checkout / ".asv" / "html"
    if not html.exists():
        assert run("asv publish", checkout).returncode == 0
    return html


def test_asv_preview_serves_the_published_site(checkout: Path, site: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [BIN / "asv", "preview", "--port", str(port)], cwd=checkout, stdout=subprocess.DEVNULL
    )
    try:
        assert "airspeed velocity" in _fetch(f"http://127.0.0.1:{port}/")
    finally:
        server.kill()
        server.wait()


def test_the_page_and_asv_s_site_link_to_each_other(site: Path):
    assert '<a href="chooser/index.html">Choose by cost</a>' in (site / "index.html").read_text()
    assert r"\"site\":\"../index.html\"" in (site / "chooser" / "index.html").read_text()


def _fetch(address: str) -> str:
    for _ in range(50):
        try:
            with urllib.request.urlopen(address) as page:
                return str(page.read().decode())
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"nothing serves {address}")
