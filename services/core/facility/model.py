"""What a facility file may say: one model for each of its parts, units and defaults in place.

Devices and sources have files of their own; this one is where the others find all parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PrivateAttr, StringConstraints, model_validator

from services.core.accounting.gwp import GwpName
from services.core.facility.alert_codes import AlertCodes
from services.core.facility.channels import Channel, Epoch, InvalidMarker
from services.core.facility.derived_channels import derived_channels, with_derived
from services.core.facility.devices import Device, IgnoredIds
from services.core.facility.electricity import (
    ELECTRICITY_LATENESS_S,
    Certificate,
    Contract,
    Electricity,
    Storage,
)
from services.core.facility.factors import Factor
from services.core.facility.fields import (
    DiscoveryPrefix,
    EveryS,
    MailAddress,
    Part,
    SecretVariable,
    Slug,
    WebAddress,
    Within,
    Zone,
    at_most,
)
from services.core.facility.pathway import ScopePath
from services.core.facility.products import Product
from services.core.facility.register_resets import with_zone
from services.core.facility.removals import Credit, StatedRemoval
from services.core.facility.sources import (
    LOAD,
    OPERATING,
    TELLING,
    ActivitySource,
    Derived,
    Load,
    Operating,
    ProductionSource,
    ReportingZone,
    Source,
    StackSource,
    StoredSource,
    enters,
)
from services.core.facility.thresholds import Maintenance, Threshold
from services.core.facility.weather import Weather

__all__ = [
    "LOAD",
    "OPERATING",
    "TELLING",
    "ActivitySource",
    "Certificate",
    "Channel",
    "Contract",
    "Credit",
    "Derived",
    "Device",
    "Electricity",
    "Epoch",
    "Facility",
    "FacilityFile",
    "Factor",
    "IgnoredIds",
    "InvalidMarker",
    "Load",
    "Location",
    "Notify",
    "Operating",
    "Product",
    "ProductionSource",
    "ReportingZone",
    "ScopePath",
    "Source",
    "StackSource",
    "StatedRemoval",
    "Storage",
    "StoredSource",
    "enters",
    "own_topic",
    "spec",
]


class Location(Part):
    """Where the site is, for a map."""

    latitude: Annotated[float, Within(lowest=-90, highest=90)] = Field(
        examples=[48.27], description="Degrees north of the equator, WGS 84; south is negative."
    )
    longitude: Annotated[float, Within(lowest=-180, highest=180)] = Field(
        examples=[14.33], description="Degrees east of Greenwich, WGS 84; west is negative."
    )


class Facility(Part):
    """The site itself."""

    id: Slug = Field(
        examples=["mill"], description="Name of the facility in topics, URLs and files. A slug."
    )
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        examples=["Paper mill"], description="Name that people read."
    )
    timezone: Zone = Field(
        examples=["Europe/Vienna"],
        description=(
            "IANA time zone, such as Europe/Vienna: days, months and factor versions begin by it."
        ),
    )
    location: Location | None = Field(
        None,
        examples=[{"latitude": 48.27, "longitude": 14.33}],
        description="Where it is, for the map of all facilities. Default: on no map.",
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


class Notify(Part):
    """Where notifications of alerts are sent, or that totals are published to Home Assistant."""

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
    language: Literal["en", "de", "zh"] | None = Field(
        None, examples=["de"], description="email: language that mails are in. Default: en."
    )
    homeassistant: bool | None = Field(
        None,
        description=(
            "true: totals are published as sensors for Home Assistant. Default: they are not."
        ),
    )
    prefix: DiscoveryPrefix | None = Field(
        None,
        examples=["homeassistant"],
        description=(
            "homeassistant: topic below which Home Assistant looks for devices. Default: "
            "homeassistant."
        ),
    )
    heartbeat: EveryS | None = Field(
        None,
        description=(
            "How often a message says that alerts would be delivered, a duration. Default: never."
        ),
    )

    @model_validator(mode="after")
    def _has_one_target(self) -> Notify:
        targets = [self.webhook, self.alertmanager, self.mqtt, self.email, self.homeassistant]
        if sum(target is not None for target in targets) != 1:
            raise ValueError(
                "each entry of notify names one of webhook, alertmanager, mqtt, email,"
                " homeassistant"
            )
        if self.secret_env is not None and self.webhook is None:
            raise ValueError("secret_env belongs to a webhook: nothing else is signed")
        if self.alertmanager is not None and "?" in self.alertmanager:
            raise ValueError("alertmanager is the address of its start page, without a query")
        if self.heartbeat is not None and self.mqtt is False:
            raise ValueError("heartbeat needs somewhere to go, and mqtt is false")
        if self.heartbeat is not None and self.homeassistant is not None:
            raise ValueError("heartbeat belongs to alerts, of which Home Assistant gets none")
        if self.language is not None and self.email is None:
            raise ValueError("language belongs to email: other recipients get the API's own words")
        if self.prefix is not None and not self.homeassistant:
            raise ValueError("prefix belongs to an entry with homeassistant: true")
        return self


class FacilityFile(Part):
    """A whole facility file."""

    facility: Facility = Field(
        examples=[{"id": "mill", "name": "Paper mill", "timezone": "Europe/Vienna"}],
        description="The site: its id, name and time zone.",
    )
    devices: Annotated[tuple[Device, ...], at_most(10_000)] = Field(
        examples=[
            [
                {
                    "id": "main-meter",
                    "channels": [
                        {"id": "import", "quantity": "energy", "unit": "kWh", "kind": "counter"}
                    ],
                }
            ]
        ],
        min_length=1,
        description="Publishers of readings.",
    )
    ignored_ids: Annotated[tuple[IgnoredIds, ...], at_most(1000)] | None = Field(
        None,
        examples=[[{"topic": "plant/gw1/meters", "ids": ["Slave9"]}]],
        description=(
            "Ids at topics of many devices whose messages are known not to matter. Default:"
            " messages with an id that no device is known as are kept in quarantine."
        ),
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
        (), description="Recipients of alerts, and of totals."
    )
    alert_codes: AlertCodes | None = Field(
        None,
        examples=[{"reasons": [{"code": "kiln-start", "text": "Start of the kiln"}]}],
        description=(
            "Codes by which people say why an alert fired and what was done. Default: those that"
            " tonne ships."
        ),
    )
    pathway: Annotated[tuple[ScopePath, ...], at_most(3)] = Field(
        (), description="What each scope may emit in each year on the way to net zero."
    )
    weather: Weather | None = Field(
        None,
        examples=[{"temperature": "weather-station.outdoor"}],
        description="Outdoor temperature, which tells mild years from less emissions.",
    )
    products: Annotated[tuple[Product, ...], at_most(1000)] = Field(
        (), description="What is made, by whose amounts emissions are divided."
    )
    electricity: Electricity | None = Field(
        None,
        description=(
            "How the electricity of scope 2 was bought: contracts, certificates, and by which rule"
            " they are matched."
        ),
    )
    removals: Annotated[tuple[StatedRemoval, ...], at_most(1000)] = Field(
        (), description="What was removed by what documents say; it is deducted from no emissions."
    )
    credits: Annotated[tuple[Credit, ...], at_most(1000)] = Field(
        (), description="Credits that were retired; they are deducted from no emissions."
    )

    #: what is told of times that were written without an offset
    _local_times: tuple[str, ...] = PrivateAttr(())

    def written_locally(self, sentences: Iterable[str]) -> None:
        """Keep what is told of times without an offset, which only what was written shows."""
        self._local_times = tuple(sentences)

    @property
    def local_times(self) -> tuple[str, ...]:
        """Return what is told of times that were written without an offset."""
        return self._local_times

    @model_validator(mode="before")
    @classmethod
    def _registers_keep_the_zone_they_begin_by(cls, data: Any) -> Any:
        """Write it out: what a channel's readings come to follows from the channel alone."""
        return with_zone(data)

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
        # what the facility says wrongly is said of it, not of each of its sources again
        given = {
            method: {key: facility[key]}
            for key, method, kind in (
                ("gwp", "activity", GwpName),
                ("reporting_zone", "stack", ReportingZone),
            )
            if isinstance(facility.get(key), str) and facility[key] in get_args(kind)
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

    @property
    def production(self) -> tuple[ProductionSource, ...]:
        """What is counted beside sources: for products, and for contracts and storages.

        It is a source for each channel whose amounts any of them takes.
        """
        electricity = () if self.electricity is None else self.electricity.channels
        lateness_s = dict.fromkeys(electricity, ELECTRICITY_LATENESS_S)
        for product in self.products:
            for reference in product.channels:
                lateness_s[reference] = max(lateness_s.get(reference, 0.0), product.lateness)
        if not lateness_s:
            return ()
        derived = derived_channels([spec(device) for device in self.devices])
        return tuple(
            ProductionSource(
                id=reference, input=reference, lateness=wait_s, derived=derived.get(reference)
            )
            for reference, wait_s in lateness_s.items()
        )

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
