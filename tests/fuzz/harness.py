"""Let atheris look for input that breaks a decoder: ``make fuzz``.

What it finds on its way is kept in ``.tonne/fuzz``, so that the next run goes on from there. An
input that breaks a decoder is printed as a line for the target's file in ``tests/fuzz/corpus``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

_OF_INTEREST = [
    "services.ingest.bodies",
    "services.ingest.decode",
    "services.ingest.files",
    "services.ingest.sources.mqtt.publish_packets",
    "jmespath",
    "json",
]

with atheris.instrument_imports(include=_OF_INTEREST):
    from tests.fuzz.targets import TARGETS, corpus

_TOKENS = Path(__file__).parent / "tokens.dict"


def main() -> None:
    """Fuzz one target: ``python -m tests.fuzz.harness NAME FOLDER [OPTIONS OF LIBFUZZER]``."""
    name, folder, *options = sys.argv[1:]
    kept = Path(folder) / name
    kept.mkdir(parents=True, exist_ok=True)
    for i, payload in enumerate(corpus(name)):
        (kept / f"seed-{i}").write_bytes(payload)

    def one(payload: bytes) -> None:
        try:
            TARGETS[name](payload)
        except BaseException:
            sys.stderr.write(f"\nbreaks {name}:\n{payload!r}\n")
            raise

    settings = ["-timeout=5", f"-dict={_TOKENS}", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *options, *settings, str(kept)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
