"""Let atheris look for input that breaks one target: ``python -m tests.fuzz NAME`` starts it.

What it finds on its way is kept in ``.tonne/fuzz``, so that the next run goes on from there. An
input that breaks a target is printed as a line for the target's file in ``tests/fuzz/corpus``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

_OF_INTEREST = [
    "services.api.admission",
    "services.api.languages.choice",
    "services.api.routes.send_readings",
    "services.core.facility",
    "services.core.runtime.reading_door",
    "services.ingest",
    "jmespath",
    "json",
    "openpyxl.reader",
    "openpyxl.worksheet",
]

with atheris.instrument_imports(include=_OF_INTEREST):
    from tests.fuzz.seeds import seeds
    from tests.fuzz.targets import TARGETS

_TOKENS = Path(__file__).parent / "tokens.dict"

#: An input may take so long, and the process may have so much memory; what takes more is a find.
_LIMITS = ("-timeout=5", "-rss_limit_mb=1500")


def main() -> None:
    """Fuzz one target: ``python -m tests.fuzz.harness NAME FOLDER [OPTIONS OF LIBFUZZER]``."""
    name, folder, *options = sys.argv[1:]
    kept = Path(folder) / name
    kept.mkdir(parents=True, exist_ok=True)
    for i, payload in enumerate(seeds(name)):
        (kept / f"seed-{i}").write_bytes(payload)

    def one(payload: bytes) -> None:
        try:
            TARGETS[name](payload)
        except BaseException:
            sys.stderr.write(f"\nbreaks {name}:\n{payload!r}\n")
            raise

    settings = [*_LIMITS, f"-dict={_TOKENS}", f"-artifact_prefix={kept.parent}/{name}-"]
    atheris.Setup([sys.argv[0], *settings, *options, str(kept)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
