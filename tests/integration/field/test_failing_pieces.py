"""A piece that fails in ingest holds up nobody else, and is never tried for ever."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.core.store.readings import replays
from services.ingest import resolve
from services.ingest.decode import native
from tests.integration.field.bench import FieldBench

_FILE = """
facility: {{id: {0}, name: Works, timezone: UTC}}
devices:
  - id: {0}-a
    channels: [{{id: e, quantity: energy, unit: kWh, kind: counter}}]
  - id: {0}-b
    topic: plant/{0}/b
    format: json
    timestamp: {{from: t}}
    channels: [{{id: e, from: e, quantity: energy, unit: kWh, kind: counter}}]
"""
_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _native(facility: str, k: int) -> tuple[str, str]:
    ts = (_NOW - timedelta(seconds=2000 - k)).isoformat()
    topic = f"emissions/{facility}/{facility}-a/readings"
    return topic, json.dumps({"ts": ts, "values": {"e": k}})


@pytest.mark.parametrize("error", [MemoryError, RecursionError, OverflowError, UnicodeError])
def test_a_decoder_that_fails_unexpectedly_costs_its_own_message(
    field: FieldBench, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    real = native.Native.decode

    def decode(self: native.Native, payload: bytes, received_us: int) -> Any:
        if b"13" in payload.partition(b"values")[2]:
            raise error("planted")
        return real(self, payload, received_us)

    monkeypatch.setattr(native.Native, "decode", decode)
    field.apply(_FILE.format("works"))
    field.deliver([_native("works", k) for k in (12, 13, 14)], at=_NOW)
    assert [value for _, value, _ in field.readings("works-a.e")] == [12, 14]
    (entry,) = field.quarantine()
    assert (entry["reason"], entry["facility"], entry["device"]) == (
        "decoder_failed",
        "works",
        "works-a",
    )
    assert json.loads(bytes(entry["payload"]))["values"] == {"e": 13}


def test_a_format_that_cannot_be_set_up_silences_its_own_device_alone(
    field: FieldBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = resolve.decoder_for

    def decoder_for(format_: str, *rest: Any, **options: Any) -> Any:
        if format_ == "json":
            raise KeyError("planted")
        return real(format_, *rest, **options)

    monkeypatch.setattr(resolve, "decoder_for", decoder_for)
    field.apply(_FILE.format("works"))
    payload = json.dumps({"t": _NOW.isoformat(), "e": 7})
    field.deliver([("plant/works/b", payload), _native("works", 1)], at=_NOW)
    assert [value for _, value, _ in field.readings("works-a.e")] == [1]
    (entry,) = field.quarantine()
    assert (entry["reason"], entry["device"]) == ("unsupported_format", "works-b")


def test_a_batch_that_takes_longer_than_the_database_allows_is_stored_in_parts(
    field: FieldBench,
) -> None:
    """A row takes 2 ms and a statement may take 400 ms: a batch of 1000 never gets through."""
    field.apply(_FILE.format("works"))
    field.connection.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$"
    )
    field.connection.execute(
        "CREATE TRIGGER slow BEFORE INSERT ON reading FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    name = field.rows("SELECT current_database() AS name")[0]["name"]
    field.connection.execute(f'ALTER DATABASE "{name}" SET statement_timeout = 400'.encode())
    outcome = field.deliver([_native("works", k) for k in range(1000)], at=_NOW)
    assert outcome.stored == 1000
    assert [value for _, value, _ in field.readings("works-a.e")] == list(range(1000))
    assert field.quarantine() == []


def test_a_device_whose_rows_cannot_be_used_silences_itself_alone(field: FieldBench) -> None:
    field.apply(_FILE.format("works"))
    field.connection.execute(
        'UPDATE channel c SET spec = c.spec || \'{"corrections": "never heard of"}\''
        " FROM device d WHERE d.id = c.device_id AND d.slug = 'works-b'"
    )
    field.connection.execute("UPDATE registry_revision SET revision = revision + 1")
    payload = json.dumps({"t": _NOW.isoformat(), "e": 7})
    field.deliver([("plant/works/b", payload), _native("works", 1)], at=_NOW)
    assert [value for _, value, _ in field.readings("works-a.e")] == [1]
    (entry,) = field.quarantine()
    assert (entry["reason"], entry["device"]) == ("unsupported_format", "works-b")
    assert "apply the file again" in entry["detail"]
    field.apply(_FILE.format("works").replace("Works", "The works"))
    field.connection.execute("UPDATE channel SET spec = spec - 'corrections'")
    field.connection.execute("UPDATE registry_revision SET revision = revision + 1")
    assert field.replay().restored == 1
    assert [value for _, value, _ in field.readings("works-b.e")] == [7]


def test_an_entry_that_cannot_be_replayed_stays_and_the_others_are_restored(
    field: FieldBench,
) -> None:
    later = _FILE.format("works").replace("works-a", "works-c")
    field.apply(_FILE.format("works"))
    messages = [_native("works", k) for k in range(20)]
    field.deliver([(t.replace("works-a", "works-c"), p) for t, p in messages], at=_NOW)
    assert len(field.quarantine()) == 20
    field.connection.execute(
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'planted failure'; END $$"
    )
    poisoned = field.quarantine()[13]["id"]
    field.connection.execute(
        "CREATE TRIGGER planted BEFORE UPDATE OF state ON quarantine FOR EACH ROW"
        f" WHEN (OLD.id = {poisoned}) EXECUTE FUNCTION planted()"
    )
    field.apply(later)
    request = field.replay()
    assert (request.tried, request.restored, request.refused) == (20, 19, {"unknown_device": 1})
    assert request.finished_at is not None
    (left,) = [entry for entry in field.quarantine() if entry["state"] == "open"]
    assert left["id"] == poisoned
    assert "planted failure" in left["detail"]
    # what had failed is mended: asked for again, it is settled
    field.connection.execute("DROP TRIGGER planted ON quarantine")
    assert field.replay().restored == 1


def test_a_replay_whose_entries_cannot_be_read_is_given_up_and_ingest_goes_on(
    field: FieldBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise ValueError("planted")

    field.apply(_FILE.format("works"))
    field.deliver([("emissions/works/works-z/readings", "{}")], at=_NOW)
    monkeypatch.setattr(replays, "next_entries", refused)
    request = field.replay()
    assert (request.tried, request.finished_at is not None) == (0, True)
    assert [entry["state"] for entry in field.quarantine()] == ["open"]
