"""Codes by which people say why an alert fired, and what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Self

from pydantic import Field, StringConstraints, model_validator

from services.core.facility.fields import Part, Slug, at_most


class AlertCode(Part):
    """One code, and what people read."""

    code: Slug = Field(examples=["start-up"], description="The code, a slug.")
    text: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        examples=["Start-up of the unit"], description="What people read."
    )


def _coded(texts: dict[str, str]) -> tuple[AlertCode, ...]:
    return tuple(AlertCode(code=code, text=text) for code, text in texts.items())


_REASONS: Final = _coded(
    {
        "start-up": "Start-up",
        "shut-down": "Shut-down",
        "load-change": "Change of load",
        "process-upset": "Upset of the process",
        "fuel-change": "Change of fuel or material",
        "abatement-failure": "Failure of an abatement system",
        "calibration": "Calibration or maintenance of the instrument",
        "instrument-fault": "Fault of the instrument",
        "communication-fault": "Fault of the communication",
        "planned-work": "Planned work",
        "other": "Other",
    }
)
_ACTIONS: Final = _coded(
    {
        "none-needed": "None needed",
        "watched": "Watched until it ended",
        "load-reduced": "Load reduced",
        "unit-stopped": "Unit stopped",
        "process-adjusted": "Process adjusted",
        "instrument-repaired": "Instrument repaired or replaced",
        "communication-restored": "Communication restored",
        "maintenance-requested": "Maintenance requested",
        "authority-informed": "Authority informed",
        "other": "Other",
    }
)


class AlertCodes(Part):
    """The codes of a facility; a list that is stated replaces the one that tonne ships."""

    reasons: Annotated[tuple[AlertCode, ...], at_most(200)] = Field(
        _REASONS,
        examples=[[{"code": "kiln-start", "text": "Start of the kiln"}]],
        description="Why an alert fired. Default: start-up, instrument-fault, ..., other.",
    )
    actions: Annotated[tuple[AlertCode, ...], at_most(200)] = Field(
        _ACTIONS,
        examples=[[{"code": "feed-cut", "text": "Feed cut"}]],
        description="What was done. Default: none-needed, load-reduced, ..., other.",
    )

    @model_validator(mode="after")
    def _codes_are_unique(self) -> Self:
        for name, listed in (("reasons", self.reasons), ("actions", self.actions)):
            codes = [entry.code for entry in listed]
            twice = sorted({code for code in codes if codes.count(code) > 1})
            if twice:
                raise ValueError(f"{name}: {', '.join(twice)} is listed twice")
        return self

    @property
    def by_kind(self) -> Mapping[str, Sequence[AlertCode]]:
        """The codes by what they are: ``reason``, ``action``."""
        return {"reason": self.reasons, "action": self.actions}


def alert_codes(document: Any) -> AlertCodes:
    """Return the codes of a facility by ``alert_codes`` of its file; None: those of tonne."""
    return AlertCodes() if document is None else AlertCodes.model_validate(document)
