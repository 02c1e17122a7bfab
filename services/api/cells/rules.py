"""How each call is answered over several cells, by the name of its route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class AtHome:
    """The home cell answers: people, keys, documents, and what is the same in every cell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AtFacility:
    """The cell of the facilities that the request names answers, all of which live in one.

    Without a name it is the one cell that the caller's facilities live in.
    """

    #: of the body's members, which names them
    in_body: str | None = None
    #: whether no facility means every facility, which one cell cannot answer for
    needs_name: bool = False
    #: whether the call itself refuses to be without a name
    is_required: bool = False
    #: whether without a name the home cell answers, and hands on what is of other cells
    is_handed_on: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """All cells that are concerned answer, and their rows are put in order.

    Within one cell the order stays as it is.
    """

    #: columns that rows of different cells are ordered by; none: the call makes one answer of what
    #: it read in each
    by: tuple[str, ...] = ()
    descending: bool = False
    #: rows of the cells that answer are of use by themselves, and a header names what is missing
    may_lack: bool = False
    #: rows stay where they were written, wherever their facility lives by now
    stays: bool = False
    #: of rows that cells have alike by these columns, only the first cell's is answered for
    is_unique: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Sought:
    """The cell that has the row with the number that the path names answers."""

    number: str


Rule = AtHome | AtFacility | Merged | Sought

_HOME: Final = AtHome()
_BY_FACILITY: Final = Merged(by=("facility",))
_LISTED: Final = Merged(by=("facility",), may_lack=True)
_BY_TIME: Final = Merged(by=("time", "facility"))

RULES: Final[dict[str, Rule]] = {
    "get_facilities": Merged(by=("id",), may_lack=True),
    "get_overview": _LISTED,
    "get_devices": _LISTED,
    "get_monitors": _LISTED,
    "get_thresholds": _LISTED,
    "get_codes": _LISTED,
    "get_maintenance": Merged(by=("from",), may_lack=True),
    "get_alerts": Merged(by=("fired_at",), descending=True, may_lack=True),
    "get_courses": Merged(by=("alert",)),
    "get_audit": Merged(by=("time",), descending=True, may_lack=True, stays=True),
    "get_quarantine": Merged(by=("time",), descending=True, may_lack=True, stays=True),
    "get_candidates": Merged(by=("last_seen",), descending=True, may_lack=True),
    "get_annotations": Merged(by=("time", "title", "text"), may_lack=True),
    "get_emissions": _BY_TIME,
    "get_readings": _BY_TIME,
    "get_corrections": Merged(by=("time",)),
    "get_restatements": Merged(by=("time",)),
    "get_pollutants": _BY_TIME,
    "get_intensity": _BY_TIME,
    "get_limits": _BY_FACILITY,
    "get_removals": _BY_FACILITY,
    "get_forecast": _BY_FACILITY,
    "get_pathway": _BY_FACILITY,
    "get_pathway_years": _BY_FACILITY,
    "get_reports": _BY_FACILITY,
    "get_emission_report": Merged(),
    "get_footprints": Merged(),
    "get_cbam_report": _BY_FACILITY,
    "get_factor_shares": _BY_FACILITY,
    "get_electricity": _BY_TIME,
    "get_contracts": _BY_TIME,
    "get_storage": _BY_TIME,
    "get_organisations": Merged(by=("id",), may_lack=True, is_unique=True),
    "get_alert": Sought(number="alert"),
    "post_ack": Sought(number="alert"),
    "post_adopt": Sought(number="candidate"),
    "post_dismiss": Sought(number="candidate"),
    "get_replay": Sought(number="replay"),
    "post_replay": AtFacility(in_body="facility", needs_name=True),
    "put_readings": AtFacility(in_body="facility"),
    "post_readings": AtFacility(is_handed_on=True),
    **dict.fromkeys(
        ("get_live", "get_stream", "get_explain", "get_hj212", "get_china_month"),
        AtFacility(is_required=True),
    ),
    "post_values": AtFacility(needs_name=True),
    **dict.fromkeys(
        (
            "get_facility",
            "put_facility",
            "delete_facility",
            "get_facility_factors",
            "post_check",
            "post_edit",
            "get_versions",
            "get_version",
            "get_difference",
            "post_try",
            "post_import",
            "get_imports",
            "get_import",
            "delete_import",
            "put_import_content",
            "post_import_check",
            "post_import_take",
            "get_activities",
            "post_activities",
            "post_activity_withdrawal",
            "get_recipients",
            "post_test",
            "put_threshold",
            "delete_threshold",
            "put_maintenance",
            "delete_maintenance",
        ),
        AtFacility(),
    ),
    **dict.fromkeys(
        (
            "get_factors",
            "get_schema",
            "get_sign_in",
            "post_sign_in",
            "post_sign_out",
            "get_me",
            "put_password",
            "healthz",
            "readyz",
            "metrics",
            # they ask the cells for what their queries look at
            "get_prometheus_query",
            "post_prometheus_query",
            "get_prometheus_query_range",
            "post_prometheus_query_range",
            "get_prometheus_series",
            "post_prometheus_series",
            "get_prometheus_labels",
            "post_prometheus_labels",
            "get_prometheus_label_values",
            "get_prometheus_metadata",
            "get_prometheus_build",
        ),
        _HOME,
    ),
}


def rule_of(route: str) -> Rule:
    """Return how a call is answered; pages and documents are the home cell's."""
    return RULES.get(route, _HOME)
