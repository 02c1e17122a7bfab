from __future__ import annotations

import pytest

from services.api.admission.budgets import _MAX_REMEMBERED, Budget, network_of


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_budget_is_spent_and_fills_up_evenly() -> None:
    clock = Clock()
    budget = Budget(60, clock=clock)
    for _ in range(60):
        assert budget.wait_s("a", 1) == 0
        budget.spend("a", 1)
    assert budget.wait_s("a", 1) == pytest.approx(1.0)
    assert budget.wait_s("b", 1) == 0
    clock.now_s += 1
    assert budget.wait_s("a", 1) == 0
    clock.now_s += 3600
    assert budget.left("a") == 60


def test_an_answer_that_cost_more_than_was_left_is_paid_off_first() -> None:
    clock = Clock()
    budget = Budget(600, clock=clock)
    budget.spend("a", 900)
    assert budget.wait_s("a") == pytest.approx(30.0)
    clock.now_s += 30
    assert budget.wait_s("a") == 0


def test_the_memory_of_a_budget_is_bounded() -> None:
    budget = Budget(60)
    for number in range(_MAX_REMEMBERED + 500):
        budget.spend(str(number), 60)
    assert len(budget._left) == _MAX_REMEMBERED
    assert budget.wait_s(str(_MAX_REMEMBERED + 499), 1) > 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("unknown", "unknown"),
    ],
)
def test_who_has_one_address_has_its_network(address: str, network: str) -> None:
    assert network_of(address) == network
