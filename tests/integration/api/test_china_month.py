"""A month's evidence for China: what its files say, over HTTP and from the command line."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.command import tonne
from tests.integration.aggregator.plant import Plant, Reading, instant
from tests.services import Postgres

FILE = """
facility: {id: tianjin, name: 天津电厂, timezone: Asia/Shanghai}
devices:
  - id: meter
    channels:
      - {id: import, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}
      - {id: made, quantity: energy, unit: MWh, kind: counter, max_rate: 5000}
  - id: books
    channels: [{id: coal, quantity: mass, unit: t, kind: event, since: 2026-10-01}]
  - id: cems
    channels:
      - id: co2
        quantity: fraction
        unit: "%"
        kind: gauge
        basis: wet
        max_gap: 120
        audits: [{at: 2026-03-01T15:00:00Z, passed: true}, {at: 2025-03-01T15:00:00Z, passed: true}]
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120}
factors:
  - {id: coal, unit: t, co2_kg: 2000, citation: "=analysis of 2026"}
sources:
  - {id: grid, scope: 2, method: activity, input: meter.import, factor: grid-cn-tianjin}
  - {id: coal, name: 煤, scope: 1, method: activity, input: books.coal, factor: coal,
     evidence: billed}
  - {id: stack, scope: 1, method: stack, equation: F-11, inputs: {co2: cems.co2, flow: cems.flow},
     validity: hj75, check: coal}
products:
  - {id: power, production: meter.made, unit: MWh, sources: [grid]}
"""
#: 00:00 of 1 November in Beijing
START = instant("2026-10-31T16:00:00Z")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def database_url(
    postgres_cluster: Postgres,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A month that tests only read."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        _fill(url, tmp_path_factory.mktemp("bills") / "bill.csv")
        yield url


def _fill(database_url: str, bill: Path) -> None:
    plant = Plant(database_url, FILE)
    bill.write_text(
        "id,channel,from,to,amount,unit,document\nB-1,books.coal,2026-11-01,2026-11-11,100,t,入厂煤单\n"
    )
    ended = tonne(database_url, "activities", "import", bill, "--facility", "tianjin")
    assert ended.code == 0, ended.said
    readings = []
    for hour in range(-1, 4):
        at = START + hour * HOUR
        readings += [
            Reading("meter.import", at, 1000.0 * (hour + 1)),
            Reading("meter.made", at, 300.0 * (hour + 1)),
        ]
    for minute in range(120):
        at = START + minute * MINUTE
        readings += [Reading("cems.co2", at, 10.0), Reading("cems.flow", at, 1_000_000.0)]
    plant.store(readings)
    plant.tick(START + 5 * HOUR)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 minute'")
    plant.connection.execute("UPDATE touched SET committed_at = now()")
    plant.tick(START + 5 * HOUR + MINUTE)
    plant.close()


def rows(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8-sig"))))


async def test_a_month_has_its_parameters_factors_and_evidence(client: httpx.AsyncClient) -> None:
    asked = {"facility": "tianjin", "month": "2026-11"}
    answer = await client.get("/v1/reports/china-month", params=asked)
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    activity = {
        (row["参数 parameter"], row["排放源 source"]): row for row in rows(archive, "activity.csv")
    }
    bought = activity["购入使用电量", "grid"]
    # the register's hour before the month is October's
    assert (bought["数值 value"], bought["单位 unit"]) == ("3000.000", "kWh")
    assert (bought["排放因子 factor"], bought["数据来源 channels"]) == (
        "grid-cn-tianjin", "meter.import",
    )  # fmt: skip
    # 3 MWh at 0.6796
    assert activity["二氧化碳排放量", "grid"]["数值 value"] == "2.039"
    coal = activity["燃料消耗量", "coal"]
    assert (coal["名称 name"], coal["证据类型 evidence"]) == ("煤", "billed")
    assert activity["发电量", "meter.made"]["数值 value"] == "900.000"
    stack = activity["二氧化碳排放量", "stack"]
    # 5.7 short tons in each of two hours
    assert (stack["数值 value"], stack["说明 remark"].split(";")[0]) == (
        "10.342", "checks coal: do not add both",
    )  # fmt: skip
    # nothing says when it stands still
    assert activity["运行小时数", "stack"]["数值 value"] == "4.000"
    factors = {row["排放因子 factor"]: row for row in rows(archive, "factors.csv")}
    # no spreadsheet takes it for a formula
    assert factors["coal"]["出处 citation"] == "'=analysis of 2026"
    assert factors["grid-cn-tianjin"]["二氧化碳 kg CO2 per unit"] == "0.6796"
    evidence = {row["类型 kind"]: row for row in rows(archive, "evidence.csv")}
    assert evidence["单据 document"]["内容 statement"] == "100 t; 入厂煤单"
    assert evidence["审核 audit"]["结束 to"].startswith("2026-03-01")
    assert len(evidence["设施文件 facility file"]["摘要 SHA-256"]) == 64
    manifest = json.loads(archive.read("manifest.json"))
    for file in manifest["文件 files"]:
        assert hashlib.sha256(archive.read(file["name"])).hexdigest() == file["sha256"]
    missing = [line.split(" ")[0] for line in manifest["缺项 missing"]]
    assert missing == ["低位发热量", "元素碳含量", "供热量", "负荷（出力）系数"]  # noqa: RUF001 - so written
    again = await client.get("/v1/reports/china-month", params=asked)
    assert again.content == answer.content


async def test_a_month_rests_on_the_audit_that_was_there(client: httpx.AsyncClient) -> None:
    asked = {"facility": "tianjin", "month": "2026-02"}
    answer = await client.get("/v1/reports/china-month", params=asked)
    evidence = rows(zipfile.ZipFile(io.BytesIO(answer.content)), "evidence.csv")
    audits = [row["结束 to"] for row in evidence if row["类型 kind"] == "审核 audit"]
    assert [at[:10] for at in audits] == ["2025-03-01"]


async def test_a_month_that_has_not_begun_is_refused(client: httpx.AsyncClient) -> None:
    asked = {"facility": "tianjin", "month": "2026-12"}
    answer = await client.get("/v1/reports/china-month", params=asked)
    assert (answer.status_code, answer.json()["detail"]) == (404, "2026-12 has not begun.")


def test_the_command_writes_the_archive(database_url: str, tmp_path: Path) -> None:
    target = tmp_path / "month.zip"
    words = ("report", "china-month", "tianjin")
    ended = tonne(database_url, *words, "2026-11", "--output", target)
    assert ended.code == 0, ended.said
    assert sorted(zipfile.ZipFile(target).namelist()) == [
        "activity.csv", "evidence.csv", "factors.csv", "manifest.json",
    ]  # fmt: skip
    assert "written as 2026-11" in tonne(database_url, *words, "November").stderr
    assert "no facility" in tonne(database_url, "report", "china-month", "x", "2026-11").stderr
