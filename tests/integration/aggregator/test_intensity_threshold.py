"""A threshold on emissions by unit of production: by the window that ends with each minute."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.core.facility.file import FacilityFileError, parse
from tests.integration.aggregator.plant import FILE, Reading, instant
from tests.integration.aggregator.watch import Watch

T0 = instant("2026-11-20T10:00:00Z")
MINUTE = timedelta(minutes=1)

PRODUCTS = """
products:
  - id: sheets
    unit: kWh
    production: [meter.quarter]
    shared: [{source: by-gauge, method: stated, share: 50}]
thresholds:
  - {id: dear, product: sheets, measure: intensity, window: 15m, above: 0.25, clear_below: 0.2}
"""


def test_it_fires_on_the_ratio_of_a_window_and_is_unknown_without_production(
    database_url: str,
) -> None:
    works = Watch(database_url, PRODUCTS, since=T0)
    # 60 kW at 0.2 kg/kWh: 12 kg an hour, half of which is the product's, 1.5 kg in a quarter
    works.power(T0, [60.0] * 61)
    # by 10, 5, 0 and 10 kWh: 0.15, 0.3, nothing and 0.15 kg/kWh at the ends of the quarters
    ends = [T0 + i * 15 * MINUTE for i in range(1, 5)]
    works.store(
        [
            Reading("meter.quarter", end, kwh)
            for end, kwh in zip(ends, [10.0, 5.0, 0.0, 10.0], strict=True)
        ]
    )
    works.tick(T0 + timedelta(hours=1, minutes=1))
    states = works.states("dear")
    works.close()
    assert states == [
        # w minutes of the second quarter: 1.5 kg by (15 - w) 2/3 + w/3 kWh are above 0.25 from
        # w = 13 on
        ("10:27", "firing"),
        # the third quarter made nothing
        ("10:44", "firing-no-data"),
        ("10:45", "firing"),
        # w minutes of the fourth quarter make w 2/3 kWh: below 0.2 from w = 12 on
        ("10:56", "resolved"),
    ]


def test_what_it_watches_has_to_be_there() -> None:
    with pytest.raises(FacilityFileError, match="needs product"):
        parse(FILE + PRODUCTS.replace("product: sheets, ", ""))
    with pytest.raises(FacilityFileError, match="no product"):
        parse(FILE + PRODUCTS.replace("product: sheets", "product: beams"))
    with pytest.raises(FacilityFileError, match="up to 24h"):
        parse(FILE + PRODUCTS.replace("window: 15m", "window: 7d"))
