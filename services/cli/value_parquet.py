"""Values of factors by the hour as a Parquet file; pyarrow is an extra of the package."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from services.cli.errors import failure
from services.cli.files import read_path
from services.core.facility.errors import FacilityFileError, Problem
from services.core.facility.value_file import FactorValues, from_columns


def read_values_of_parquet(
    path: Path, now: datetime, factor: str | None, *, max_bytes: int
) -> dict[str, FactorValues] | None:
    """Read a file of values; None: it has errors, which were printed.

    :raises typer.Exit: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - 170 MB, for who has such a file
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise failure(
            "Parquet needs pyarrow, which is not installed; install tonne with its extra parquet,"
            " or import a CSV"
        ) from None

    def read() -> dict[str, FactorValues]:
        try:
            table = pq.read_table(path)
        except pa.ArrowInvalid as error:
            raise FacilityFileError([Problem(line=1, message=f"not Parquet: {error}")]) from None
        for i, column in enumerate(table.schema):
            # a time without a zone is one of UTC, as the archive has it
            if pa.types.is_timestamp(column.type):
                utc = table.column(i).cast(pa.timestamp("us", tz="UTC"))
                table = table.set_column(i, column.name, utc)
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        return from_columns(columns, now, factor)

    return read_path(path, read, max_bytes=max_bytes, setting="TONNE_VALUE_FILE_BYTES")
