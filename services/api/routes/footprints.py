"""``/v1/footprints``: product carbon footprints, as the PACT data model 3.0 has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader
from services.api.context import Context, InContext
from services.api.http.gathered import combined_answer, not_here
from services.api.http.intervals import DAILY, cut
from services.api.http.parameters import FacilityList, Instant, SlugList, TimeSpan
from services.api.http.problems import InvalidRequest, NotFound, documented
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch
from services.api.models.footprints import Footprints, MissingFootprint, ProductFootprint
from services.api.routes.answer_validators import emissions_validator
from services.api.routes.asked import asked
from services.api.routes.footprint_body import FootprintError, check_coverage, footprint_of
from services.api.routes.intensity_reading import ProductSum
from services.api.routes.product_sums import product_sums
from services.core.accounting.intensity.ratio import REASONS
from services.core.accounting.pathway.peak import LEAST_COVERAGE
from services.core.facility.model import Product
from services.core.store.answers.buckets import Bucket
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.footprint_factors import footprint_factors
from services.core.store.registry.products import products

router = APIRouter(tags=["intensity"])

_YEAR: Final = timedelta(days=365)
#: No methodology takes older data into a footprint.
_MAX_DAYS: Final = 1100


class FootprintsQuery(TimeSpan):
    """Parameters of ``GET /v1/footprints``."""

    from_: Instant | None = Field(
        None,
        alias="from",
        description="start of the reference period, inclusive; default: 365 days before `to`",
        examples=["2026-01-01T00:00:00Z"],
    )
    facility: FacilityList = Field([])
    product: SlugList = Field([], description="product ids; none: all", examples=[["billets"]])
    min_coverage: float = Field(
        LEAST_COVERAGE,
        ge=0,
        le=1,
        description="share of the period for which emissions, and production, have to be known; a"
        " product of less is among `missing`",
        examples=[0.9],
    )

    def period(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the reference period that is asked for; by default the newest 365 days."""
        ends = min(self.to or now, now)
        begins = self.from_ or ends - _YEAR
        if begins >= ends or (ends - begins).days > _MAX_DAYS:
            raise InvalidRequest(
                f"the reference period of a footprint lies in the past and has {_MAX_DAYS} days at"
                " most; a year is usual"
            )
        return begins, ends


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parts:
    """What an answer has of one facility, and how much has to be known of a footprint."""

    facility: str
    footprints: list[ProductFootprint]
    missing: list[MissingFootprint]
    min_coverage: float


@router.get(
    "/v1/footprints",
    summary="Export footprints of products",
    response_model=Footprints,
    response_model_exclude_none=True,
    responses={
        200: {
            "description": "A footprint of each product with `footprint` in its facility file, over"
            " the whole days of local time that share time with the span, in the form of the PACT"
            " data model 3.0: `data` is what a host system sends as the answer of `/3/footprints`."
            " `missing` are products of which none can be told, or of whose period too little is"
            " known."
        }
    }
    | documented(NotFound)
    | NOT_MODIFIED,
)
async def get_footprints(
    request: Request,
    context: InContext,
    who: Reader,
    query: Annotated[FootprintsQuery, FromQuery()],
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Export product footprints as JSON."""
    now = context.clock.now()
    begins, ends = query.period(now)
    of_call = await asked(
        context,
        who,
        query.facility,
        None,
        lambda connection, facilities: emissions_validator(
            connection, request, facilities, begins, ends, longest=2 * DAILY.mean, now=now
        ),
    )
    if unchanged := of_call.not_modified(if_none_match):
        return unchanged
    ids = [facility.id for facility in of_call.facilities]
    named = await context.database.read_in_thread(lambda c: products(c, ids, None))
    unknown = not_here(
        set(query.product) - {product.id for of_one in named.values() for product in of_one}
    )
    if unknown:
        raise NotFound(f"There is no product {min(unknown)}; facility files name products.")
    read: list[_Parts] = []
    for facility in of_call.facilities:
        chosen = [
            product
            for product in named.get(facility.id, ())
            if product.footprint is not None and (not query.product or product.id in query.product)
        ]
        parts = _Parts(
            facility=facility.slug, footprints=[], missing=[], min_coverage=query.min_coverage
        )
        await _add(context, facility, chosen, (begins, ends), now, parts)
        read.append(parts)
    return await combined_answer(read, _answer, of_call.headers)


async def _answer(databases: Sequence[Sequence[_Parts]], headers: Mapping[str, str]) -> Response:
    """Answer with the footprints of each facility, one facility after the other."""
    facilities = sorted((one for read in databases for one in read), key=lambda one: one.facility)
    body = Footprints(
        data=[footprint for parts in facilities for footprint in parts.footprints],
        missing=[missing for parts in facilities for missing in parts.missing],
    )
    return Response(
        body.model_dump_json(by_alias=True, exclude_none=True),
        media_type="application/json",
        headers=dict(headers),
    )


async def _add(
    context: Context,
    facility: FacilityRow,
    chosen: Sequence[Product],
    between: tuple[datetime, datetime],
    now: datetime,
    parts: _Parts,
) -> None:
    """Add the footprints of a facility's products."""
    days = cut(DAILY, *between, timezone=facility.timezone, limit=_MAX_DAYS + 2)
    if not chosen:
        return
    sums = await product_sums(context, facility, chosen, days, DAILY, now=now, as_of=None)
    zone = ZoneInfo(facility.timezone)
    period = Bucket(begins=days[0].begins, ends=days[-1].ends)
    for product in chosen:
        if sums is None:
            error = FootprintError("no-sources", REASONS["no-sources"])
            parts.missing.append(_missing(facility, product, error, None))
            continue
        product_sum = sums.sum_of(product, period)
        sources = [listed.source.id for listed, _ in product_sum.shared]
        used = await context.database.read_in_thread(
            partial(
                footprint_factors,
                source_ids=sources,
                first=period.begins.astimezone(zone).date(),
                last=period.ends.astimezone(zone).date(),
            )
        )
        try:
            footprint = footprint_of(facility, product, period, sums, product_sum, used, now)
            check_coverage(product_sum, parts.min_coverage)
            parts.footprints.append(footprint)
        except FootprintError as error:
            parts.missing.append(_missing(facility, product, error, product_sum))


def _missing(
    facility: FacilityRow,
    product: Product,
    error: FootprintError,
    product_sum: ProductSum | None,
) -> MissingFootprint:
    return MissingFootprint(
        facility=facility.slug,
        product=product.id,
        code=error.code,
        reason=str(error),
        coverage=None if product_sum is None else product_sum.coverage,
        production_coverage=None if product_sum is None else product_sum.production_coverage,
    )
