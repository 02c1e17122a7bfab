"""A list's rows look the same in every format, because all follow from one model."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime

import nanoarrow as na
import pytest
from pydantic import BaseModel, Field

from services.api.http.answers import rows_answer
from services.api.http.shapes import Shape
from services.api.models.alerts import Alert
from services.api.models.emissions import Emission, Report, Restatement
from services.api.models.readings import ReadingRow


class Row(BaseModel):
    time: datetime = Field(examples=["2026-11-23T17:00:00Z"])
    source: str = Field(examples=["stack-1"])
    co2_kg: float | None = Field(examples=[1.5])
    scope: int = Field(examples=[1])
    counts: bool = Field(examples=[True])


@dataclass(frozen=True, kw_only=True)
class Record:
    hour: datetime
    source: str
    scope: int
    counts: bool


SHAPE = Shape(Row, arrow=True)
TIME = datetime(2026, 11, 23, 17, tzinfo=UTC)


def rows() -> list[dict[str, object]]:
    record = Record(hour=TIME, source="stack-1", scope=1, counts=True)
    return [SHAPE.row(record, time=record.hour, co2_kg=kg) for kg in (1.5, None)]


def answered(accept: str) -> bytes:
    return bytes(rows_answer(rows(), SHAPE, accept=accept).body)


def test_a_row_takes_from_its_record_what_is_named_alike() -> None:
    assert [list(row) for row in rows()] == [list(Row.model_fields)] * 2
    assert rows()[0]["source"] == "stack-1"


def test_csv_json_and_arrow_hold_the_models_fields_in_its_order() -> None:
    lines = list(csv.reader(io.StringIO((answered("text/csv")).decode())))
    assert lines == [
        list(Row.model_fields),
        ["2026-11-23T17:00:00Z", "stack-1", "1.5", "1", "True"],
        ["2026-11-23T17:00:00Z", "stack-1", "", "1", "True"],
    ]
    stream = na.ArrayStream.from_readable(answered("application/vnd.apache.arrow.stream"))
    assert [field.name for field in stream.schema.fields] == list(Row.model_fields)
    assert stream.read_all().to_pylist() == rows()


def test_what_may_be_null_is_nullable_in_arrow_and_nothing_else() -> None:
    assert SHAPE.arrow is not None
    nullable = {name: na.Schema(kind).nullable for name, kind in SHAPE.arrow.items()}
    assert nullable == {
        "time": False, "source": False, "co2_kg": True, "scope": False, "counts": False
    }  # fmt: skip


@pytest.mark.parametrize("model", [Alert, Emission, ReadingRow, Report, Restatement])
def test_the_specifications_csv_is_the_models_example(model: type[BaseModel]) -> None:
    content = Shape(model).documented("rows")[200]["content"]
    ((columns, example),) = [
        list(csv.reader(io.StringIO(content[kind]["example"]))) for kind in content
    ]
    assert columns == list(model.model_fields)
    assert len(example) == len(columns)
    model.model_validate(
        {name: f.examples[0] for name, f in model.model_fields.items() if f.examples}
    )
