"""Facilities and their sources, read again only where the registry changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.core.store.answers.answer_states import registry_revision
from services.core.store.answers.facility_queries import FacilityRow, facilities

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class _Known:
    """What was read of one revision, or a newer one."""

    def __init__(self, revision: int | None) -> None:
        self.revision = revision
        self.by_slug: dict[str, FacilityRow] = {}
        #: all are among them
        self.is_whole = False


class KnownFacilities:
    """Facilities as :func:`facilities` reads them: all that they show raises the revision."""

    def __init__(self) -> None:
        self._known = _Known(None)

    async def read(
        self,
        connection: AsyncConnection,
        *,
        only: Sequence[str] | None = None,
        revision: int | None = None,
    ) -> list[FacilityRow]:
        """Do as :func:`facilities` does.

        ``revision``: of the registry, read before on this connection; None: it is read here.
        """
        if revision is None:
            revision = await registry_revision(connection)
        if revision != self._known.revision:
            self._known = _Known(revision)
        # whoever finds another revision meanwhile keeps what he reads apart
        known = self._known
        if only is None:
            if not known.is_whole:
                known.by_slug = {row.slug: row for row in await facilities(connection)}
                known.is_whole = True
            return list(known.by_slug.values())
        absent = [] if known.is_whole else [slug for slug in only if slug not in known.by_slug]
        if absent:
            known.by_slug |= {row.slug: row for row in await facilities(connection, only=absent)}
        return [known.by_slug[slug] for slug in sorted(set(only)) if slug in known.by_slug]
