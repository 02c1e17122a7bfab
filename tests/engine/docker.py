"""Stands in for the program ``docker`` while deploy/server.sh runs: hands over what it is asked."""

from __future__ import annotations

import json
import os
import socket
import sys


def main() -> int:
    """Ask the engine; print and return what it answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["ENGINE_SOCKET"])
        text = sys.stdin.read() if "--password-stdin" in sys.argv else ""
        stream = connection.makefile("rwb")
        stream.write(json.dumps({"words": sys.argv[1:], "input": text}).encode() + b"\n")
        stream.flush()
        answer = json.loads(stream.readline())
    sys.stdout.write(answer["out"])
    sys.stderr.write(answer["err"])
    return int(answer["code"])


if __name__ == "__main__":
    sys.exit(main())
