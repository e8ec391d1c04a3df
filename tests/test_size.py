"""Functions and modules are short enough to read at once, and classes have names of their own."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parents[1] / "src").rglob("*.py"))
TABLES = {"catalogue.py"}  # entries one after the other, without a line of code between them


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_function_has_more_than_50_lines_nor_a_module_300(path: Path):
    tree = ast.parse(path.read_text())
    lines = {
        node.name: node.end_lineno - _first(node).lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: count for name, count in lines.items() if count > 50} == {}
    assert path.name in TABLES or path.read_text().count("\n") <= 300


def _first(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
    """The first statement behind the docstring."""
    return function.body[1 if ast.get_docstring(function) and len(function.body) > 1 else 0]


def test_no_two_classes_have_one_name():
    names = [
        node.name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    assert [name for name, times in Counter(names).items() if times > 1] == []
