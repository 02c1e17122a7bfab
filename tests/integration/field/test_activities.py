"""Bills, journeys and purchases from a file: spread over their days, once by id, by category."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from openpyxl import Workbook
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from services.api.app import create_app
from services.core.facility.file import FacilityFileError, parse
from services.core.runtime.clock import SystemClock
from services.core.runtime.settings import Settings
from tests.command import Ended, tonne
from tests.integration.api.server import serving
from tests.integration.field.bench import FieldBench
from tests.patience import PATIENCE_S
from tests.services import Postgres, as_login

_FILE = """
facility: {id: office, name: Office, timezone: Europe/Vienna}
devices:
  - id: books
    channels:
      - {id: heat, quantity: energy, unit: kWh, kind: event, since: 2026-01-01, range: [0, 9000]}
      - {id: flights, quantity: passenger_distance, unit: pkm, kind: event, since: 2026-01-01,
         range: [0, 1e6]}
      - {id: laptops, quantity: money, unit: EUR, kind: event, since: 2026-01-01, range: [0, 1e6]}
      - {id: power, quantity: power, unit: kW, kind: gauge, max_gap: 120}
factors:
  - {id: heat, unit: kWh, co2_kg: 0.2, citation: supplier}
  - {id: flight, unit: pkm, co2_kg: 0.1, citation: airline}
  - {id: electronics, unit: EUR, co2_kg: 0.3, data_year: 2022, citation: input-output table}
sources:
  - {id: heating, scope: 2, method: activity, input: books.heat, factor: heat}
  - {id: flights, scope: 3, scope3_category: 6, method: activity, input: books.flights,
     factor: flight, evidence: metered}
  - {id: laptops, scope: 3, scope3_category: 1, method: activity, input: books.laptops,
     factor: electronics}
"""
_BILLS = """id,channel,from,to,amount,unit,document
B-1,books.heat,2026-02-01,2026-03-01,2.8,MWh,https://example.org/b-1.pdf
F-1,books.flights,2026-02-03,,1000,passenger-km,ticket
F-2,books.flights,2026-02-03,,500,,ticket
L-1,books.laptops,2026-02-10,,2000,EUR,invoice 77
"""
_NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def office(field: FieldBench) -> FieldBench:
    field.apply(_FILE)
    return field


def imported(office: FieldBench, folder: Path, text: str, *words: str) -> Ended:
    path = folder / "bills.csv"
    path.write_text(text)
    # as the command itself takes it at the local stack
    login = conninfo_to_dict(Settings().of_process("activities").database)["user"]
    url = as_login(office.url, str(login))
    return tonne(url, "activities", "import", path, "--facility", "office", *words)


async def test_bills_count_by_day_category_and_evidence_and_once(
    office: FieldBench, tmp_path: Path
) -> None:
    tried = imported(office, tmp_path, _BILLS, "--dry-run")
    assert (tried.code, "would store 4 activity amounts, 0 there" in tried.said) == (0, True)
    assert office.rows("SELECT 1 FROM activity_entry UNION ALL SELECT 1 FROM reading") == []
    first = imported(office, tmp_path, _BILLS)
    assert (first.code, "stored 4 activity amounts, 0 there" in first.said) == (0, True)
    again = imported(office, tmp_path, _BILLS)
    assert "stored 0 activity amounts, 4 there already" in again.said
    office.settle(_NOW)
    settings = Settings(database_url=SecretStr(as_login(office.url, "tonne_api")), api_auth="off")
    app = create_app(settings, clock=SystemClock(), health_holds_s=0)
    month = {"facility": "office", "from": "2026-01-31T23:00Z", "to": "2026-02-28T23:00Z"}
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):

        async def rows(interval: str, by: str) -> list[dict[str, object]]:
            answer = await client.get(
                "/v1/emissions", params={**month, "interval": interval, "group_by": by}
            )
            found: list[dict[str, object]] = answer.raise_for_status().json()
            return found

        (whole,) = await rows("1mo", "facility")
        assert whole["co2_kg"] == pytest.approx(560 + 150 + 600)
        assert whole["evidence_metered"] == pytest.approx(150 / 1310, abs=1e-6)
        assert whole["evidence_billed"] == pytest.approx(560 / 1310, abs=1e-6)
        assert whole["evidence_estimated"] == pytest.approx(600 / 1310, abs=1e-6)
        by_category = await rows("1mo", "category")
        assert {row["scope3_category"]: row["co2_kg"] for row in by_category} == {
            1: pytest.approx(600),
            6: pytest.approx(150),
            None: pytest.approx(560),
        }
        by_day = [row for row in await rows("1d", "none") if row["source"] == "heating"]
        # 28 days of 100 kWh each
        assert [row["co2_kg"] for row in by_day] == pytest.approx([20.0] * 28)
        explained = await client.get(
            "/v1/explain",
            params={"facility": "office", "source": "laptops", "hour": "2026-02-09T23:00:00Z"},
        )
        assert "spend-based: EUR in prices of 2022" in explained.raise_for_status().text
    listed = tonne(as_login(office.url, "tonne_admin"), "activities", "list", "--json")
    assert "https://example.org/b-1.pdf" in listed.stdout


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("B-1,books.heat,2026-02-01,2026-03-01,2.9,MWh,", "'B-1' is there with 2.8 MWh"),
        ("X,books.heat,2026-02-01,2026-02-01,1,,", "to must come after from"),
        ("X,books.het,2026-02-01,,1,,", "did you mean"),
        ("X,books.power,2026-02-01,,1,,", "is of kind gauge"),
        ("X,books.heat,2026-02-01,,1,kg,", "mass is not energy"),
        ("X,books.laptops,2026-02-01,,1,USD,", "an exchange rate is of a day"),
        ("X,books.heat,2025-12-01,,1,,", "the period begins before it"),
        ("X,books.heat,2026-02-01,,10000,,", "outside the range"),
        ("X,books.heat,2090-02-01,,1,,", "the period is not over yet"),
        ("X,books.heat,2026-02-30,,1,,", "2026-02-30"),
        ("X,books.heat,2026-02-01,,many,,", "amount"),
        ("X,books.heat,2026-02-01", "3 cells, the header names 7"),
        ("Y,books.heat,2026-02-01,,1,,\nY,books.heat,2026-02-02,,1,,", "'Y' stands in line 2"),
    ],
)
def test_a_wrong_line_is_told_with_its_number_and_nothing_is_stored(
    office_with_bills: FieldBench, tmp_path: Path, line: str, sentence: str
) -> None:
    header = _BILLS.partition("\n")[0]
    refused = imported(
        office_with_bills, tmp_path, f"{header}\n{line}\nZ,books.heat,2026-02-05,,1,,\n"
    )
    assert refused.code == 1
    assert "bills.csv:" in refused.said
    assert sentence in refused.said, refused.said
    assert office_with_bills.rows("SELECT id FROM activity_entry WHERE id IN ('X', 'Y', 'Z')") == []


@pytest.fixture(scope="module")
def office_with_bills(
    postgres_cluster: Postgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FieldBench]:
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        office = FieldBench(url)
        office.apply(_FILE)
        stored = imported(office, tmp_path_factory.mktemp("bills"), _BILLS)
        assert stored.code == 0, stored.said
        yield office
        office.close()


_DEPOT = """
facility: {id: depot, name: Depot, timezone: Europe/Vienna}
devices:
  - id: books
    channels:
      - {id: heat, quantity: energy, unit: kWh, kind: event, since: 2026-01-01, range: [0, 9000]}
      - {id: oil, quantity: volume, unit: L, kind: event, since: 2026-01-01, range: [0, 9000]}
      - {id: trips, quantity: passenger_distance, unit: pkm, kind: event, since: 2026-01-01,
         range: [0, 1e6]}
      - {id: refills, quantity: mass, unit: kg, kind: event, since: 2026-01-01, range: [0, 50]}
factors:
  - {id: heat, unit: kWh, co2_kg: 0.2, citation: supplier}
  - {id: oil, unit: L, co2_kg: 2.7, citation: supplier}
  - {id: rail, unit: pkm, co2_kg: 0.01, citation: railway}
sources:
  - {id: heating, scope: 2, method: activity, input: books.heat, factor: heat}
  - {id: boiler, scope: 1, method: activity, input: books.oil, factor: oil}
  - {id: travel, scope: 3, scope3_category: 6, method: activity, input: books.trips, factor: rail}
  - {id: cooling, scope: 1, method: activity, input: books.refills, factor: r410a}
"""
_TABLE = """
facility: depot
sheet: Belege
skip: 1
number: comma
date: "%d.%m.%Y"
last_day: true
entries:
  - {channel: books.heat, where: {Art: Wärme}, id: Nr, from: von, to: bis, amount: Menge,
     unit: {column: Einheit, map: {MWH: MWh}}, document: Beleg}
  - {channel: books.oil, where: {Art: Heizöl}, id: Nr, from: von, amount: Menge,
     unit: {column: Einheit}}
  - {channel: books.trips, where: {Art: [Bahn, Bus]}, id: [Art, Nr], from: von, amount: Menge}
  - {channel: books.refills, where: {Art: Kältemittel}, id: Nr, from: von, amount: Menge, unit: g}
"""
_SHEET = [
    ["Belege 2026"],
    ["Nr", "Art", "von", "bis", "Menge", "Einheit", "Beleg"],
    ["B-1", "Wärme", datetime(2026, 2, 1), "28.02.2026", "2,8", "MWH", "b-1.pdf"],  # noqa: DTZ001
    ["D-7", "Heizöl", "05.02.2026", None, 1500, "L", None],
    [],
    [17, "Bahn", datetime(2026, 2, 6), None, 1000, None, None],  # noqa: DTZ001
    [17, "Bus", "06.02.2026", None, 20, None, None],
    ["K-1", "Kältemittel", "07.02.2026", None, "1.200", None, None],
    [99, "Porto", "07.02.2026", None, 5, "EUR", None],
]


def test_bills_deliveries_trips_and_refills_of_a_foreign_sheet(
    field: FieldBench, tmp_path: Path
) -> None:
    field.apply(_DEPOT)
    table = tmp_path / "belege.yaml"
    table.write_text(_TABLE)
    url = as_login(field.url, "tonne_ingest")

    def run(rows: list[list[object]], *words: str) -> Ended:
        book = Workbook()
        sheet = book.create_sheet("Belege")
        for row in rows:
            sheet.append(row)
        book.save(tmp_path / "belege.xlsx")
        return tonne(
            url, "activities", "import", tmp_path / "belege.xlsx", "--table", table, *words
        )

    wrong = run([*_SHEET, ["B-2", "Wärme", "30.02.2026", "x", "viel", "kg", None]])
    assert wrong.code == 1
    assert "belege.xlsx:10:" in wrong.said
    tried = run(_SHEET, "--dry-run")
    assert (tried.code, "would store 5 activity amounts, 0 there" in tried.said) == (0, True)
    assert "stored 5 activity amounts, 0 there" in run(_SHEET).said
    assert "stored 0 activity amounts, 5 there already" in run(_SHEET).said
    assert [
        tuple(row.values())
        for row in field.rows(
            "SELECT id, first_day::text, end_day::text, amount, unit, document FROM activity_entry"
            " ORDER BY id"
        )
    ] == [
        ("B-1", "2026-02-01", "2026-03-01", 2.8, "MWh", "b-1.pdf"),
        ("Bahn-17", "2026-02-06", "2026-02-07", 1000.0, "pkm", None),
        ("Bus-17", "2026-02-06", "2026-02-07", 20.0, "pkm", None),
        ("D-7", "2026-02-05", "2026-02-06", 1500.0, "L", None),
        ("K-1", "2026-02-07", "2026-02-08", 1200.0, "g", None),
    ]
    field.settle(_NOW)
    (total,) = field.rows(
        "SELECT sum(co2e_ug) / 1e9 AS co2e_kg FROM emission_hour h"
        " JOIN source s ON s.id = h.source_id WHERE s.slug = 'cooling'"
    )
    # 1.2 kg of R-410A
    assert float(str(total["co2e_kg"])) == pytest.approx(1.2 * 2255.5)

    table.write_text(_TABLE.replace("amount: Menge, unit: g", "amount: Mnge, unit: g"))
    assert "belege.xlsx: no column is called 'Mnge'; did you mean Menge?" in run(_SHEET).said
    table.write_text(_TABLE.replace("last_day", "lastday"))
    assert f"{table}:7: " in run(_SHEET).said


def test_a_sheet_with_tonnes_own_columns_needs_no_table_file(
    office: FieldBench, tmp_path: Path
) -> None:
    book = Workbook()
    for row in (
        ["id", "channel", "from", "to", "amount"],
        [5, "books.heat", datetime(2026, 2, 1), datetime(2026, 3, 1), 2800],  # noqa: DTZ001
    ):
        book.worksheets[0].append(row)
    path = tmp_path / "own.xlsx"
    book.save(path)
    url = as_login(office.url, "tonne_ingest")
    ended = tonne(url, "activities", "import", path, "--facility", "office")
    assert "stored 1 activity amount, 0 there" in ended.said
    assert office.rows("SELECT id, amount FROM activity_entry") == [{"id": "5", "amount": 2800.0}]


def test_a_wrong_bill_is_withdrawn_and_the_right_one_counts(
    office: FieldBench, tmp_path: Path
) -> None:
    people = as_login(office.url, "tonne_admin")
    withdraw = (
        "activities",
        "withdraw",
        "B-1",
        "--facility",
        "office",
        "--reason",
        "slip",
        "--yes",
    )
    header, wrong, *_, other = _BILLS.splitlines()
    beside = "B-0,books.heat,2026-02-01,,7,kWh,"
    slipped = f"{header}\n{wrong.replace('2.8', '28')}\n{beside}\n{other}"
    assert imported(office, tmp_path, slipped).code == 0
    office.settle(_NOW)
    told = imported(office, tmp_path, _BILLS)
    assert "tonne activities withdraw 'B-1' --facility office" in told.said
    assert (
        "has no activity 'B-9'"
        in tonne(people, *("B-9" if w == "B-1" else w for w in withdraw)).said
    )
    assert "withdrawn: B-1, 28 readings" in tonne(people, *withdraw).said
    assert "'B-1' was withdrawn on" in tonne(people, *withdraw).said
    # the same file again brings nothing back
    again = imported(office, tmp_path, slipped)
    assert "stored 0 activity amounts, 3 there already" in again.said
    refused = imported(office, tmp_path, _BILLS)
    assert "was withdrawn on" in refused.said
    assert "under another id, such as B-1-2" in refused.said
    right = imported(office, tmp_path, _BILLS.replace("B-1,", "B-1-2,"))
    assert "stored 3 activity amounts, 1 there already" in right.said
    office.settle(_NOW)
    (heat,) = office.rows(
        "SELECT sum(activity_n) AS n FROM emission_hour h JOIN source s ON s.id = h.source_id"
        " WHERE s.slug = 'heating'"
    )
    # to the billionth of a kWh, with the bill that was right
    assert heat["n"] == 2807 * 10**9
    (entry,) = [
        e for e in json.loads(tonne(people, "activities", "list", "--json").stdout)
        if e["id"] == "B-1"
    ]  # fmt: skip
    assert (entry["amount"], entry["reason"]) == (28, "slip")
    assert entry["withdrawn"] is not None


def test_a_factor_by_money_says_of_which_year() -> None:
    with pytest.raises(FacilityFileError, match="holds for prices of one year: add data_year"):
        parse(_FILE.replace("data_year: 2022, ", ""))


def test_an_amount_takes_the_shape_of_a_source_that_is_measured(
    office: FieldBench, tmp_path: Path
) -> None:
    file = _FILE.replace(
        "{id: heat, quantity: energy, unit: kWh, kind: event, since: 2026-01-01, range: [0, 9000]}",
        "{id: heat, quantity: energy, unit: kWh, kind: event, since: 2026-01-01,"
        " profile: {source: hall}}",
    ).replace("kind: gauge, max_gap: 120}", "kind: gauge, max_gap: 3600}")
    office.apply(
        file + "  - {id: hall, scope: 2, method: activity, input: books.power, factor: heat}\n"
    )
    # the days of 2 and 3 February in Vienna, half known: three times as much in one hour
    begin = datetime(2026, 2, 1, 23, tzinfo=UTC)
    messages = [
        (
            "emissions/office/books/readings",
            json.dumps(
                {"ts": (begin + timedelta(minutes=m)).isoformat(),
                 "values": {"power": 30 if m // 60 == 9 else 10}}
            ),
        )
        for m in range(0, 24 * 60 + 1, 15)
    ]  # fmt: skip
    office.deliver(messages, at=begin + timedelta(days=1, minutes=5))
    office.settle(begin + timedelta(days=2))
    bill = "id,channel,from,to,amount\nB-1,books.heat,2026-02-02,{},2600\n"
    early = imported(office, tmp_path, bill.format("2026-02-04"))
    assert (early.code, "hours of the period are not known" in early.said) == (1, True)
    assert imported(office, tmp_path, bill.format("2026-02-03")).code == 0
    amounts = [value for _, value, _ in office.readings("books.heat")]
    assert amounts == pytest.approx([100.0] * 9 + [300.0] + [100.0] * 14, rel=1e-3)
    assert sum(round(amount * 1e9) for amount in amounts if amount is not None) == 2600 * 10**9
    gone = tonne(
        as_login(office.url, "tonne_admin"), "activities", "withdraw", "B-1", "--facility",
        "office", "--reason", "wrong", "--yes",
    )  # fmt: skip
    assert (gone.code, "24 readings" in gone.said) == (0, True)
    assert office.readings("books.heat") == []
