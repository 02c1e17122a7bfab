"""What Prometheus' calls are asked, and how they answer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Parameters(BaseModel):
    """Parameters as text: what they say is read as Prometheus reads it. Others are ignored."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class InstantQuery(_Parameters):
    """Parameters of ``/prometheus/api/v1/query``."""

    query: str = Field("", description="PromQL", examples=["sum(tonne_co2_rate_kg_h)"])
    time: str = Field("", description="RFC 3339 or epoch seconds; default: now")
    timeout: str = Field("", description="how long it may take, such as 10s")
    limit: str = Field("", description="series at most; 0: all")


class RangeQuery(InstantQuery):
    """Parameters of ``/prometheus/api/v1/query_range``."""

    start: str = Field("", description="first step: RFC 3339 or epoch seconds")
    end: str = Field("", description="last step: RFC 3339 or epoch seconds")
    step: str = Field("", description="seconds, or a duration such as 5m")


class SeriesQuery(_Parameters):
    """Parameters of the calls about series and labels."""

    match: list[str] = Field(
        [], alias="match[]", description="selectors", examples=[['{facility="linz"}']]
    )
    start: str = Field("", description="RFC 3339 or epoch seconds; default: 24 hours before `end`")
    end: str = Field("", description="RFC 3339 or epoch seconds; default: now")
    limit: str = Field("", description="entries at most; 0: all")


class MetadataQuery(_Parameters):
    """Parameters of ``/prometheus/api/v1/metadata``."""

    metric: str = Field("", description="name of the one metric that is asked about")
    limit: str = Field("", description="metrics at most; 0: all")


class _Answer(BaseModel):
    status: Literal["success"]


class QueryResult(BaseModel):
    """The result of a query."""

    result_type: Literal["vector", "matrix", "scalar", "string"] = Field(alias="resultType")
    result: list[Any] = Field(
        examples=[[{"metric": {"facility": "linz"}, "value": [1795456800, "654.3"]}]]
    )


class QueryAnswer(_Answer):
    """A query that has a result."""

    data: QueryResult
    warnings: list[str] | None = None


class NamesAnswer(_Answer):
    """Names or values of labels."""

    data: list[str]
    warnings: list[str] | None = None


class SeriesAnswer(_Answer):
    """Labels of series."""

    data: list[dict[str, str]]
    warnings: list[str] | None = None


class Metadata(BaseModel):
    """What a metric is."""

    type: Literal["gauge", "counter"]
    help: str
    unit: str


class MetadataAnswer(_Answer):
    """Metrics by name."""

    data: dict[str, list[Metadata]]


class BuildInfo(BaseModel):
    """Which Prometheus it is that answers alike."""

    version: str
    revision: str
    branch: str
    build_user: str = Field(alias="buildUser")
    build_date: str = Field(alias="buildDate")
    go_version: str = Field(alias="goVersion")


class BuildAnswer(_Answer):
    """The version."""

    data: BuildInfo
