"""What a facility file may say of removals: of a source that measures them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from services.core.facility.fields import Part

#: Out of the air; in biomass; or out of a stack, of which only what is from biomass is a removal.
RemovalKind = Literal["dac", "biogenic", "ccs"]

#: Where something is shown: a link, or the name of a document.
Document = Annotated[str, StringConstraints(min_length=1, max_length=2000)]

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
