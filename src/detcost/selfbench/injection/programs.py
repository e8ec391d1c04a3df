"""Random programs: source files as people write them, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from detcost.selfbench.injection import culprits
from detcost.selfbench.injection.blocks import (
    CONTROL,
    Block,
    Writer,
    branch,
    call,
    call_again,
    fit,
    gradient,
    loop,
    map_rows,
    while_loop,
)
from detcost.selfbench.injection.catalogue import KINDS, CulpritKind
from detcost.selfbench.injection.culprits import Planted
from detcost.selfbench.injection.operations import straight
from detcost.selfbench.injection.pipelines import pipeline
from detcost.selfbench.injection.source import INDENT, Body, SourceText, Text

_HEAD = '''"""A random program, from the seed {seed}."""

import itertools
import os
import random
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.initializers import GlorotUniform as glorot


{top}def build():
    rng = np.random.default_rng({seed})
    inputs = tf.constant(rng.normal(size=({rows}, {width})).astype("float32"))
'''
_TAIL = """
    step.objects = locals()  # a concrete function alone does not keep its variables
    return step


if __name__ == "__main__":
    import hashlib

    {seeding}
    step = build()
    for call in range(int(sys.argv[1]) if sys.argv[1:] else 3):
        print([hashlib.md5(np.asarray(out).tobytes()).hexdigest() for out in step()])
else:
    import detcost
    from detcost.selfbench.injection.journal import kept

    @detcost.scenario(family="injected")
    def program(bench):
        return kept(build(), __file__)
"""
_CLEAN, _ONE = 0.22, 0.6  # shares of programs without a culprit, and with one


@dataclass(frozen=True)
class RandomProgram:
    """A program and the truth about it.

    Attributes
    ----------
    text
        Its source file.
    planted
        Its culprits.
    witnesses
        For each culprit, which of the outputs depends on it, and on no other.
    scope, setting
        Where its culprits show.
    """

    seed: int
    text: str
    planted: tuple[Planted, ...]
    witnesses: tuple[int, ...]
    scope: str
    setting: str


def program(seed: int) -> RandomProgram:
    """Write the program of a seed."""
    chance = random.Random(seed)
    planted = _planted(chance)
    scopes = {each.kind.scope for each in planted} - {"repeat"}
    scope = scopes.pop() if scopes else chance.choice(("repeat", "repeat", "process"))
    unseeded = any(each.kind.setting == "unseeded" for each in planted)
    unseeded = unseeded or (not planted and chance.random() < 0.2)
    author = _Author(chance, planted, target=int(4 * 25 ** chance.random()))
    text, witnesses = author.written(seed, unseeded)
    setting = "unseeded" if unseeded else "default"
    return RandomProgram(seed, text, planted, witnesses, scope, setting)


def _planted(chance: random.Random) -> tuple[Planted, ...]:
    share = chance.random()
    number = 0 if share < _CLEAN else 1 if share < _CLEAN + _ONE else 2
    while True:
        kinds = chance.sample(KINDS, number)
        if len({kind.scope for kind in kinds} - {"repeat"}) < 2:
            break
    rates = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
    return tuple(
        Planted(kind, each, chance.choice(rates) if kind.gated else None)
        for each, kind in enumerate(kinds)
    )


class _Author:
    """Writes one program."""

    def __init__(self, chance: random.Random, planted: tuple[Planted, ...], target: int):
        self._chance, self._target = chance, target
        shape = chance.choice((4, 6, 8)), chance.choice((4, 6, 8))
        self._source = SourceText(chance, *shape)
        self._waiting = {each: chance.random() for each in planted}
        self._witnesses: dict[int, str] = {}

    def written(self, seed: int, unseeded: bool) -> tuple[str, tuple[int, ...]]:
        """Return the file's text, and which output is the witness of each culprit."""
        source = self._source
        step = Body(source, 2, [Text("inputs")], graph=False)
        while source.operations < self._target:
            self._section(step)
        for each in list(self._waiting):
            while each in self._waiting:  # a section may have the other one too
                self._waiting[each] = 0.0
                self._section(step)
        late = dict.fromkeys(value.name for value in step.values[-3:])
        outputs = list(dict.fromkeys([*self._witnesses.values(), *late]))
        top = "".join(f"{each}\n\n\n" for each in source.top)
        lines = [
            *(_HEAD.format(seed=seed, top=top, rows=source.rows, width=source.width).splitlines()),
            *source.setup,
            "",
            f"{INDENT}def step():",
            *step.lines,
            f"{INDENT * 2}return {', '.join(outputs)},",
        ]
        seeding = "pass" if unseeded else "keras.utils.set_random_seed(42)"
        places = tuple(outputs.index(self._witnesses[each]) for each in sorted(self._witnesses))
        return "\n".join(lines) + _TAIL.format(seeding=seeding), places

    def _section(self, step: Body) -> None:
        """Write a traced function and its call, or some eager lines."""
        if self._chance.random() < 0.25:
            for _ in range(self._chance.randint(1, 3)):
                self._grow(step)
        else:
            self._function(step)

    def _function(self, step: Body) -> None:
        source = self._source
        given = list(dict.fromkeys(step.pick() for _ in range(2)))
        parameters = [Text(source.fresh("x"), value.culprits) for value in given]
        body = Body(source, 2, [Text("inputs"), *parameters], graph=True)
        before = set(self._witnesses)
        for _ in range(self._chance.randint(2, 6)):
            self._grow(body)
        kept = {self._witnesses[each]: None for each in self._witnesses if each not in before}
        late = [value.name for value in body.values[-2:]]
        results = [value for value in body.values if value.name in {*kept, *late}]
        name = source.fresh("forward")
        arguments = ", ".join(value.name for value in parameters)
        body.write("return " + ", ".join(value.name for value in results) + ",")
        source.define([f"{INDENT}@tf.function", f"{INDENT}def {name}({arguments}):", *body.lines])
        called = [Text(source.fresh("x"), value.culprits) for value in results]
        names = ", ".join(value.name for value in called)
        step.write(f"{names}, = {name}({', '.join(value.name for value in given)})")
        step.values += called
        renamed = {old.name: new.name for old, new in zip(results, called, strict=True)}
        for number in set(self._witnesses) - before:
            self._witnesses[number] = renamed[self._witnesses[number]]

    def _grow(self, body: Body) -> None:
        """Write the next part: a culprit whose turn it is, or something random."""
        for planted, share in self._waiting.items():
            if self._source.operations >= share * self._target and _fits(planted.kind, body):
                del self._waiting[planted]
                result = self._nest(planted)(body)
                self._witnesses[planted.number] = result.name
                return
        _something(body)

    def _nest(self, planted: Planted) -> Writer:
        """Return a writer of the culprit, perhaps inside loops, branches and functions."""
        write: Writer = partial(culprits.write, planted=planted)
        kind = planted.kind
        if not kind.nested or "pipeline" in kind.where:
            return write
        depth = self._chance.choice((0, 1, 1, 2, 3))
        if kind.rows and depth and self._chance.random() < 0.25:
            write, depth = _inside(map_rows, write), depth - 1
        for _ in range(depth):
            write = _inside(self._chance.choice((branch, loop, while_loop, call, gradient)), write)
        return write


def _fits(kind: CulpritKind, body: Body) -> bool:
    if "pipeline" in kind.where:
        return True
    return ("graph" if body.graph else "eager") in kind.where


def _inside(block: Block, write: Writer) -> Writer:
    return lambda body: block(body, write)


def _something(body: Body) -> None:
    """Write something that is no culprit."""
    chance = body.chance
    ways: list[tuple[float, Callable[[Body], Text]]] = [
        (6.0, straight),
        (3.0, lambda body: chance.choice(CONTROL)(body, None)),
        (1.5, lambda body: gradient(body, None)),
        (0.6, pipeline),
    ]
    if body.source.blocks:
        ways.append((1.5, call_again))
    if not body.graph:
        ways.append((0.3, fit))
    (way,) = chance.choices([way for _, way in ways], [weight for weight, _ in ways])
    way(body)
