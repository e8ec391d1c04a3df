"""What an adapter makes of a user's words, before TensorFlow is imported."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

import detcost
from detcost.adapters import programs
from detcost.scenarios.registry import Scenario, in_module
from paths import ROOT


def test_an_adapter_returns_a_scenario_and_imports_no_tensorflow():
    assert isinstance(detcost.callable(print), Scenario)
    code = "import detcost, sys; detcost.callable(print); sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_kind_says_what_code_to_paste():
    assert detcost.keras.fit_step(print, None).kind == "keras"
    assert detcost.keras.train_batch(print, None).kind == "keras"
    assert detcost.dataset(print).kind == "pipeline"
    assert detcost.callable(print).kind == "loop"


def test_what_is_compared_is_passed_on():
    made = detcost.callable(print, rows=slice(4), reset=True, expect="varies")
    assert (made.rows, made.reset, made.expect) == (slice(4), True, "varies")
    assert detcost.dataset(print, expect="varies").expect == "varies"
    assert detcost.keras.fit_step(print, None, reset=True).reset


def test_xla_means_nothing_to_a_pipeline():
    assert detcost.dataset(print).ignores == {"xla"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: detcost.keras.fit_step(print, None, compare="loss"),
            'compare="loss"; did you mean "losses"?',
        ),
        (
            lambda: detcost.keras.train_batch(print, None, compare="x"),
            'compare="x"; use one of both, losses, weights',
        ),
        (
            lambda: detcost.keras.file("no.keras"),
            "no.keras: no such Keras file; give its path from the folder of your file",
        ),
        (
            lambda: detcost.saved_model("no"),
            "no: no saved model; give its folder from the folder of your file",
        ),
        (lambda: detcost.callable("sum"), '"sum": name a function as module:function'),
        (
            lambda: detcost.callable("math:sqr"),
            'math: no function "sqr"; did you mean "sqrt"?',
        ),
    ],
)
def test_a_mistake_is_one_line(make, message):
    with pytest.raises(detcost.UsageError) as raised:
        make()
    assert str(raised.value) == message


def test_inputs_are_drawn_in_the_order_of_their_names(monkeypatch):
    """The order of a loaded signature follows Python's hash seed, which every process has anew."""
    drawn: list[str] = []
    monkeypatch.setattr(programs, "from_spec", lambda bench, spec, place: drawn.append(spec))
    loaded = SimpleNamespace(structured_input_signature=((), {"b": "b", "c": "c", "a": "a"}))
    programs._arguments(None, loaded, None, "model")
    assert drawn == ["a", "b", "c"]


def test_every_call_in_the_documents_makes_a_scenario(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "your-own-program.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    stand_ins = "make_model = make_data = make_dataset = train_step = predict = images = [1]\n"
    (tmp_path / "documents.py").write_text(
        "import detcost\n" + stand_ins + "labels = images\n" + "".join(blocks)
    )
    (tmp_path / "model.keras").touch()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").touch()
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "evaluation.py").write_text("def score(): ...")
    monkeypatch.syspath_prepend(tmp_path)
    calls = "".join(blocks).count("detcost.")
    assert len(in_module(importlib.import_module("documents"))) == calls
