"""What a facility file says of its electricity: contracts, certificates, rules of matching."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from services.core.accounting.scope2.periods import DatedPolicy
from services.core.accounting.scope2.policies import POLICIES, MatchName
from services.core.facility.fields import (
    ChannelReference,
    Day,
    Instant,
    Part,
    Slug,
    Within,
    at_most,
)
from services.core.timeline.instants import HOUR_US, to_us

#: kWh of a MWh.
MWH_KWH: Final = 1000.0

#: How long after its end an hour of generation or of a storage stays open for late readings.
ELECTRICITY_LATENESS_S: Final = 900.0

_Share = Annotated[float, Field(gt=0), Within(lowest=1e-6, highest=100)]
_Percent = Annotated[float, Within(lowest=0, highest=100)]
_Energy = Annotated[float, Field(gt=0), Within(lowest=1e-6, highest=1e9)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
#: The number of a certificate as its registry writes it.
CertificateId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
]
#: A grid or bidding zone, such as AT or DE-LU.
GridZone = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
]

Technology = Literal[
    "solar",
    "wind",
    "hydro",
    "geothermal",
    "marine",
    "biomass",
    "nuclear",
    "gas",
    "coal",
    "oil",
    "mix",
]
#: Those of which nobody may leave out what they emit.
EMITTING: Final = frozenset({"gas", "coal", "oil", "mix"})


def _month(value: object) -> object:
    if isinstance(value, str) and (month := re.fullmatch(r"(\d{4}-\d\d)(-01)?", value)):
        return f"{month[1]}-01"
    if isinstance(value, date) and not isinstance(value, datetime) and value.day == 1:
        return value
    raise ValueError(f"{value} is not a month: write it as '2026-03'")


#: A calendar month, stored as its first day.
Month = Annotated[
    date,
    BeforeValidator(_month, json_schema_input_type=str),
    Within(lowest=date(1990, 1, 1), highest=date(2150, 1, 1), texts=("1990-01", "2150-01")),
]


class MatchRule(Part):
    """A rule of matching, from a day on."""

    policy: MatchName = Field(
        examples=["hourly"],
        description=(
            "Within which time contracts may supply the load: hourly, monthly, annual, or a"
            " published rule."
        ),
    )
    from_: Day | None = Field(
        None,
        alias="from",
        description="First day that it holds, in the facility's time zone. Default: always.",
    )


class Contract(Part):
    """Electricity that somebody supplies to this facility alone."""

    id: Slug = Field(
        examples=["wind-park"],
        description="Name of the contract, unique within the facility. A slug.",
    )
    name: _Text | None = Field(None, description="Name that people read.")
    channel: ChannelReference | None = Field(
        None,
        examples=["pv.generation"],
        description=(
            "Channel that measures what is generated for this facility, as device.channel. Give"
            " this, share, or neither: then it supplies what its certificates say."
        ),
    )
    share: _Share | None = Field(
        None, examples=[40], description="Percent of the load that it supplies, hour by hour."
    )
    certified: bool = Field(
        default=False,
        description=(
            "Whether, of a channel or share, only that counts which retired certificates name."
        ),
    )
    technology: Technology = Field(
        examples=["wind"], description="What makes the electricity; mix: several."
    )
    zone: GridZone | None = Field(
        None,
        examples=["AT"],
        description="Grid or bidding zone that feeds it in. Default: that of the facility.",
    )
    factor: Slug | None = Field(
        None,
        description=(
            "Factor of this file, an imported or a built-in one, that says what it emits. Default:"
            " nothing, which gas, coal, oil and mix may not leave it at."
        ),
    )
    from_: Day | None = Field(
        None, alias="from", description="First day of the contract. Default: always."
    )
    to: Day | None = Field(
        None, description="Day after the contract's last one. Default: until further notice."
    )
    citation: _Text | None = Field(
        None, examples=["PPA 2025/17"], description="Where the contract stands."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Contract:
        if self.from_ and self.to and self.to <= self.from_:
            raise ValueError(f"contract {self.id} does not end after it begins")
        if self.technology in EMITTING and self.factor is None:
            raise ValueError(
                f"contract {self.id}: {self.technology} emits CO2; name its factor, kg per kWh"
            )
        if self.channel is not None and self.share is not None:
            raise ValueError(f"contract {self.id} has either channel or share")
        return self

    @property
    def is_told_by_certificates(self) -> bool:
        """Whether nothing but certificates says what it supplies."""
        return self.channel is None and self.share is None


class Certificate(Part):
    """A certificate of origin that was retired for this facility."""

    id: CertificateId = Field(
        examples=["643002406000000000000000000001"],
        description="Number of the certificate, as its registry writes it.",
    )
    contract: Slug = Field(
        examples=["wind-park"], description="Contract that it belongs to: how it was made, where."
    )
    hour: Instant | None = Field(
        None,
        examples=["2026-03-01T12:00:00Z"],
        description="Start of the hour that it was made in. Give this or month.",
    )
    month: Month | None = Field(
        None,
        examples=["2026-03"],
        description="Month that it was made in, in the facility's time zone.",
    )
    mwh: _Energy = Field(examples=[1], description="MWh that it is for.")
    retired: Day | None = Field(
        None,
        examples=["2026-04-02"],
        description="Day of its retirement, from which on it counts. Default: not yet.",
    )
    registry: _Text | None = Field(
        None, examples=["E-Control"], description="Registry that it was retired in."
    )

    @model_validator(mode="after")
    def _has_one_time(self) -> Certificate:
        if (self.hour is None) == (self.month is None):
            raise ValueError(f"certificate {self.id} has either hour or month")
        if self.hour is not None and to_us(self.hour) % HOUR_US:
            raise ValueError(f"certificate {self.id}: hour is the start of a whole hour of UTC")
        return self

    @property
    def key(self) -> str:
        """Return its number without what people write differently."""
        return certificate_key(self.id)


def certificate_key(number: str) -> str:
    """Return a certificate's number as it is compared: no blanks, small letters."""
    return re.sub(r"\s+", "", number).casefold()


class Storage(Part):
    """A battery or the like: what it gives back emits what its charging did."""

    id: Slug = Field(
        examples=["battery"], description="Name of the storage, unique within the facility. A slug."
    )
    charge: ChannelReference = Field(
        examples=["battery.charged"],
        description="Channel that measures what goes in, as device.channel.",
    )
    discharge: ChannelReference = Field(
        examples=["battery.discharged"],
        description="Channel that measures what comes out, as device.channel.",
    )
    efficiency: Annotated[float, Field(gt=0), Within(lowest=1, highest=100)] = Field(
        examples=[85], description="Percent of what goes in that can come out."
    )
    from_: Day = Field(
        alias="from",
        examples=["2026-01-01"],
        description="First day, in the facility's time zone; it is empty then.",
    )
    contract: Slug | None = Field(
        None,
        examples=["pv"],
        description=(
            "Contract with a channel whose generation it stores, before that reaches the"
            " facility's meter. Default: it stands behind the meter, which measures its charging."
        ),
    )

    @model_validator(mode="after")
    def _has_two_channels(self) -> Storage:
        if self.charge == self.discharge:
            raise ValueError(
                f"storage {self.id}: charge and discharge are two channels, one for each way"
            )
        return self

    @property
    def channels(self) -> tuple[str, str]:
        """Return its channels."""
        return self.charge, self.discharge


class GridShare(Part):
    """What of the grid's electricity is carbon-free, from a day on."""

    percent: _Percent = Field(
        examples=[78.2], description="Percent of the grid's electricity that is carbon-free."
    )
    from_: Day | None = Field(
        None, alias="from", description="First day, in the facility's time zone. Default: always."
    )
    citation: _Text | None = Field(
        None, examples=["transmission operator 2025"], description="Where the figure stands."
    )


class Electricity(Part):
    """How the electricity of scope 2 was bought."""

    zone: GridZone | None = Field(
        None, examples=["AT"], description="Grid or bidding zone that the facility takes it from."
    )
    match: Annotated[
        tuple[MatchRule, ...],
        BeforeValidator(
            lambda value: [{"policy": value}] if isinstance(value, str) else value,
            json_schema_input_type=MatchName | list[MatchRule],
        ),
        at_most(100),
    ] = Field(
        (),
        examples=["hourly"],
        description=(
            "Rule by which contracts are matched with the load, or a list of rules, each from its"
            " day on. Default: hourly."
        ),
    )
    sources: Annotated[tuple[Slug, ...], at_most(10_000)] = Field(
        (),
        examples=[["grid"]],
        description=(
            "Sources that are electricity. Default: all of scope 2 whose activity is energy."
        ),
    )
    contracts: Annotated[tuple[Contract, ...], at_most(1000)] = Field(
        (), description="What is contracted; the first supplies first."
    )
    storage: Annotated[tuple[Storage, ...], at_most(100)] = Field(
        (), description="Batteries and the like, on the site or of a contract."
    )
    certificates: Annotated[tuple[Certificate, ...], at_most(10_000)] = Field(
        (), description="Certificates that were retired; none counts twice, for whomever."
    )
    grid_carbon_free: Annotated[tuple[GridShare, ...], at_most(1000)] = Field(
        (),
        description=(
            "What of the grid's electricity is carbon-free, for the CFE score. Default: no score."
        ),
    )

    @model_validator(mode="after")
    def _names_each_once(self) -> Electricity:
        for name, keys in (
            ("contracts", [contract.id for contract in self.contracts]),
            ("storage", [storage.id for storage in self.storage]),
            ("certificates", [certificate.key for certificate in self.certificates]),
            ("match", [str(rule.from_) for rule in self.match]),
            ("grid_carbon_free", [str(share.from_) for share in self.grid_carbon_free]),
        ):
            twice = [key for key, count in Counter(keys).items() if count > 1]
            if twice and name in {"match", "grid_carbon_free"}:
                raise ValueError(f"two entries of {name} hold from the same day on")
            if twice and name == "certificates":
                raise ValueError(f"certificate {twice[0]} stands twice: it counts once")
            if twice:
                raise ValueError(f"{twice[0]!r} stands twice among the {name}")
        return self

    @property
    def policies(self) -> list[DatedPolicy]:
        """Return the rules of matching in the order in which they begin."""
        rules = sorted(self.match, key=lambda rule: rule.from_ or date.min)
        dated = [DatedPolicy(policy=POLICIES[rule.policy], first=rule.from_) for rule in rules]
        return dated or [DatedPolicy(policy=POLICIES["hourly"])]

    @property
    def grid_shares(self) -> list[GridShare]:
        """Return the grid's shares in the order in which they begin."""
        return sorted(self.grid_carbon_free, key=lambda share: share.from_ or date.min)

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the channels whose amounts contracts and storages take."""
        return tuple(
            dict.fromkeys(
                (
                    *(c.channel for c in self.contracts if c.channel is not None),
                    *(channel for storage in self.storage for channel in storage.channels),
                )
            )
        )

    @property
    def factors(self) -> tuple[str, ...]:
        """Return the factors that contracts name."""
        named = (contract.factor for contract in self.contracts)
        return tuple(dict.fromkeys(factor for factor in named if factor is not None))
