"""`tonne apply`: idempotent, all or nothing, nothing forgotten."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from services.core.facility.errors import ApplyError
from tests.command import tonne
from tests.integration.aggregator.plant import FILE, apply_text
from tests.services import as_login

OTHER = FILE.replace("id: works, name", "id: other, name")


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(sql).fetchall()


def test_applying_again_changes_nothing(database_url: str) -> None:
    assert "+ source stack" in apply_text(database_url)
    revision = rows(database_url, "SELECT revision FROM registry_revision")
    assert apply_text(database_url) == []
    assert rows(database_url, "SELECT revision FROM registry_revision") == revision


def test_a_path_is_among_the_changes(database_url: str) -> None:
    base = "base: {year: 2020, tonnes: 9}"
    one = f"  - {{scope: 1, {base}, policy: sbti-1.5c-2019}}\n"
    two = f"  - {{scope: 2, {base}, policy: contraction, rate: 5}}\n"
    apply_text(database_url)

    def changes(*paths: str) -> list[str]:
        return apply_text(database_url, FILE + "pathway:\n" + "".join(paths) if paths else FILE)

    assert changes(one) == ["+ path of scope 1: sbti-1.5c-2019"]
    assert changes(one) == []
    assert changes(one.replace("1.5c", "wb2c"), two) == [
        "~ path of scope 1: sbti-wb2c-2019",
        "+ path of scope 2: contraction",
    ]
    assert changes(two.replace("rate: 5", "rate: 6")) == [
        "~ path of scope 2: contraction",
        "- path of scope 1",
    ]
    assert changes() == ["- path of scope 2"]


def test_facilities_name_their_devices_apart_from_each_other(database_url: str) -> None:
    apply_text(database_url)
    assert "+ device meter" in apply_text(database_url, OTHER)
    # each file changes its own device alone
    apply_text(database_url, OTHER.replace("max_rate: 1000", "max_rate: 2000"))
    apply_text(
        database_url, OTHER.replace("id: cems\n", "id: stack-gas\n").replace("cems.", "stack-gas.")
    )
    found = rows(
        database_url,
        "SELECT f.slug, d.slug, d.active, c.spec ->> 'max_rate' FROM device d"
        " JOIN facility f ON f.id = d.facility_id"
        " LEFT JOIN channel c ON c.device_id = d.id AND c.slug = 'energy' ORDER BY 1, 2",
    )
    assert found == [
        ("other", "cems", False, None),
        ("other", "meter", True, "1000.0"),
        ("other", "stack-gas", True, None),
        ("works", "cems", True, None),
        ("works", "meter", True, "1000.0"),
    ]
    inputs = rows(
        database_url,
        "SELECT count(*) FROM source_input i JOIN source s ON s.id = i.source_id"
        " JOIN channel c ON c.id = i.channel_id JOIN device d ON d.id = c.device_id"
        " WHERE d.facility_id <> s.facility_id",
    )
    assert inputs == [(0,)]


def test_a_channel_with_readings_keeps_its_unit(database_url: str) -> None:
    apply_text(database_url)
    changed = FILE.replace("unit: kW, kind: gauge", "unit: MW, kind: gauge")
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
            " SELECT id, now(), 1, 0, now(), 0 FROM channel WHERE slug = 'power'"
        )
    with pytest.raises(ApplyError, match="an id of its own"):
        apply_text(database_url, changed)


def test_what_a_file_no_longer_names_is_switched_off_and_kept(database_url: str) -> None:
    apply_text(database_url)
    without = FILE[: FILE.index("  - id: stack\n")]
    assert apply_text(database_url, without) == ["- source stack"]
    assert rows(database_url, "SELECT active FROM source WHERE slug = 'stack'") == [(False,)]
    assert "~ source stack" in apply_text(database_url)


def test_a_corrected_factor_keeps_what_was_known(database_url: str) -> None:
    apply_text(database_url)
    apply_text(database_url, FILE.replace("co2_kg: 0.2,", "co2_kg: 0.3,"))
    found = rows(
        database_url,
        "SELECT co2_kg, known_to IS NULL FROM factor WHERE slug = 'f' ORDER BY id",
    )
    assert found == [(0.25, True), (0.2, False), (0.3, True)]


def test_every_configuration_of_a_source_is_kept(database_url: str) -> None:
    apply_text(database_url)
    apply_text(
        database_url,
        FILE.replace(
            "method: activity, input: meter.power",
            "lateness: 1h, method: activity, input: meter.power",
        ),
    )
    found = rows(
        database_url,
        "SELECT (r.spec->>'lateness')::float"
        " FROM source_revision r JOIN source s ON s.id = source_id"
        " WHERE slug = 'by-gauge' ORDER BY known_at",
    )
    assert found == [(900.0,), (3600.0,)]


def test_the_command_prints_every_error_with_file_and_line(
    database_url: str, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(FILE)
    bad.write_text(FILE.replace("unit: kW,", "unit: kWx,").replace("equation: F-11", "equation: X"))
    (wrong,) = [line for line in bad.read_text().splitlines() if "kWx" in line]
    done = tonne(as_login(database_url, "tonne_admin"), "apply", good, bad)
    assert done.code == 1
    line = bad.read_text().splitlines().index(wrong) + 1
    assert f"{bad}:{line}: " in done.stderr
    assert "nothing was applied" in done.stderr
    assert rows(database_url, "SELECT 1 FROM facility") == []


def test_without_a_database_the_command_says_so_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "works.yaml"
    file.write_text(FILE)
    done = tonne("postgresql://x:secret@127.0.0.1:9/x", "apply", file)
    assert done.code == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "the database cannot be used" in done.stderr
    assert "secret" not in done.stderr
