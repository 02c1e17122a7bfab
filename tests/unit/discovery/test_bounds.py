"""Discovery costs what it may cost: messages in a while, candidates, and bytes that wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.core.facility.discovery.observing import Observed, observe
from services.core.store.candidates.notes import MAX_BYTES, MAX_MESSAGES, CandidateMessage
from services.ingest.discovery.budget import Budget
from services.ingest.discovery.notebook import Notebook

NOW = datetime(2026, 11, 29, 21, tzinfo=UTC)


def test_a_budget_is_saved_up_spent_and_rests_until_half_of_it_is_there_again() -> None:
    now = [0.0]
    budget = Budget(10, seconds=6, monotonic=lambda: now[0])
    budget.spend(59)
    assert not budget.rests
    budget.spend(11)
    assert budget.rests
    now[0] = 3.9
    assert budget.rests
    now[0] = 4.0
    assert not budget.rests
    now[0] = 1000.0
    budget.spend(60)
    assert budget.rests


def observed(topic: str, payload: bytes) -> Observed:
    found = observe(topic, payload, NOW.timestamp())
    assert found is not None
    return found


def hear(
    notebook: Notebook, topic: str, payload: bytes, *, at: datetime = NOW, stored: bool = True
) -> bool:
    message = CandidateMessage(topic=topic, payload=payload, received_at=at) if stored else None
    return notebook.take(observed(topic, payload), topic, at, message=message)


def keys(notebook: Notebook) -> list[str]:
    return [page.note.key for page in notebook.open_pages]


def test_what_counts_takes_the_place_of_what_does_not() -> None:
    notebook = Notebook(limit=2)
    assert hear(notebook, "a/lamp", b'{"brightness": 5}')
    assert hear(notebook, "b/lamp", b'{"brightness": 5}')
    assert not hear(notebook, "c/lamp", b'{"brightness": 5}')
    assert hear(notebook, "d/meter", b'{"energy_kwh": 5}')
    assert keys(notebook) == ["other:b/lamp", "other:d/meter"]
    assert notebook.evicted == {"other:a/lamp"}


def test_of_the_same_worth_the_silent_one_makes_room() -> None:
    notebook = Notebook(limit=1)
    assert hear(notebook, "a/meter", b'{"energy_kwh": 5}')
    later = NOW + timedelta(minutes=59)
    assert not hear(notebook, "b/meter", b'{"energy_kwh": 5}', at=later)
    assert hear(notebook, "b/meter", b'{"energy_kwh": 5}', at=NOW + timedelta(minutes=61))
    assert keys(notebook) == ["other:b/meter"]


def test_what_waits_to_be_stored_is_bounded_by_number_and_bytes() -> None:
    notebook = Notebook(limit=10)
    for i in range(MAX_MESSAGES + 7):
        hear(notebook, "a/energy_kwh", str(i).encode())
    (page,) = notebook.open_pages
    assert len(page.waiting) == MAX_MESSAGES
    assert page.waiting[0].payload == b"7"
    large = b'{"energy_kwh": 1, "text": "%s"}' % (b"x" * 16_000)
    for _ in range(30):
        hear(notebook, "a/energy_kwh", large)
    assert page.waiting_bytes <= MAX_BYTES
    notebook.saved(page)
    assert (page.waiting_bytes, len(page.waiting), notebook.unsaved()) == (0, 0, [])


def test_what_cannot_count_is_not_stored() -> None:
    notebook = Notebook(limit=10)
    hear(notebook, "a/lamp", b'{"brightness": 5}')
    assert notebook.unsaved() == []
    hear(notebook, "a/lamp", b'{"brightness": 6}')
    # it rises, and may be a register for all that is known
    assert [page.note.worth for page in notebook.unsaved()] == [1]


def test_a_device_is_announced_after_it_was_heard() -> None:
    notebook = Notebook(limit=10)
    hear(notebook, "wb/state", b'{"e": 5}')
    config = b'{"stat_t": "wb/state", "val_tpl": "{{ value_json.e }}", "unit_of_meas": "kWh",'
    config += b' "dev": {"ids": "17", "name": "Wallbox"}, "stat_cla": "total_increasing"}'
    hear(notebook, "homeassistant/sensor/17/config", config, stored=False)
    assert keys(notebook) == ["other:wb/state"]
    (page,) = notebook.open_pages
    assert page.note.worth == 2


def test_a_dismissed_device_is_not_learned_from() -> None:
    notebook = Notebook(limit=10)
    hear(notebook, "a/meter", b'{"energy_kwh": 5}')
    (page,) = notebook.open_pages
    notebook.saved(page)
    page.note.state = "dismissed"
    assert hear(notebook, "a/meter", b'{"energy_kwh": 6}')
    assert (page.note.messages, len(page.waiting)) == (1, 0)
    assert notebook.open_pages == []
