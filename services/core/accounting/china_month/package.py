"""A month as a ZIP archive: activity data, factors, evidence, and a list of what is in it.

CSV in UTF-8 with a mark at its beginning, as spreadsheets in Chinese expect it; each heading in
Chinese and English. The same month as known at the same instant gives the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from services.core.accounting.china_month.parameters import Parameter, parameters
from services.core.accounting.china_month.record import FacilityMonth

#: What a spreadsheet would take for a formula begins with one of these.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
#: The first instant that a ZIP archive can state.
_UNDATED: Final = (1980, 1, 1, 0, 0, 0)
#: Decimals of shares, of amounts and masses.
_SHARE, _AMOUNT = Decimal("0.0001"), Decimal("0.001")

Cell = str | int | float | Decimal | date | datetime | None

_ACTIVITY: Final = (
    "参数 parameter", "parameter in English", "排放源 source", "名称 name", "数值 value",
    "单位 unit", "覆盖率 coverage", "实测时间占比 measured share",
    "替代时间占比 substituted share", "估算时间占比 estimated share",
    "替代排放量 substituted t CO2", "修订小时数 restated hours", "排放因子 factor",
    "数据来源 channels", "证据类型 evidence", "说明 remark",
)  # fmt: skip
_FACTORS: Final = (
    "排放因子 factor", "排放源 sources", "活动数据单位 unit", "二氧化碳 kg CO2 per unit",
    "二氧化碳当量 kg CO2e per unit, as published", "生物源二氧化碳 kg CO2 from biomass per unit",
    "热值 heat content MJ", "热值单位 per", "生效日期 valid from", "失效日期 valid to",
    "获知时间 known from", "数据年份 data year", "发布 release", "出处 citation",
)  # fmt: skip
_EVIDENCE: Final = (
    "类型 kind", "编号 id", "对象 subject", "开始 from", "结束 to", "内容 statement",
    "摘要 SHA-256", "记录时间 recorded", "记录人 by",
)  # fmt: skip


def package(month: FacilityMonth) -> bytes:
    """Return the archive's bytes."""
    rows = list(parameters(month))
    files = {
        "activity.csv": _csv(_ACTIVITY, (_activity(row) for row in rows)),
        "factors.csv": _csv(
            _FACTORS,
            (
                (
                    f.id, f.sources, f.unit, f.co2_kg, f.co2e_kg, f.biogenic_kg,
                    f.heat_content_mj, f.heat_content_unit, f.valid_from, f.valid_to,
                    f.known_from, f.data_year, f.release, f.citation,
                )
                for f in month.factors
            ),
        ),
        "evidence.csv": _csv(
            _EVIDENCE,
            (
                (e.kind, e.id, e.subject, e.begins, e.ends, e.statement, e.digest,
                 e.recorded_at, e.by)
                for e in month.evidence
            ),
        ),
    }  # fmt: skip
    files["manifest.json"] = _manifest(month, rows, files)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in files.items():
            target.writestr(zipfile.ZipInfo(name, _UNDATED), data, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def _activity(row: Parameter) -> Sequence[Cell]:
    source = row.source
    value = None if row.value is None else row.value.quantize(_AMOUNT)
    if source is None:
        return (row.chinese, row.english, "", "", value, row.unit, *[""] * 9, row.remark)
    known_ms = source.measured_ms + source.substituted_ms + source.estimated_ms
    shares = [
        (Decimal(ms) / max(source.elapsed_ms, 1)).quantize(_SHARE)
        for ms in (known_ms, source.measured_ms, source.substituted_ms, source.estimated_ms)
    ]
    return (
        row.chinese, row.english, source.id, source.name, value, row.unit, *shares,
        (source.substituted_kg / 1000).quantize(_AMOUNT), source.hours_restated, source.factor,
        source.channels, source.evidence, row.remark,
    )  # fmt: skip


def _manifest(month: FacilityMonth, rows: Iterable[Parameter], files: dict[str, bytes]) -> bytes:
    stated = {
        "设施 facility": month.facility,
        "名称 name": month.name,
        "月份 month": month.month,
        "开始 begins": _text(month.begins),
        "结束 ends": _text(month.ends),
        "数据截止 known at": _text(month.known_at),
        "缺项 missing": [
            f"{row.chinese} {row.english}: {row.remark}" for row in rows if row.value is None
        ],
        "文件 files": [
            {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        ],
    }
    return (json.dumps(stated, ensure_ascii=False, indent=1) + "\n").encode()


def _csv(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(headings)
    writer.writerows([_text(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return str(cell)
