"""What a facility file may say: one model for each of its parts, units and defaults in place.

Devices and sources have files of their own; this one is where the others find all parts.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from services.core.accounting.gwp import GwpName
from services.core.facility.derived_channels import with_derived
from services.core.facility.devices import Channel, Device, Epoch, InvalidMarker
from services.core.facility.fields import (
    Day,
    EveryS,
    FactorKg,
    GasKg,
    MailAddress,
    Part,
    Percent,
    SecretVariable,
    Slug,
    WebAddress,
    Within,
    Zone,
    at_most,
)
from services.core.facility.fuel_analyses import FuelAnalysis, with_analysed_figures
from services.core.facility.sources import (
    LOAD,
    OPERATING,
    TELLING,
    ActivitySource,
    Derived,
    Load,
    Operating,
    ReportingZone,
    Source,
    StackSource,
)
from services.core.facility.thresholds import Maintenance, Threshold

__all__ = [
    "LOAD",
    "OPERATING",
    "TELLING",
    "ActivitySource",
    "Channel",
    "Derived",
    "Device",
    "Epoch",
    "Facility",
    "FacilityFile",
    "Factor",
    "InvalidMarker",
    "Load",
    "Notify",
    "Operating",
    "ReportingZone",
    "Source",
    "StackSource",
    "own_topic",
    "spec",
]


class Facility(Part):
    """The site itself."""

    id: Slug = Field(description="Name of the facility in topics, URLs and files. A slug.")
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="Name that people read."
    )
    timezone: Zone = Field(
        description=(
            "IANA time zone, such as Europe/Vienna: days, months and factor versions begin by it."
        )
    )
    reporting_zone: ReportingZone | None = Field(
        None,
        description=(
            "By which time quarters and years of reports are cut: standard, the zone's time without"
            " daylight saving all year, or local. Default: standard where a source is under part75,"
            " else local."
        ),
    )
    gwp: GwpName | None = Field(
        None,
        description=(
            "Set of global warming potentials that turns CH4 and N2O into CO2e, unless a source"
            " names another. Default: AR6."
        ),
    )


class Factor(Part):
    """One version of an emission factor: masses per unit of activity, for a span of days."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["id", "citation"],
            "anyOf": [{"required": ["unit", "co2_kg"]}, {"required": ["analysis"]}],
        }
    )

    id: Slug = Field(
        description="Name of the factor. Several entries with one id are its versions."
    )
    analysis: FuelAnalysis | None = Field(
        None,
        exclude=True,
        description=(
            "Analysis of a fuel that unit and masses are computed from; neither is then stated."
        ),
    )
    unit: str = Field(
        description="Unit of activity that the masses are per. Of an analysis, its equation's."
    )
    co2_kg: FactorKg = Field(
        description=(
            "kg of CO2 per unit; 0 for a fuel of biomass alone, see co2_biogenic_kg. Of an"
            " analysis, computed."
        )
    )
    ch4_kg: GasKg = Field(0.0, description="kg of CH4 per unit.")
    n2o_kg: GasKg = Field(0.0, description="kg of N2O per unit.")
    co2_biogenic_kg: GasKg = Field(
        0.0,
        description=(
            "kg of CO2 from biomass per unit: a total of its own, in none of the others. A fuel of"
            " both, such as diesel with 7 % biodiesel, has both masses of CO2."
        ),
    )
    co2e_kg: FactorKg | None = Field(
        None,
        description=(
            "kg of CO2e per unit as published. Default: from the gases and the set of global "
            "warming potentials."
        ),
    )
    ch4_origin: Literal["fossil", "non-fossil"] = Field(
        "non-fossil", description="Origin of the methane; it decides its global warming potential."
    )
    basis: Literal["none", "gross", "net", "location", "market"] = Field(
        "none",
        description="gross or net: of a fuel by its energy. location or market: of electricity.",
    )
    valid_from: Day | None = Field(
        None, description="First day, in the facility's time zone. Default: always."
    )
    valid_to: Day | None = Field(
        None, description="First day on which it no longer holds. Default: until further notice."
    )
    citation: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="Where the figure is from: publication, certificate, bill."
    )
    uncertainty: Percent | None = Field(
        None, description="Percent of the figure, half the 95 % interval. Default: not known."
    )
    data_year: Annotated[int, Within(lowest=1900, highest=2200)] | None = Field(
        None, description="Year that the figure describes."
    )
    release: str = Field("", description="Publication that it stands in.")
    successor_expected: Day | None = Field(
        None,
        description=(
            "Day by which a newer figure is expected: from then on totals say that it is stale."
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _masses_follow_from_an_analysis(cls, data: Any) -> Any:
        """Write out what the analysis gives: a factor is kept as its figures and citation."""
        return with_analysed_figures(data)

    @model_validator(mode="after")
    def _ends_after_start(self) -> Factor:
        if self.valid_to and self.valid_from and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must come after valid_from; it is exclusive")
        return self


class Notify(Part):
    """Where notifications of alerts are sent."""

    webhook: WebAddress | None = Field(
        None, description="Address that gets each alert as a POST of JSON."
    )
    secret_env: SecretVariable | None = Field(
        None,
        description=(
            "webhook: environment variable of the notifier with the secret that messages are "
            "signed with."
        ),
    )
    alertmanager: WebAddress | None = Field(None, description="Address of an Alertmanager.")
    mqtt: bool | None = Field(
        None,
        description=(
            "false: alerts are not published at the facility's own topics. Default: they are, "
            "without an entry."
        ),
    )
    email: MailAddress | None = Field(None, description="Mail address that gets each alert.")
    heartbeat: EveryS | None = Field(
        None,
        description=(
            "How often a message says that alerts would be delivered, a duration. Default: never."
        ),
    )

    @model_validator(mode="after")
    def _has_one_target(self) -> Notify:
        targets = [self.webhook, self.alertmanager, self.mqtt, self.email]
        if sum(target is not None for target in targets) != 1:
            raise ValueError("each entry of notify names one of webhook, alertmanager, mqtt, email")
        if self.secret_env is not None and self.webhook is None:
            raise ValueError("secret_env belongs to a webhook: nothing else is signed")
        if self.alertmanager is not None and "?" in self.alertmanager:
            raise ValueError("alertmanager is the address of its start page, without a query")
        if self.heartbeat is not None and self.mqtt is False:
            raise ValueError("heartbeat needs somewhere to go, and mqtt is false")
        return self


class FacilityFile(Part):
    """A whole facility file."""

    facility: Facility = Field(description="The site: its id, name and time zone.")
    devices: Annotated[tuple[Device, ...], at_most(10_000)] = Field(
        min_length=1, description="Publishers of readings."
    )
    factors: Annotated[tuple[Factor, ...], at_most(10_000)] = Field(
        (), description="Emission factors of this facility, beside the built-in and imported ones."
    )
    sources: Annotated[tuple[Source, ...], at_most(10_000)] = Field((), description="What emits.")
    thresholds: Annotated[tuple[Threshold, ...], at_most(10_000)] = Field(
        (), description="Limits that are watched."
    )
    maintenance: Annotated[tuple[Maintenance, ...], at_most(10_000)] = Field(
        (), description="Spans of time in which alerts are not sent."
    )
    notify: Annotated[tuple[Notify, ...], at_most(100)] = Field(
        (), description="Recipients of alerts."
    )

    @model_validator(mode="before")
    @classmethod
    def _sources_keep_their_derived_channels(cls, data: Any) -> Any:
        """Write each source's derived channel out, for the same reason."""
        return with_derived(data)

    @model_validator(mode="before")
    @classmethod
    def _sources_take_what_the_facility_says(cls, data: Any) -> Any:
        """Dump the source's own configuration, so that a past one can be shown and computed."""
        facility = data.get("facility") if isinstance(data, dict) else None
        sources = data.get("sources") if isinstance(data, dict) else None
        if not isinstance(facility, dict) or not isinstance(sources, list):
            return data
        given = {
            method: {key: facility[key]}
            for key, method in (("gwp", "activity"), ("reporting_zone", "stack"))
            if facility.get(key) is not None
        }
        return {
            **data,
            "sources": [
                {**given.get(str(source.get("method")), {}), **source}
                if isinstance(source, dict)
                else source
                for source in sources
            ],
        }

    def channel(self, reference: str) -> Channel | None:
        """Return the channel that ``device.channel`` names, None if there is none."""
        device_id, channel_id = reference.split(".")
        for device in self.devices:
            if device.id == device_id:
                return next((c for c in device.channels if c.id == channel_id), None)
        return None

    def channel_references(self) -> list[str]:
        """Every channel as ``device.channel``."""
        return [f"{device.id}.{c.id}" for device in self.devices for c in device.channels]


def own_topic(device_topic: str | None, channel_topic: str | None) -> str | None:
    """Return the topic at which a channel's values come; None: the native one."""
    if device_topic is not None and channel_topic is not None:
        return f"{device_topic}/{channel_topic}"
    return channel_topic or device_topic


def spec(part: Part) -> dict[str, Any]:
    """Dump a part as JSON, the way the registry stores it."""
    return part.model_dump(mode="json", by_alias=True, exclude_none=True)
