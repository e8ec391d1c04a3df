"""Hundreds of simulated programs, each with what is to blame planted, or nothing."""

from __future__ import annotations

import random

import pytest

import simulated_programs as simulator
from detcost.locating import origins

CALLS, RUNS = 4, 3


def _recordings(program, plants):
    runs = [simulator.Run(program, number, plants) for number in range(RUNS)]
    return [run.recording(CALLS) for run in runs], runs


def _named(found, program):
    lines = {simulator.line_name(n, node): node for n, node in enumerate(program.main)}
    names = set()
    for each in found.culprits:
        if each.kind == "python":
            names.add("python")
        elif each.graph in lines:
            names.add(("main", lines[each.graph].name))
        else:
            names.add((each.graph, each.name))
    return names


def _planted(key, program):
    where, name = key
    node = next((n for n in program.main if n.name == name), None) if where == "main" else None
    return "python" if node and node.type == "Python" else key


@pytest.mark.parametrize("seed", range(150))
def test_the_planted_operation_is_named_and_nothing_else(seed):
    program = simulator.Maker(seed).program()
    chance = random.Random(seed)
    plant = chance.choice(simulator.places(program))
    rate = chance.choice([0.05, 0.2, 0.5, 1.0])
    recordings, _ = _recordings(program, {plant: rate})
    found = origins.find(recordings)
    differs = len({each.outputs for each in recordings}) > 1
    assert _named(found, program) == ({_planted(plant, program)} if differs else set())


@pytest.mark.parametrize("seed", range(0, 150, 10))
def test_a_clean_program_has_no_culprit(seed):
    recordings, _ = _recordings(simulator.Maker(seed).program(), {})
    assert origins.find(recordings) == origins.Origins()
