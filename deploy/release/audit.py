"""Look the locked packages up among known vulnerabilities: ``make audit``.

Exits with 1 where one is known. Where the data cannot be reached, it says so and exits with 0: a
build without the internet is none with vulnerabilities, and none without.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


def report(dependencies: Sequence[dict[str, Any]]) -> tuple[int, str]:
    """Return the exit code and what to say of pip-audit's findings."""
    skipped = [entry["name"] for entry in dependencies if "skip_reason" in entry]
    lines = [
        f"{entry['name']} {entry['version']}: {vulnerability['id']}, mended in"
        f" {', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for entry in dependencies
        for vulnerability in entry.get("vulns", ())
    ]
    looked_at = len(dependencies) - len(skipped)
    if lines:
        return 1, "\n".join(["known vulnerabilities:", *lines])
    if looked_at == 0:
        return 0, "not audited: the data of vulnerabilities cannot be reached from here"
    text = f"no known vulnerability in {looked_at} packages"
    if skipped:
        text += f"; not audited: {', '.join(skipped)}"
    return 0, text


def main(tools: str) -> int:
    """Run pip-audit on requirements.lock."""
    command = [f"{tools}/bin/pip-audit", "--requirement", "requirements.lock", "--require-hashes"]
    command += ["--disable-pip", "--progress-spinner", "off", "--format", "json"]
    ended = subprocess.run(  # noqa: S603 - of our own making
        command, cwd=_ROOT, capture_output=True, text=True, check=False
    )
    try:
        dependencies = json.loads(ended.stdout)["dependencies"]
    except ValueError:
        # it found no way to the data at all
        reason = (ended.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        code, text = 0, f"not audited: the data of vulnerabilities cannot be reached ({reason})"
    else:
        code, text = report(dependencies)
    sys.stdout.write(f"audit: {text}\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
