"""What most lists begin and end with: as of when, of which facilities, and who has it already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.auth import Principal, retired_header, visible_facilities
from services.api.context import Context
from services.api.http.validators import Validator
from services.core.store.answers.facility_queries import FacilityRow

#: Builds the validator of an answer about facilities.
Validate = Callable[[AsyncConnection, Sequence[FacilityRow]], Awaitable[Validator]]


def moment(context: Context, as_of: datetime | None) -> tuple[datetime, datetime | None]:
    """Return the instant up to which is answered, and ``as_of``, which lies no later than now."""
    now = context.clock.now()
    if as_of is None:
        return now, None
    return min(now, as_of), min(now, as_of)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The facilities of an answer, and how its caller tells whether it changed."""

    facilities: Sequence[FacilityRow]
    #: those that the call names
    named: Sequence[str]
    #: None: answers about the past have none
    validator: Validator | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the answer."""
        return {
            **retired_header(self.facilities, self.named),
            **(self.validator.headers if self.validator else {}),
        }

    def not_modified(self, if_none_match: str) -> Response | None:
        """Answer that the caller has it; None: he has not."""
        if self.validator is None or not self.validator.holds(if_none_match):
            return None
        return self.validator.not_modified()


async def asked(
    context: Context,
    who: Principal,
    named: Sequence[str],
    as_of: datetime | None,
    validate: Validate,
) -> Asked:
    """Read the facilities that a call is of, and what its answer follows from.

    :raises NotFound: one of ``named`` does not exist for this key.
    """
    facilities = await visible_facilities(context, who, named)
    validator = None
    if as_of is None:
        async with context.database.read() as connection:
            validator = await validate(connection, facilities)
    return Asked(facilities=facilities, named=named, validator=validator)
