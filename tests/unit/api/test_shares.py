from __future__ import annotations

import pytest

from services.api.models.emissions import Emission
from services.api.models.live import Shares
from services.api.models.shares import shares
from services.core.store.schema.figures import METHODS_MS, SHARES


def test_every_method_has_its_share_in_answers() -> None:
    assert set(Shares.model_fields) == {*SHARES, "missing"}
    of_intervals = {name for name in Emission.model_fields if name.startswith("share_")}
    assert of_intervals == {f"share_{name}" for name in (*SHARES, "missing")}


def test_what_no_method_stands_for_is_missing() -> None:
    assert METHODS_MS == ("measured_ms", "substituted_ms", "estimated_ms")
    assert shares(100.0, (50, 20, 5)) == {
        "measured": 0.5,
        "substituted": 0.2,
        "estimated": 0.05,
        "missing": 0.25,
    }


@pytest.mark.parametrize("length_ms", [0.0, 80.0])
def test_shares_add_up_to_one(length_ms: float) -> None:
    assert sum(shares(length_ms, (50, 20, 30)).values()) == pytest.approx(1.0)
