"""Every generated page, by its file name."""

from __future__ import annotations

from pathlib import Path

from deploy.reference import (
    accounting,
    audit,
    bounds,
    command_line,
    database,
    decisions,
    devices,
    facility,
    factors,
    http,
    licences,
    mapping_keys,
    metrics,
    quarantine,
    roles,
    settings,
)
from services.core.facility.schema import schema_text

#: Where the documentation is kept.
DOCUMENTATION = Path(__file__).parents[1] / "docs"


def pages() -> dict[str, str]:
    """Return the text of each page by its path below the documentation."""
    reference = {
        "facility-file.md": facility.page_of_facility_file(),
        "mapping-keys.md": mapping_keys.page_of_mapping_keys(),
        "table-file.md": facility.page_of_table_file(),
        "activity-table.md": facility.page_of_activity_table(),
        "settings.md": settings.page_of_settings(),
        "cli.md": command_line.page_of_commands(),
        "http-api.md": http.page_of_calls(),
        "errors.md": http.page_of_problems(),
        "bounds.md": bounds.page_of_bounds(),
        "licences.md": licences.page_of_licences(),
        "metrics.md": metrics.page_of_metrics(),
        "audit.md": audit.page_of_actions(),
        "roles.md": roles.page_of_roles(),
        "quarantine-reasons.md": quarantine.page_of_reasons(),
        "database.md": database.page_of_tables(),
        "factors.md": factors.page_of_factors(),
        "units.md": accounting.page_of_units(),
        "equations.md": accounting.page_of_equations(),
    }
    return {
        "reference/facility.schema.json": schema_text(),
        "adr/index.md": decisions.page_of_decisions(),
        **{f"reference/{name}": text for name, text in reference.items()},
        **{f"howto/devices/{name}": text for name, text in devices.pages_of_devices().items()},
    }
