"""What a facility file may say of removals and credits: measured by a source, or stated."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from services.core.facility.fields import Day, Part, Slug, Within

#: Out of the air; in biomass; or out of a stack, of which only what is from biomass is a removal.
RemovalKind = Literal["dac", "biogenic", "ccs"]

#: Where something is shown: a link, or the name of a document.
Document = Annotated[str, StringConstraints(min_length=1, max_length=2000)]

_Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
_Tonnes = Annotated[float, Field(gt=0), Within(lowest=1e-6, highest=1e12)]
_Unit = Annotated[int, Within(lowest=0, highest=2**62)]
_Scope = Literal[1, 3]

#: Every unit of a serial.
ALL_UNITS: Final = (0, 2**62)

_KIND = (
    "dac: captured from the air. biogenic: carbon of biomass that is stored. ccs: captured from a"
    " stack, of which only the part from biomass is a removal, the rest is stored fossil CO2."
)
_PERMANENT = (
    "Whether the store keeps the CO2 for good by its evidence, as rock does and a forest does not."
    " Default: no."
)
_DOCUMENT = "Where it is shown: a link, or the name of a certificate or report."


class MeasuredRemoval(Part):
    """What a source that removes CO2 does with it."""

    kind: RemovalKind = Field(examples=["dac"], description=_KIND)
    permanent: bool = Field(False, description=_PERMANENT)
    document: Document = Field(
        examples=["https://example.org/storage-permit.pdf"], description=_DOCUMENT
    )


class StatedRemoval(Part):
    """CO2 that was removed by what a document says, without a meter of tonne."""

    id: Slug = Field(examples=["biochar-2026-q1"], description="Name of the entry. A slug.")
    scope: _Scope = Field(
        1, description="1: the facility's own. 3: somebody else's in its value chain."
    )
    kind: RemovalKind = Field(examples=["biogenic"], description=_KIND)
    tonnes: _Tonnes = Field(
        examples=[120.5],
        description="t of CO2 out of the air or out of biomass; of ccs the part from biomass.",
    )
    from_: Day = Field(
        alias="from",
        examples=["2026-01-01"],
        description="First day of the period in which it was removed, evenly.",
    )
    to: Day = Field(examples=["2026-04-01"], description="First day after the period.")
    permanent: bool = Field(False, description=_PERMANENT)
    document: Document = Field(
        examples=["https://example.org/biochar-2026-q1.pdf"], description=_DOCUMENT
    )

    @model_validator(mode="after")
    def _has_a_period(self) -> StatedRemoval:
        if self.to <= self.from_:
            raise ValueError("to must come after from; it is the first day after the period")
        return self


class UnitRange(Part):
    """Some units of a serial, as registries number them."""

    first: _Unit = Field(examples=[1001], description="Number of the first unit.")
    last: _Unit = Field(examples=[1500], description="Number of the last unit.")

    @model_validator(mode="after")
    def _is_in_order(self) -> UnitRange:
        if self.last < self.first:
            raise ValueError("last is the greater number of a range of units")
        return self


class Credit(Part):
    """Credits that were retired in a registry for the facility."""

    id: Slug = Field(examples=["retirement-2026"], description="Name of the entry. A slug.")
    registry: _Text = Field(
        examples=["Verra"], description="Registry in which they were retired, by its name."
    )
    serial: _Text = Field(
        examples=["9608-113-VCS-VCU-1-VER-CN-14-2024"],
        description=(
            "Serial number there. The same one, or the same units of it, is refused a second time,"
            " by whichever facility."
        ),
    )
    units: UnitRange | None = Field(
        None, description="Units of the serial that were retired. Default: all."
    )
    vintage: Annotated[int, Within(lowest=1990, highest=2200)] = Field(
        examples=[2024], description="Year in which they were issued for."
    )
    retired_on: Day = Field(examples=["2026-02-01"], description="Day of the retirement.")
    tonnes: _Tonnes = Field(examples=[500], description="t of CO2e.")
    kind: Literal["removal", "avoidance"] = Field(
        examples=["avoidance"],
        description="Whether CO2 was removed for them, or somebody emitted less.",
    )
    scope: Literal[1, 2, 3] = Field(
        1, description="Scope whose residual they are meant for, where a path lets them count."
    )
    document: Document = Field(
        examples=["https://example.org/retirement-2026"], description=_DOCUMENT
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Credit:
        if self.vintage > self.retired_on.year:
            raise ValueError(
                f"credit {self.id} of vintage {self.vintage} cannot be retired on"
                f" {self.retired_on}: what they are for had not happened yet"
            )
        if self.units is not None and self.tonnes > self.units.last - self.units.first + 1:
            raise ValueError(
                f"credit {self.id}: {self.tonnes:g} t are more than units {self.units.first} to"
                f" {self.units.last}, of which each is one tonne of CO2e"
            )
        return self

    @property
    def unit_range(self) -> tuple[int, int]:
        """First and last unit."""
        return ALL_UNITS if self.units is None else (self.units.first, self.units.last)

    @property
    def key(self) -> tuple[str, str]:
        """Registry and serial as they are compared: however somebody wrote them."""
        return "".join(self.registry.split()).casefold(), "".join(self.serial.split()).casefold()
