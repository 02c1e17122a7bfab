from __future__ import annotations

from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.decode.selection import MISSING, SelectionError, selection

DOCUMENT = {
    "ENERGY": {"Power": [1, None], "Total": None, "Today": 0},
    "1-0:1.8.0": {"value": 83622},
    "list": [{"x": 1}, {"x": 2}],
}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("ENERGY.Today", 0),
        ("ENERGY.Total", None),
        ("ENERGY.Yesterday", MISSING),
        ("ENERGY.Power[0]", 1),
        ("ENERGY.Power[1]", None),
        ("ENERGY.Power[-1]", None),
        ("ENERGY.Power[2]", MISSING),
        ("ENERGY.Power[-3]", MISSING),
        ("ENERGY.Today[0]", MISSING),
        ("ENERGY.Power.x", MISSING),
        ('"1-0:1.8.0".value', 83622),
        ('@."1-0:1.8.0".value', 83622),
        ("list[0].x", 1),
        ("list[?x == `2`].x | [0]", 2),
        ("nothing || ENERGY.Today", 0),
        ("nothing || also_nothing", MISSING),
        ("sum(list[].x)", 3),
    ],
)
def test_what_an_expression_finds(expression: str, found: Any) -> None:
    assert selection(expression)(DOCUMENT) == found


def test_without_an_expression_the_document_itself_is_found() -> None:
    assert selection(None)(7) == 7
    assert selection(None)(None) is None
    assert selection("@")(None) is None


@pytest.mark.parametrize("expression", ["sum(ENERGY)", "ceil(big)", "nosuch(@)", "list[::0]"])
def test_what_cannot_be_applied_says_so(expression: str) -> None:
    with pytest.raises(SelectionError) as caught:
        selection(expression)({**DOCUMENT, "big": float("inf")})
    assert expression in str(caught.value)
    assert len(str(caught.value)) < 400


_keys = st.sampled_from(["a", "b", "1-0:1.8.0"])
_steps = st.lists(_keys | st.integers(-3, 3), min_size=1, max_size=4)
_documents = st.recursive(
    st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=12,
)


@given(_steps, _documents)
def test_a_plain_path_finds_what_jmespath_finds(steps: list[str | int], document: Any) -> None:
    parts = [f"[{step}]" if isinstance(step, int) else f'."{step}"' for step in steps]
    expression = "".join(parts).removeprefix(".")
    found = selection(expression)(document)
    assert (None if found is MISSING else found) == jmespath.search(expression, document)
