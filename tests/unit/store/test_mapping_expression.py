"""JMESPath bombs: what an expression may cost, however short it and its message are."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jmespath.exceptions import JMESPathError

from services.core.facility.file import FacilityFileError, parse
from services.core.facility.mapping_expression import Budget, Expression, OverBudgetError, check

DOUBLED = "|".join(["[@, @]"] * 40)
SPREAD = "|".join(["[@, @][]"] * 15)
LONG = {"a": "x" * 400_000, "b": "x" * 400_000}

BOMBS: list[tuple[str, Any]] = [
    # ever larger texts of what is only doubled
    (f"{DOUBLED} | to_string(@)", {}),
    (f"{DOUBLED} | contains(@, `[]`)", {}),
    # comparing what was built twice
    (f"{{a: {DOUBLED}, b: {DOUBLED}}} | a == b", {}),
    # arrays that grow
    ("|".join(["[@, @][]"] * 40), {}),
    (f"{SPREAD} | [*].[@, @][] | [*].[@, @][]", {}),
    (f"{SPREAD} | map(&to_string(@), @)", {}),
    ("[*].[@, @][] | [*].[@, @][] | [*].[@, @][] | [*].[@, @][]", list(range(20_000))),
    # texts that grow
    ("to_string(@) |" + "|".join(["join(@, [@, @, @])"] * 30), {"a": "x" * 50}),
    ("to_string(@) |" + "|".join(["join('', [@, @, @, @])"] * 30), {"a": "x" * 50}),
    # long texts, looked at again and again
    (f"[a, b] | {SPREAD} | sort(@)", LONG),
    (f"[a, b] | {SPREAD} | max(@)", LONG),
    (f"{SPREAD} | sort_by(@, &a)", LONG),
    (f"{SPREAD} | max_by(@, &a)", LONG),
    (f"{SPREAD} | [?a == b]", LONG),
    (f"{SPREAD} | map(&contains(a, b), @)", LONG),
    (f"{SPREAD} | map(&reverse(a), @)", LONG),
    # everything with everything
    (
        "map(&map(&map(&@, `[1, 2, 3, 4, 5, 6, 7, 8]`), `[1, 2, 3, 4, 5, 6, 7, 8]`), @)",
        list(range(5_000)),
    ),
    ("[?a] | [?a] | [?a] | [?a] | [?a] | [?a]", [{"a": 1}] * 20_000),
    ("*.*.*", {str(i): {"a": {}, "b": {}} for i in range(50_000)}),
]


@pytest.mark.parametrize(("text", "document"), BOMBS)
def test_a_bomb_is_stopped_before_it_is_large(text: str, document: Any) -> None:
    with pytest.raises(OverBudgetError, match="more than 20000 steps"):
        Expression(text, Budget(20_000))(document)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{DOUBLED} | to_string(@)", "even where there is nothing to select"),
        ("|".join(["[@, @][]"] * 100), "nested deeper than 60 levels"),
        ("[" * 300 + "@" + "]" * 300, "nested deeper than 60 levels"),
        ("(" * 490 + "@" + ")" * 490, "nested deeper than 60 levels"),
        ("!" * 900 + "@", "nested deeper than 60 levels"),
        (f"[{','.join(['@'] * 450)}]", "more than 400 parts"),
    ],
)
def test_a_file_with_a_bomb_is_refused_by_line(text: str, says: str) -> None:
    with pytest.raises(FacilityFileError) as caught:
        parse(
            "facility: {id: a, name: A, timezone: UTC}\ndevices:\n"
            "  - {id: d, topic: t, format: json, channels: [{id: x, quantity: energy, unit: kWh,\n"
            f"     kind: counter, from: '{text}'}}]}}\n"
        )
    (problem,) = caught.value.problems
    assert problem.line == 4
    assert says in problem.message


def test_a_small_message_may_cost_less_than_a_large_one() -> None:
    budget = Budget()
    expression = Expression("[*].[@, @][]", budget)
    items = list(range(5_000))
    budget.renew(10)
    with pytest.raises(OverBudgetError, match="more than 20500 steps"):
        expression(items)
    budget.renew(100_000)
    assert len(expression(items)) == 10_000


def test_what_a_message_costs_is_counted_over_all_expressions() -> None:
    budget = Budget(10_000)
    expressions = [Expression("[*].a", budget) for _ in range(3)]
    document = [{"a": 1}] * 4_000
    expressions[0](document)
    expressions[1](document)
    with pytest.raises(OverBudgetError):
        expressions[2](document)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b", "x" * 70]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=12,
)


@pytest.mark.thorough
@settings(max_examples=12)
@given(document=_VALUES)
@pytest.mark.parametrize(
    "text",
    [
        "a || b", "a && b", "!a", "a == b", "a < b", "a >= `1`", "[*].a", "*.a", "[]", "[].a[]",
        "[?a].b", "[?a == b]", "[?@ != `0`]", "[?!a]", "[1:3]", "[::-1]", "{x: a, y: b}", "[a, b]",
        "sort_by(@, &a)", "max_by(@, &a).b", "map(&a, @)", "join('-', @)", "to_string(@)",
        "contains(@, `1`)", "length(@)", "keys(@)", "sum(@)", "sort(@)", "reverse(@)", "a | [0]",
        "not_null(a, b)", "type(@)", "merge(@, `{}`)", "values(@)", "min(@)", "starts_with(a, b)",
    ],
)  # fmt: skip
def test_within_its_budget_it_says_what_jmespath_says(text: str, document: Any) -> None:
    def outcome(evaluate: Any) -> Any:
        try:
            return evaluate()
        except (JMESPathError, TypeError, ValueError) as error:
            return type(error)

    expected = outcome(lambda: jmespath.search(text, document))
    assert outcome(lambda: Expression(text, Budget())(document)) == expected


def test_an_expression_that_finds_nothing_to_work_on_is_taken() -> None:
    check("sum(x)")
