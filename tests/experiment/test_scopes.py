"""Every scope of the evidence has its variants."""

from __future__ import annotations

from detcost.evidence.schema import SCOPES
from detcost.experiment.scopes import variants


def test_every_scope_but_repeat_has_variants():
    """Each worker of a block repeats its step, so that ``repeat`` needs no trials of its own."""
    assert set(variants([], fixed_execution=False)) == set(SCOPES) - {"repeat"}
