"""One more figure of a total, put into a copy of the product: what a developer would write.

``trial_ug`` is a mass on trial: half of the CO2 of activity data, none of a stack's; ``trial_ms`` a
time: half of what is covered by activity data and not estimated. The edits are all that the product
needs; the recipe in CONTRIBUTING.md names the same files.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.core.store.database.schema_version import newest_revision
from tests.repository.files import ROOT

#: By file: what stands there, and what is put before it.
Edits = dict[str, list[tuple[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one more figure takes: edits of product files, and a migration with its columns."""

    name: str
    #: of its migration; what connects compares it with the files
    number: str
    edits: Edits
    #: table, type and column
    columns: tuple[tuple[str, str, str], ...]

    @property
    def migration(self) -> str:
        return f"core/store/schema/migrations/versions/{self.number}_{self.name}.py"

    @property
    def files(self) -> list[str]:
        return [*self.edits, self.migration]


_MASS_OF_A_ROW = (
    "    co2_biogenic_kg: float | None",
    "    co2_trial_kg: float | None = Field(examples=[1.5])\n",
)

_MASS_EDITS: Edits = {
    "core/store/schema/figures.py": [
        (
            ")\n\n#: Every figure",
            """\
    Mass(
        name="trial_ug",
        in_kg="trial_kg",
        answer="co2_trial_kg",
        comment="half of co2_ug",
        closing=None,
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
        ("            market_kg=figures.", "            trial_kg=figures.co2_kg / 2,\n"),
        ("            market_kg=co2,", "            trial_kg=np.zeros_like(co2),\n"),
    ],
    "api/models/live.py": [
        _MASS_OF_A_ROW,
        (
            "    co2_biogenic_kg_h: float | None",
            "    co2_trial_kg_h: float | None = Field(examples=[1.5])\n",
        ),
    ],
    "api/models/explanation.py": [_MASS_OF_A_ROW],
    "api/models/emissions.py": [
        _MASS_OF_A_ROW,
        (
            "    old_co2_market_kg: float | None",
            "".join(
                f"    {which}_co2_trial_kg: float | None = Field(examples=[1.5])\n"
                for which in ("old", "new")
            ),
        ),
    ],
}

_TIME_EDITS: Edits = {
    "core/store/schema/figures.py": [
        (
            ")\n\n#: A minute's share of what closing",
            """\
    Time(
        name="trial_ms",
        in_us="trial_us",
        share="trial",
        comment="half of what is covered and not estimated",
        later=True,
    ),
""",
        ),
    ],
    "core/accounting/methods.py": [
        ("    estimated_us: NDArray", "    trial_us: NDArray[np.int64]\n"),
        (
            "            estimated_us=np.where(",
            (
                "            trial_us=np.where(per_unit.known, covered, 0) // 2\n"
                "            - np.where(per_unit.known, channel.estimated_at(minutes), 0) // 2,\n"
            ),
        ),
        ("            estimated_us=np.minimum(", "            trial_us=np.zeros_like(covered),\n"),
    ],
    "api/models/live.py": [
        ("    missing: float", "    trial: float = Field(examples=[0.5])\n"),
    ],
    "api/models/emissions.py": [
        ("    share_missing: float", "    share_trial: float = Field(examples=[0.5])\n"),
    ],
}

MASS = Trial(
    name="trial_mass",
    number="9998",
    edits=_MASS_EDITS,
    columns=(
        ("emission_minute", "sa.BigInteger()", "trial_ug"),
        ("emission_hour", "sa.BigInteger()", "trial_ug"),
        ("emission_hour_history", "sa.BigInteger()", "trial_ug"),
        ("emission_day", "sa.BigInteger()", "trial_ug"),
        ("emission_month", "sa.BigInteger()", "trial_ug"),
        ("rolling_total", "sa.Numeric(30, 0)", "trial_ug"),
        ("following_minutes", "sa.ARRAY(sa.Double())", "trial_kg"),
    ),
)

TIME = Trial(
    name="trial_time",
    number="9999",
    edits=_TIME_EDITS,
    columns=(
        ("emission_minute", "sa.Integer()", "trial_ms"),
        ("emission_hour", "sa.Integer()", "trial_ms"),
        ("emission_hour_history", "sa.Integer()", "trial_ms"),
        ("emission_day", "sa.BigInteger()", "trial_ms"),
        ("emission_month", "sa.BigInteger()", "trial_ms"),
        ("rolling_total", "sa.BigInteger()", "trial_ms"),
    ),
)

_MIGRATION = '''"""A trial figure of every total."""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Totals so far have none."""
{columns}
    op.execute("DROP VIEW minute_in_force")
{view}'''

_COLUMN = """\
    op.add_column(
        "{table}", sa.Column("{name}", {type}, nullable=False, server_default="{none}")
    )
"""

#: The view and packed sums name every figure: they are made when all of them have their columns.
_VIEW = """\
    from services.core.store.schema import ddl
    from services.core.store.schema.sum_tables import PACKED_SUM

    ddl.create_views(op.get_bind())
    for table in ("emission_day", "emission_month"):
        op.drop_column(table, "packed")
        op.add_column(
            table,
            sa.Column(
                "packed",
                sa.LargeBinary(),
                sa.Computed(PACKED_SUM, persisted=True),
                nullable=False,
                comment="all of it as one value, for answers",
            ),
        )
"""


def copy_with(target: Path, trials: Sequence[Trial]) -> None:
    """Copy the product and add the figures."""
    shutil.copytree(
        ROOT / "services", target / "services", ignore=shutil.ignore_patterns("__pycache__")
    )
    before = newest_revision()
    for trial in trials:
        for name, edits in trial.edits.items():
            path = target / "services" / name
            text = path.read_text(encoding="utf-8")
            for stands, added in edits:
                assert stands in text, f"{name}: {stands!r} is not there; change the trial"
                text = text.replace(stands, added + stands)
            path.write_text(text, encoding="utf-8")
        is_last = trial is trials[-1]
        migration = _MIGRATION.format(
            number=trial.number,
            before=before,
            columns="".join(
                _COLUMN.format(
                    table=table,
                    type=type_,
                    name=column,
                    # of what minutes follow there is a list
                    none="{0}" if type_.startswith("sa.ARRAY") else "0",
                )
                for table, type_, column in trial.columns
            ),
            view=_VIEW if is_last else "",
        )
        if not is_last:
            migration = migration.replace('    op.execute("DROP VIEW minute_in_force")\n', "")
        (target / "services" / trial.migration).write_text(migration, encoding="utf-8")
        before = trial.number
