"""One more figure of a total, put into a copy of the product: what a developer would write.

``trial_ug`` is a trial: half of the CO2 of activity data, none of a stack's. The edits are all
that the product needs; the recipe in CONTRIBUTING.md names the same files.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.repository.files import ROOT

_VERSIONS = ROOT / "services/core/store/schema/migrations/versions"

#: By file: what stands there, and what is put before it.
EDITS: dict[str, list[tuple[str, str]]] = {
    "core/store/schema/figures.py": [
        (
            ")\n\n#: Every figure",
            """\
    Mass(
        name="trial_ug",
        in_kg="trial_kg",
        answer="co2_trial_kg",
        comment="half of co2_ug",
        closing_adds=False,
        later=True,
    ),
""",
        ),
    ],
    "core/accounting/methods.py": [
        ("    market_kg: NDArray", "    trial_kg: NDArray[np.float64]\n"),
        (
            "            market_kg=activity *",
            "            trial_kg=activity * per_unit.trial_kg,\n",
        ),
        ("co2_biogenic_kg=biogenic, known", "trial_kg=co2 / 2, "),
        ("            market_kg=co2,", "            trial_kg=np.zeros_like(co2),\n"),
    ],
    "api/models/models.py": [
        (
            "    co2_biogenic_kg: float | None",
            "    co2_trial_kg: float | None = Field(examples=[1.5])\n",
        ),
        (
            "    old_co2_market_kg: float | None",
            "".join(
                f"    {which}_co2_trial_kg: float | None = Field(examples=[1.5])\n"
                for which in ("old", "new")
            ),
        ),
    ],
}

_MIGRATION = '''"""The trial figure of every total."""

import sqlalchemy as sa
from alembic import op

from services.core.store.schema import ddl

revision = "trial"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Totals so far have none."""
    for table, type_, comment in (
        ("emission_minute", sa.BigInteger(), "half of co2_ug"),
        ("emission_hour", sa.BigInteger(), None),
        ("emission_hour_history", sa.BigInteger(), None),
        ("rolling_total", sa.Numeric(30, 0), None),
        ("following_minutes", sa.Double(), None),
    ):
        name = "trial_kg" if table == "following_minutes" else "trial_ug"
        column = sa.Column(name, type_, nullable=False, server_default="0", comment=comment)
        op.add_column(table, column)
    op.execute("DROP VIEW minute_in_force")
    ddl.create_views(op.get_bind())
'''


def copy_with_it(into: Path) -> list[str]:
    """Copy the product, add the figure; return the product files that it took."""
    shutil.copytree(
        ROOT / "services", into / "services", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name, edits in EDITS.items():
        path = into / "services" / name
        text = path.read_text(encoding="utf-8")
        for stands, before in edits:
            assert stands in text, f"{name}: {stands!r} is not there any more; change the trial"
            text = text.replace(stands, before + stands)
        path.write_text(text, encoding="utf-8")
    head = max(path.name[:4] for path in _VERSIONS.glob("[0-9]*.py"))
    migration = "core/store/schema/migrations/versions/9999_trial.py"
    (into / "services" / migration).write_text(_MIGRATION.replace("{head}", head), encoding="utf-8")
    return [*EDITS, migration]
