from __future__ import annotations

from datetime import UTC, datetime

from services.core.store.readings.quarantine import QuarantineEntry, Usage
from services.ingest.quarantine.allowance import Allowance, Limits


def entry(device: str | None, payload: bytes = b"x") -> QuarantineEntry:
    return QuarantineEntry(
        received_at=datetime.now(UTC),
        reason="bad_value",
        detail="",
        topic="t",
        payload=payload,
        facility="linz",
        device=device,
    )


def kept(allowance: Allowance, entries: list[QuarantineEntry]) -> int:
    admission = allowance.admit(entries)
    assert len(admission.admitted) + admission.shed == len(entries)
    allowance.count(admission.admitted)
    return len(admission.admitted)


def test_a_device_has_room_for_so_many_entries_and_others_keep_theirs() -> None:
    allowance = Allowance(Limits(device_entries=3))
    assert kept(allowance, [entry("mad")] * 2) == 2
    assert kept(allowance, [entry("mad")] * 5 + [entry("sane")]) == 2
    assert kept(allowance, [entry("mad")]) == 0
    assert kept(allowance, [entry("sane")]) == 1


def test_a_device_has_room_for_so_many_bytes() -> None:
    allowance = Allowance(Limits(device_bytes=10))
    assert kept(allowance, [entry("mad", bytes(6)), entry("mad", bytes(6))]) == 1
    assert kept(allowance, [entry("mad", bytes(4))]) == 1
    assert kept(allowance, [entry("mad", bytes(1))]) == 0


def test_all_devices_together_have_their_limits() -> None:
    by_number = Allowance(Limits(all_entries=3))
    assert kept(by_number, [entry(f"d{i}") for i in range(9)]) == 3
    by_size = Allowance(Limits(all_bytes=10))
    assert kept(by_size, [entry(f"d{i}", bytes(4)) for i in range(9)]) == 2


def test_the_database_knows_better_what_is_open() -> None:
    allowance = Allowance(Limits(device_entries=3))
    assert kept(allowance, [entry("mad")] * 9) == 3
    allowance.learn([Usage(facility="linz", device="mad", entries=1, payload_bytes=1)])
    assert not allowance.due
    assert kept(allowance, [entry("mad")] * 9) == 2


def test_what_was_chosen_and_not_stored_takes_no_room() -> None:
    allowance = Allowance(Limits(device_entries=3))
    assert allowance.admit([entry("mad")] * 9).shed == 6
    assert kept(allowance, [entry("mad")] * 9) == 3
