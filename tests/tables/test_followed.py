"""What following shows, as the terminal prints it."""

from __future__ import annotations

import pytest

from detcost.evidence.following import FollowedProcess, Following
from detcost.outputs.growth import Growth
from detcost.tables.evidence_tables import terminal_tables
from detcost.tables.followed import following_texts, growth_text, process_text
from factories import following, record


def process(first: int, relative: list[float | None], growth: Growth | None = None):
    steps = list(range(first, first + len(relative)))
    return FollowedProcess(
        "process", "quiet", len(steps), first, [], steps, relative, [1] * len(steps), growth
    )


def test_the_line_has_the_step_the_distances_and_the_time_to_double():
    grows = Growth(1.08, 1.065, 1.09, 7, 150)
    parted = process(7, [3e-8, *[1e-4] * 192, 2e-3], grows)
    assert process_text(parted, 200) == (
        "parts at step 7 of 200; distance 3e-08 then, 2e-03 at the end; "
        "doubles every 9 steps [8, 11]"
    )


def test_processes_that_never_part_have_a_count_and_no_rate():
    never = FollowedProcess("process", "quiet", 0)
    assert list(following_texts(Following(200, [never]))) == ["process: 0 of 200 steps differed"]


def test_processes_that_are_equal_again_are_counted():
    odd = process(3, [1e-7, 0.0])
    assert process_text(odd, 40).startswith("2 of 40 steps differed, the first is step 3; ")


@pytest.mark.parametrize(
    ("growth", "text"),
    [
        (None, ""),
        (Growth(1.01, 0.98, 1.03, 1, 40), "× 1.01 [0.98, 1.03] a step"),
        (Growth(3.5, 2.5, 4.5, 1, 40), "× 3.5 [2.5, 4.5] a step"),
        (Growth(1.0004, 1.0002, 1.0006, 1, 40), "doubles every 1700 steps [1200, 3500]"),
        (Growth(float("inf"), 0.0, float("inf"), 1, 40), "× inf [0, inf] a step"),
        (Growth(-1.0, -1.0, -1.0, 1, 40), "× -1 [-1, -1] a step"),
    ],
)
def test_a_time_to_double_needs_a_growth_in_the_whole_interval(growth, text):
    assert growth_text(growth) == text


def test_an_unknown_distance_is_no_number():
    unknown = process(3, [None, None])
    assert process_text(unknown, 4) == "parts at step 3 of 4"


def test_what_could_not_be_followed_says_why():
    assert list(following_texts(Following(9, [], {"quiet": "killed", "1": "killed"}))) == [
        "not followed: killed"
    ]


def test_the_table_has_a_line_for_each_scope():
    [table] = terminal_tables([record(following=following())])
    [note] = table.columns[-1].cells
    assert "process: parts at step 3 of 40" in note.plain
    assert "threads: 0 of 40 steps differed" in note.plain
