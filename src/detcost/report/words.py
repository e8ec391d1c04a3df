"""Texts of the page's answers. The page replaces the names in braces.

Texts that the command line has too come from there.
"""

from __future__ import annotations

from detcost.choosing.answers import COST_UNKNOWN
from detcost.choosing.scope_checks import ANYWAY, COLD, NO_PROFILE
from detcost.tables import choice_tables

WORDS = {
    "headline": choice_tables.HEADLINE,
    "none_qualifies": choice_tables.NONE_QUALIFIES,
    "at_rate": choice_tables.AT_RATE,
    "several": choice_tables.SEVERAL,
    "cost_unknown": COST_UNKNOWN,
    "no_profile": NO_PROFILE,
    "anyway": ANYWAY,
    "cold": COLD,
    "answer": "the answer",
    "tied": "tied with the answer",
    "dearer": "survives; costs more",
    "and_more": "; and {count} more",
    "worst_of": " (the worst of {scenarios})",
    "in_scenarios": " ({scenarios})",
    "loosest": ", the loosest of {count} scenarios",
    "share": " in {count} of {total} scenarios",
    "ties": (
        " – the noise does not separate their costs from the answer's. "
        "Of tied settings the one with the fewest levers is the answer."
    ),
    "also_survives": "It survives {scopes} as well.",
    "dominated": "dominated: {setting} survives at least as much and is clearly cheaper",
    "by_definition": "by definition: costs are relative to default",
    "no_code": "There is no code for it, because this detcost does not know all of its levers.",
}
