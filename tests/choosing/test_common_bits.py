"""The same bits on all machines: the cheapest setting, groups, causes, and scope ``isa``."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from detcost.choosing.common_bits import CommonBits, common_bits
from detcost.choosing.isa_prediction import isa_test
from detcost.evidence import reading
from detcost.evidence.schema import Divergence, Evidence
from detcost.tables import fleet_tables
from factories import cost, divergence, racing, record, variant
from paths import ROOT

AVX2 = ["sse4_1", "sse4_2", "avx", "avx2"]
AVX512 = [*AVX2, "avx512f", "avx512bw", "avx512dq", "avx512vl"]


def on(machine: str, digest: str, flags: list[str] = AVX2, **changes: Any) -> Evidence:
    """Return a record of a machine with some instruction sets."""
    described: dict[str, Any] = {
        "name": machine,
        "cpu": "AMD",
        "cpu_flags": flags,
        "usable_cores": 2,
    }
    described |= changes.pop("described", {})
    machine_of = {"run_id": machine, "machine": described}
    return record(**{"digest": digest, "cost": cost(1.3), **machine_of, **changes})


def only(*records: Evidence) -> CommonBits:
    [row] = common_bits(records)
    return row


def isa(**differs: bool) -> dict[str, Divergence]:
    """Return a divergence with scope ``isa``: by the set of oneDNN, whether the bits differ."""
    variants = [
        msgspec.structs.replace(variant(f"oneDNN={name}", "x"), divergent=int(other))
        for name, other in differs.items()
    ]
    count = msgspec.structs.replace(divergence(sum(differs.values()), len(differs)))
    return {**record().divergence, "isa": msgspec.structs.replace(count, variants=variants)}


def test_without_a_common_setting_the_fewest_groups_are_named():
    row = only(
        *(on("a", "1"), on("b", "1"), on("c", "2", AVX512), on("d", "3", AVX512)),
        *(on(name, bits, setting="xla") for name, bits in zip("abcd", "1222", strict=True)),
    )
    assert (row.best, row.fewest) == (None, "xla")
    assert row.groups == (("b", "c", "d"), ("a",))
    assert row.machines == 4


def test_a_property_could_explain_groups_if_equal_machines_have_equal_bits():
    row = only(on("a", "1"), on("b", "1"), on("c", "2", AVX512))
    assert row.explained == ("instruction sets",)
    assert row.excluded == ("processor", "cores", "versions of packages")
    intel = {"described": {"cpu": "Intel", "usable_cores": 4}}
    row = only(on("a", "1"), on("b", "2", AVX512), on("c", "3", AVX512, **intel))
    assert row.explained == ()
    assert row.excluded[0] == "instruction sets"


def test_a_package_could_explain_groups_too():
    older = {"versions": {**record().versions, "numpy": "1.26.0"}}
    newer = {"versions": {**record().versions, "numpy": "2.4.6"}}
    row = only(on("a", "1", **older), on("b", "2", **newer))
    assert row.explained == ("numpy",)


def test_a_machine_on_which_the_setting_races_is_named():
    row = only(on("a", "1"), on("b", "1"), on("c", "1", divergence=racing()))
    assert (row.best, row.groups, row.races) == (None, (("a", "b"),), ("c",))
    _, [*_, text, price] = fleet_tables.rows([row])
    assert text == "none; 2 groups under default: a, b | c (races)"
    assert price == "–"


def test_one_machine_alone_has_no_row():
    assert common_bits([on("a", "1"), on("a", "2", setting="xla")]) == []


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_machines_does_not_matter_and_one_twice_is_one(seed):
    draw = random.Random(seed)
    flags = {name: draw.choice([AVX2, AVX512]) for name in "abcde"}
    records = [
        on(name, draw.choice("12"), flags[name], setting=setting)
        for name in "abcde"
        for setting in ("default", "xla", "threads=1")
    ]
    found = common_bits(records)
    assert common_bits(draw.sample(records, len(records))) == found
    assert common_bits([*records, *records[:3]]) == found
    assert isa_test(draw.sample(records, len(records))) == isa_test(records)


@pytest.mark.parametrize(
    ("differs", "bits", "expected"),
    [
        (False, "1", {"same": {"same": 1, "other": 0}, "other": {"same": 0, "other": 0}}),
        (False, "2", {"same": {"same": 0, "other": 1}, "other": {"same": 0, "other": 0}}),
        (True, "1", {"same": {"same": 0, "other": 0}, "other": {"same": 1, "other": 0}}),
        (True, "2", {"same": {"same": 0, "other": 0}, "other": {"same": 0, "other": 1}}),
    ],
)
def test_scope_isa_predicts_the_bits_of_an_older_processor(differs, bits, expected):
    """Only the set of the older machine counts, whatever an even older one would give."""
    newer = on("new", "1", AVX512, divergence=isa(SSE41=True, AVX2=differs))
    found = isa_test([newer, on("old", bits)])
    assert found.counts == expected
    assert [each.newer for each in found.exceptions] == ["new"] * (differs != (bits == "2"))


def test_nothing_is_predicted_for_equal_processors_races_or_other_inputs():
    newer = on("new", "1", AVX512, divergence=isa(AVX2=True))
    for other in (
        on("twin", "1", AVX512),
        on("old", "2", divergence=racing()),
        on("old", "2", seed=7),
        on("old", "2", versions={"tensorflow": "2.20.0"}),
    ):
        counts = isa_test([newer, other]).counts
        assert [*counts["same"].values(), *counts["other"].values()] == [0, 0, 0, 0]


def test_an_answer_by_hand_for_the_committed_machines():
    """Read off the digests: a plain XLA product differs by processor, and no cap shows it."""
    records, _ = reading.read(ROOT / "results")
    rows = {row.scenario: row for row in common_bits(records)}
    assert rows["reduce_sum_large"].best == "default"
    assert rows["lstm_forward"].best == "xla"
    assert rows["matmul_square"].best is None
    assert rows["matmul_square"].explained == ("instruction sets",)
    failed = {(each.scenario, each.setting) for each in isa_test(records).exceptions}
    assert ("matmul_square", "xla") in failed
    assert ("matmul_square", "default") not in failed
