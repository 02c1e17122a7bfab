"""The language of an organisation's file: which facilities belong to it, and its path."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from services.core.facility.fields import Part, Slug, Within, at_most
from services.core.facility.pathway import ScopePath

_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Member(Part):
    """A facility of an organisation."""

    id: Slug = Field(examples=["linz"], description="Id of the facility.")
    joined: date | None = Field(
        None, examples=["2026-01-01"], description="First day on which it belongs. Default: always."
    )
    left: date | None = Field(
        None, examples=["2026-07-01"], description="First day on which it belongs no longer."
    )
    built: Annotated[int, Within(lowest=1990, highest=2150)] | None = Field(
        None, examples=[2025], description="Year before which it was not there and emitted nothing."
    )

    @model_validator(mode="after")
    def _leaves_after_it_joined(self) -> Self:
        if self.joined is not None and self.left is not None and self.left <= self.joined:
            raise ValueError("left is not after joined")
        return self

    def belongs(self, day: date) -> bool:
        """Return whether it belongs to the organisation on a day."""
        return (self.joined is None or self.joined <= day) and not self.has_left(day)

    def has_left(self, day: date) -> bool:
        """Return whether it belonged to the organisation before a day, and no longer does."""
        return self.left is not None and self.left <= day

    def was_there(self, year: int) -> bool:
        """Return whether it can have emitted anything in a year."""
        return self.built is None or year >= self.built


class Organisation(Part):
    """What an organisation is called."""

    id: Slug = Field(examples=["group"], description="Name in the API. A slug.")
    name: _Name = Field(examples=["Steel group"], description="Name that people read.")


class OrganisationFile(Part):
    """A whole organisation file."""

    organisation: Organisation = Field(
        examples=[{"id": "group", "name": "Steel group"}], description="Its id and name."
    )
    facilities: Annotated[tuple[Member, ...], at_most(10_000)] = Field(
        examples=[[{"id": "linz"}]], min_length=1, description="Facilities that belong to it."
    )
    pathway: Annotated[tuple[ScopePath, ...], at_most(3)] = Field(
        (), description="What each scope of all of them may emit in each year; as in a facility."
    )

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        twice = [name for name, n in Counter(m.id for m in self.facilities).items() if n > 1]
        if twice:
            raise ValueError(f"{min(twice)} stands twice among the facilities")
        scopes = [scope for scope, n in Counter(p.scope for p in self.pathway).items() if n > 1]
        if scopes:
            raise ValueError(f"there are two paths of scope {min(scopes)}: a scope has one")
        return self
