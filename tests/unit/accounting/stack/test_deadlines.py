"""Deadlines of audits by 40 CFR 75 App. B, in quarters and operating hours of made-up units."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from services.core.accounting.stack.audits import Audit, of_runs
from services.core.accounting.stack.deadlines import OperatingHours, Term, terms
from services.core.accounting.stack.linearity import GasTest
from services.core.accounting.stack.qa import Monitor, Run

UTC_ZONE = ZoneInfo("UTC")
ALWAYS = OperatingHours()


def hour(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) // 3600


def audit_at(
    text: str, gas_test: GasTest | None = None, *, annual: bool = False, passed: bool = True
) -> Audit:
    at = hour(text) * 3_600_000_000
    return Audit(ts_us=at, passed=passed, gas_test=gas_test, annual=annual)


def linearity(text: str, *, passed: bool = True) -> Audit:
    return audit_at(text, GasTest.LINEARITY, passed=passed)


def idle_but(first: str, end: str, hours: int) -> set[int]:
    """Return the hours from `first` to before `end`, but the first `hours` of them."""
    return set(range(hour(first) + hours, hour(end)))


def term(*audits: Audit, idle: set[int] | None = None, zone: ZoneInfo = UTC_ZONE) -> Term:
    """Return the last term."""
    return terms(audits, operating=OperatingHours.but(idle or set()), zone=zone)[-1]


def test_a_linearity_check_vouches_until_the_end_of_the_next_quarter_and_168_hours() -> None:
    found = term(linearity("2026-02-10T09:00"))
    assert found.grace_from == hour("2026-07-01T00:00")
    assert found.expires == hour("2026-07-08T00:00")
    assert found.says(hour("2026-06-30T23:00")) == ""
    assert "IC-Grace" in found.says(hour("2026-07-07T23:00"))
    assert found.says(hour("2026-07-08T00:00")) == (
        "linearity check expired: it was due before 2026-07-01T00:00Z, where its grace period of"
        " 168 operating hours began (OOC-Expired)"
    )
    out = found.out_of_control
    assert out is not None
    assert (out.from_us, out.to_us) == (found.expires * 3_600_000_000, None)


def test_grace_counts_operating_hours_only() -> None:
    standstill = set(range(hour("2026-07-03T00:00"), hour("2026-07-13T00:00")))
    found = term(linearity("2026-02-10T09:00"), idle=standstill)
    assert found.expires == hour("2026-07-18T00:00")
    # the 169th hour of operation is the first without a test, not the standstill before it
    ends_idle = set(range(hour("2026-07-08T00:00"), hour("2026-07-09T00:00")))
    assert term(linearity("2026-02-10T09:00"), idle=ends_idle).expires == hour("2026-07-09T00:00")


@pytest.mark.parametrize(("ran", "grace_from"), [(168, "2026-07-01"), (167, "2026-10-01")])
def test_a_quarter_with_fewer_than_168_operating_hours_needs_no_linearity_check(
    ran: int, grace_from: str
) -> None:
    idle = idle_but("2026-04-01", "2026-07-01", ran)
    assert term(linearity("2026-02-10T09:00"), idle=idle).grace_from == hour(grace_from)


def test_a_linearity_check_vouches_for_four_quarters_at_most() -> None:
    idle = idle_but("2026-04-01", "2028-01-01", 0)
    assert term(linearity("2026-02-10T09:00"), idle=idle).grace_from == hour("2027-04-01")


def test_a_linearity_check_made_in_grace_is_that_of_the_quarter_before() -> None:
    late = term(linearity("2026-02-10T09:00"), linearity("2026-07-05T09:00"))
    assert late.grace_from == hour("2026-10-01")
    after_it = term(linearity("2026-02-10T09:00"), linearity("2026-07-20T09:00"))
    assert after_it.grace_from == hour("2027-01-01")


def test_what_expired_is_out_of_control_until_the_next_passed_test() -> None:
    first = terms(
        [
            linearity("2026-02-10T09:00"),
            linearity("2026-07-20T09:00", passed=False),
            linearity("2026-07-21T09:00"),
        ],
        operating=ALWAYS,
        zone=UTC_ZONE,
    )[0]
    out = first.out_of_control
    assert out is not None
    assert out.from_us == hour("2026-07-08T00:00") * 3_600_000_000
    assert out.to_us == hour("2026-07-21T09:00") * 3_600_000_000
    assert first.says(hour("2026-07-21T08:00"))
    assert first.says(hour("2026-07-21T09:00")) == ""


@pytest.mark.parametrize(
    ("annual", "grace_from", "expires"),
    [(False, "2026-10-01", "2026-10-31"), (True, "2027-04-01", "2027-05-01")],
)
def test_a_rata_is_due_after_two_quarters_or_four_with_720_hours_of_grace(
    annual: bool, grace_from: str, expires: str
) -> None:
    found = term(audit_at("2026-02-10T09:00", annual=annual))
    assert (found.grace_from, found.expires) == (hour(grace_from), hour(expires))


def test_quarters_that_do_not_count_move_a_rata_to_eight_quarters_at_most() -> None:
    one = idle_but("2026-04-01", "2026-07-01", 167)
    assert term(audit_at("2026-02-10T09:00"), idle=one).grace_from == hour("2027-01-01")
    rest = idle_but("2026-04-01", "2030-01-01", 0)
    assert term(audit_at("2026-02-10T09:00"), idle=rest).grace_from == hour("2028-04-01")


def test_a_rata_made_in_grace_is_due_a_quarter_earlier_where_it_is_annual() -> None:
    first = audit_at("2026-02-10T09:00")
    annual = term(first, audit_at("2026-10-15T09:00", annual=True))
    assert annual.grace_from == hour("2027-10-01")
    assert term(first, audit_at("2026-10-15T09:00")).grace_from == hour("2027-07-01")


def test_quarters_begin_in_standard_time() -> None:
    new_york = ZoneInfo("America/New_York")
    found = term(linearity("2026-02-10T09:00"), zone=new_york)
    assert found.grace_from == hour("2026-07-01T05:00")
    # the last hour of a quarter in standard time
    assert term(linearity("2026-04-01T04:00"), zone=new_york).grace_from == hour("2026-07-01T05:00")
    assert term(linearity("2026-04-01T05:00"), zone=new_york).grace_from == hour("2026-10-01T05:00")


def test_kinds_have_deadlines_of_their_own_and_one_without_a_passed_test_none() -> None:
    found = terms(
        [
            audit_at("2026-02-10T09:00"),
            linearity("2026-02-11T09:00", passed=False),
            audit_at("2026-02-12T09:00", GasTest.CYLINDER_GAS_AUDIT),
        ],
        operating=ALWAYS,
        zone=UTC_ZONE,
    )
    assert [one.kind for one in found] == ["rata"]
    gas = term(audit_at("2026-02-12T09:00", GasTest.CYLINDER_GAS_AUDIT))
    assert (gas.grace_from, gas.expires) == (hour("2026-07-01"), hour("2026-07-08"))


@pytest.mark.parametrize(
    ("monitor", "reference", "measured", "annual"),
    [
        # relative accuracy 7.5 %: of a flow the mean difference is no other way
        (Monitor.FLOW, "1000000", "925000", True),
        (Monitor.FLOW, "1000000", "924000", False),
        # 8.0 %, by a mean difference of 0.7 %; 8.9 %, 0.8 %
        (Monitor.CO2, "9.0", "8.3", True),
        (Monitor.CO2, "9.0", "8.2", False),
        (Monitor.MOISTURE, "10.0", "9.0", True),
        (Monitor.MOISTURE, "12.0", "10.9", False),
    ],
)
def test_the_accuracy_reached_decides_between_one_and_two_ratas_a_year(
    monitor: Monitor, reference: str, measured: str, annual: bool
) -> None:
    runs = [Run(reference=Decimal(reference), monitor=Decimal(measured))] * 9
    audit = of_runs(monitor, ts_us=0, runs=runs)
    assert audit.passed
    assert audit.annual is annual
