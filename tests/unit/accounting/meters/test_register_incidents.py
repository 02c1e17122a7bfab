"""What went wrong with registers elsewhere, each with where it was reported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pytest

from services.core.accounting.registers import Epoch, RegisterConfig, steps

HOUR = 3600.0
QUARTER = 900.0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A register's readings, and what was really consumed."""

    source: str
    every_s: float = HOUR
    at_s: tuple[float, ...] | None = None
    values: tuple[float, ...]
    config: RegisterConfig
    total: float
    incidents: tuple[str, ...] = ()


def _seconds(*times: str) -> tuple[float, ...]:
    return tuple(datetime.fromisoformat(f"2022-10-03T{each}+00:00").timestamp() for each in times)


HM_TIMES = _seconds(
    "22:05:55.832", "22:08:25.935", "22:10:42.167", "22:12:44.238", "22:15:34.647",
    "22:18:11.144", "22:20:33.477", "22:22:41.653", "22:25:38.165", "22:28:20.764",
    "22:30:50.000", "22:33:20.000",
)  # fmt: skip
HM_VALUES = (
    838671.1, 838684.3, 838697.7, 838710.9, 838750.9, 838764.3, 838790.9, 838804.4, 838831.0,
    838857.6, 10.0, 23.4,
)  # fmt: skip

#: 0.01 kWh a minute over four hours; every sixth reading is rounded to 0.1 kWh
NOW_ROUNDED_NOW_EXACT = tuple(round(3630 + k / 100, 1 if k % 6 == 5 else 2) for k in range(241))

INCIDENTS = {
    "evcc_transient_zero_became_13_mwh": Seen(
        source="https://github.com/evcc-io/evcc/pull/30592",
        every_s=QUARTER,
        values=(13423.7, 0.0, 13423.7),
        config=RegisterConfig(max_rate_per_h=5.0),
        total=0.0,
        incidents=("transient",),
    ),
    "evcc_transient_zero_without_max_rate": Seen(
        source="https://github.com/evcc-io/evcc/pull/30592",
        every_s=QUARTER,
        values=(13423.7, 0.0, 13423.7),
        config=RegisterConfig(),
        total=0.0,
        incidents=("transient",),
    ),
    "evcc_zero_that_lasts_is_never_paid_back": Seen(
        source="https://github.com/evcc-io/evcc/pull/30592",
        every_s=QUARTER,
        values=(13423.5, 13423.7, 0.0, 0.0, 0.0, 0.0, 13423.7, 13424.0),
        config=RegisterConfig(max_rate_per_h=5.0),
        total=0.2 + 0.3,
        incidents=("reset", "jump"),
    ),
    "sem_lifetime_counter_became_todays_energy": Seen(
        source="https://github.com/traktore-org/sem-community/issues/782",
        values=(0.0, 0.0, 15508.51, 15509.01, 15509.51),
        config=RegisterConfig(max_rate_per_h=100.0),
        total=1.0,
        incidents=("jump",),
    ),
    "homematic_23_bit_counter_rolls_over": Seen(
        source="https://github.com/DrozmotiX/ioBroker.sourceanalytix/issues/594",
        at_s=HM_TIMES,
        values=HM_VALUES,
        config=RegisterConfig(modulus=2**23 / 10, max_rate_per_h=10_000.0),
        total=838860.8 - 838671.1 + 23.4,
        incidents=("rollover",),
    ),
    "homematic_rollover_without_max_rate": Seen(
        source="https://github.com/DrozmotiX/ioBroker.sourceanalytix/issues/594",
        at_s=HM_TIMES,
        values=HM_VALUES,
        config=RegisterConfig(modulus=2**23 / 10),
        total=838860.8 - 838671.1 + 23.4,
        incidents=("rollover",),
    ),
    "solax_16_bit_counter_rolls_over": Seen(
        source="https://github.com/simatec/ioBroker.solax/issues/171",
        values=(653.10, 654.60, 0.75, 2.25),
        config=RegisterConfig(modulus=655.36, max_rate_per_h=15.0),
        total=655.36 - 653.10 + 2.25,
        incidents=("rollover",),
    ),
    "replaced_meter_does_not_begin_at_zero": Seen(
        source="https://github.com/iobroker-community-adapters/ioBroker.statistics/issues/264",
        values=(4820.3, 4820.6, 4.1, 4.4, 4.7),
        config=RegisterConfig(max_rate_per_h=20.0),
        total=0.3 + 0.3 + 0.3,
        incidents=("reset",),
    ),
    "replaced_meter_declared_counts_from_its_start": Seen(
        source="https://github.com/iobroker-community-adapters/ioBroker.statistics/issues/264",
        values=(4820.3, 4820.6, 4.1, 4.4, 4.7),
        config=RegisterConfig(
            max_rate_per_h=20.0,
            epochs=(Epoch(from_us=5_400_000_000, start=3.9, reason="replacement"),),
        ),
        total=0.3 + (4.7 - 3.9),
        incidents=("replacement",),
    ),
    "camera_misreads_a_digit": Seen(
        source="https://github.com/iobroker-community-adapters/ioBroker.statistics/issues/90",
        values=(217.330, 217.334, 227.367, 217.340),
        config=RegisterConfig(max_rate_per_h=2.5),
        total=0.010,
        incidents=("transient",),
    ),
    "thingsboard_deltas_add_up_to_the_counter": Seen(
        source="https://github.com/thingsboard/thingsboard/issues/15553",
        every_s=8 * HOUR,
        values=(40254.93, 41000.5, 42312.07, 43783.48),
        config=RegisterConfig(max_rate_per_h=500.0),
        total=3528.55,
    ),
    "thingsboard_constant_counter_over_midnight": Seen(
        source="https://github.com/thingsboard/thingsboard/issues/15553",
        every_s=1.0,
        values=(90360.41, 90360.41, 90360.41),
        config=RegisterConfig(max_rate_per_h=500.0),
        total=0.0,
    ),
    "home_assistant_threw_away_the_first_value_after_a_reset": Seen(
        source="https://github.com/home-assistant/core/pull/176730",
        values=(99.0, 99.8, 0.6, 1.4),
        config=RegisterConfig(max_rate_per_h=5.0),
        total=0.8 + 0.6 + 0.8,
        incidents=("reset",),
    ),
    "carrier_resets_on_the_first_of_january": Seen(
        source="https://github.com/dahlb/ha_carrier/pull/326",
        every_s=24 * HOUR,
        values=(5210.0, 5222.0, 0.0, 11.0, 25.0),
        config=RegisterConfig(max_rate_per_h=10.0),
        total=12.0 + 25.0,
        incidents=("reset",),
    ),
    "timescale_toolkit_small_dip": Seen(
        source="https://github.com/timescale/timescaledb-toolkit/issues/841",
        every_s=600.0,
        values=(3598.0, 3598.2, 3598.3, 3598.2, 3598.4, 3598.5),
        config=RegisterConfig(max_rate_per_h=10.0),
        total=0.5,
        incidents=("transient",),
    ),
    "home_assistant_register_now_rounded_now_exact": Seen(
        source="https://github.com/home-assistant/core/issues/76973",
        every_s=60.0,
        values=NOW_ROUNDED_NOW_EXACT,
        config=RegisterConfig(max_rate_per_h=10.0),
        total=2.40,
        incidents=tuple(
            {"j": "jitter", "t": "transient"}[kind] for kind in "jjttjtjjttjttjtjjttjtjjt"
        ),
    ),
    "a_rounded_stretch_longer_than_any_look_around": Seen(
        source="https://github.com/home-assistant/core/issues/76973",
        every_s=10.0,
        values=(*(3630.04,) * 9, *(3630.1,) * 30, *(3630.06,) * 30, *(3630.1,) * 30, 3630.13),
        config=RegisterConfig(max_rate_per_h=100.0),
        total=0.09,
        incidents=("jitter",),
    ),
    "a_digit_that_flutters_on_its_edge": Seen(
        source="https://github.com/home-assistant/core/issues/76973",
        every_s=10.0,
        values=((120.3,) * 7 + (120.4,) * 7) * 20 + (120.5,),
        config=RegisterConfig(),
        total=0.2,
        incidents=("jitter",) * 19,
    ),
    "two_gateways_of_which_one_lags": Seen(
        source="https://github.com/home-assistant/core/issues/76973",
        every_s=60.0,
        values=(100.0, 100.05, 99.8, 99.85, 100.1, 100.15, 99.9, 99.95, 100.2, 100.25),
        config=RegisterConfig(max_rate_per_h=20.0),
        total=0.25,
        incidents=("jitter", "jitter"),
    ),
    "float_noise_in_the_eighth_place": Seen(
        source="a sum kept in binary by the device",
        every_s=QUARTER,
        values=(100.0, 100.1, 100.09999999, 100.2, 100.19999998, 100.3),
        config=RegisterConfig(max_rate_per_h=50.0),
        total=0.3,
        incidents=("transient", "transient"),
    ),
    "ahoy_total_falls_back_to_an_older_value": Seen(
        source="https://github.com/lumapu/ahoy/issues/1750",
        every_s=QUARTER,
        values=(283170.0, 283177.0, 218772.0, 218790.0),
        config=RegisterConfig(max_rate_per_h=350.0),
        total=7.0 + 18.0,
        incidents=("reset",),
    ),
    "tasmota_total_set_by_command": Seen(
        source="https://github.com/arendst/Tasmota/issues/1811",
        every_s=300.0,
        values=(183.354, 183.360, 181.522, 181.528),
        config=RegisterConfig(max_rate_per_h=3.0),
        total=0.012,
        incidents=("reset",),
    ),
}


@pytest.mark.incident
@pytest.mark.parametrize("seen", INCIDENTS.values(), ids=INCIDENTS.keys())
def test_incident(seen: Seen) -> None:
    at_s = seen.at_s or tuple(i * seen.every_s for i in range(len(seen.values)))
    ts_us = np.array([round(each * 1e6) for each in at_s], dtype=np.int64)
    result = steps(ts_us, np.array(seen.values), seen.config)
    assert result.amount.sum() == pytest.approx(seen.total, abs=1e-9)
    assert tuple(each.kind for each in result.incidents) == seen.incidents
    assert (result.amount >= 0).all() or "jitter" in seen.incidents
    assert result.unconfirmed == ()
