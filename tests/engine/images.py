"""What is in the images of deploy/compose.yaml, as far as this machine has it.

tonne's own is built as deploy/Dockerfile says: the wheel of this tree and what it needs to run, in
/opt/tonne. The programs of the others come from the machine; beside them there is what their images
have: busybox in those of Alpine and Prometheus, Debian's shell and tools in the others. Grafana
cannot be had here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path

from tests.repository.files import DEPLOY, ROOT
from tests.repository.test_image import _runtime

#: Not to be had here; the compose file's other tests read its part.
MISSING = frozenset({"grafana"})

_TEMPLATES = Path("/usr/share/prometheus/alertmanager")

_APPLETS = ("sh", "wget")


@dataclass(frozen=True, kw_only=True)
class Image:
    """Programs by their path in the image, what runs by default, and who owns directories."""

    programs: dict[str, Path] = field(default_factory=dict)
    directories: dict[str, Path] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    #: directories that a new volume takes its owner from
    owners: dict[str, int] = field(default_factory=dict)
    #: directories of this machine's that are empty in the image
    hidden: tuple[str, ...] = ()
    #: whether it has a whole Debian, or busybox and its program alone
    debian: bool = False


def tonne(directory: Path) -> Image:
    """Build what deploy/Dockerfile builds into ``directory``."""
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    venv = directory / "tonne"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    wheels = directory / "wheels"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-index"),
            *("--no-build-isolation", "-w", str(wheels), str(ROOT)),
        ],
        check=True,
    )
    (wheel,) = wheels.glob("tonne-*.whl")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", f"--python={venv}/bin/python", "install", "-q"),
            *("--no-deps", "--no-index", "--no-warn-script-location", str(wheel)),
        ],
        check=True,
    )
    (target,) = venv.glob("lib/python3*/site-packages")
    for name in _runtime() - {"tonne"}:
        installed = distribution(name)
        for file in installed.files or []:
            if not file.parts or file.parts[0] == "..":
                continue
            copy = target / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(installed.locate_file(file)), copy)
    for script in (venv / "bin").glob("tonne*"):
        lines = script.read_text().splitlines(keepends=True)
        script.write_text("".join(["#!/opt/tonne/bin/python\n", *lines[1:]]))
    made = re.search(r"for login in ([a-z ]+);", dockerfile)
    also = re.search(r"install -d -m 700 -o tonne -g tonne (/run\S+.*)$", dockerfile, re.MULTILINE)
    assert made is not None
    assert also is not None
    own = [f"/logins/tonne_{name}" for name in made[1].split()] + also[1].split()
    python = Path(sys.base_prefix)
    packages = f"{python}/lib/python3.{sys.version_info.minor}/site-packages"
    own_python = {} if python == Path("/usr") else {str(python): python}
    return Image(
        directories={**own_python, "/opt/tonne": venv},
        hidden=(packages,) if own_python else (),
        entrypoint=("tonne",),
        environment={"PATH": "/opt/tonne/bin:/usr/bin:/bin", "PYTHONUNBUFFERED": "1"},
        owners=dict.fromkeys(own, 10001),
        debian=True,
    )


def others() -> dict[str, Image]:
    """The images of other makers, by the name before the tag."""
    postgres = max(Path("/usr/lib/postgresql").glob("[0-9]*"), key=lambda path: int(path.name))
    beside = Path(sys.executable).parent
    return {
        "timescale/timescaledb": Image(
            programs={"/usr/local/bin/docker-entrypoint.sh": Path(__file__).parent / "postgres.sh"},
            entrypoint=("/usr/local/bin/docker-entrypoint.sh",),
            environment={
                "PATH": f"{postgres}/bin:/usr/bin:/bin",
                "PGDATA": "/var/lib/postgresql/data",
                "LANG": "C.UTF-8",
            },
            owners={"/var/lib/postgresql/data": 70},
            debian=True,
        ),
        "nats": Image(programs={"/usr/local/bin/nats-server": beside / "nats-server"}),
        "caddy": Image(programs={"/usr/bin/caddy": beside / "caddy"}),
        "prom/prometheus": Image(
            programs={"/bin/prometheus": _program("prometheus")},
            entrypoint=("/bin/prometheus",),
            owners={"/prometheus": 65534},
        ),
        "prom/alertmanager": Image(
            programs={"/bin/alertmanager": _program("prometheus-alertmanager")},
            # what the other packaging has in the program itself
            directories={str(_TEMPLATES): _TEMPLATES} if _TEMPLATES.exists() else {},
            entrypoint=("/bin/alertmanager",),
            owners={"/alertmanager": 65534},
        ),
    }


def _program(name: str) -> Path:
    found = shutil.which(name)
    assert found is not None, f"{name} is missing; run: deploy/local/bootstrap.sh test"
    return Path(found)


def file_set(image: Image) -> list[str]:
    """Arguments of bubblewrap that lay the image's files, nothing else of this machine."""
    arguments = _debian() if image.debian else _busybox()
    for target, program in image.programs.items():
        arguments += ["--ro-bind", str(program.resolve()), target]
    for target, directory in image.directories.items():
        arguments += ["--ro-bind", str(directory), target]
    for target in image.hidden:
        arguments += ["--tmpfs", target]
    return arguments


def _debian() -> list[str]:
    arguments = []
    for path in ("/usr", "/etc/alternatives", "/etc/ld.so.cache"):
        arguments += ["--ro-bind", path, path]
    for path in ("bin", "lib", "lib64", "sbin"):
        arguments += ["--symlink", f"usr/{path}", f"/{path}"]
    # what this machine has beside Debian's own
    for path in ("/usr/local", "/usr/lib/python3/dist-packages"):
        arguments += ["--tmpfs", path]
    return arguments


def _busybox() -> list[str]:
    busybox = shutil.which("busybox")
    assert busybox is not None, "busybox is missing; run: deploy/local/bootstrap.sh test"
    arguments = ["--ro-bind", busybox, "/bin/busybox"]
    for applet in _APPLETS:
        arguments += ["--symlink", "busybox", f"/bin/{applet}"]
    # Debian's programs are linked with its libraries, the images' with none
    for path in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"):
        if Path(path).exists():
            arguments += ["--ro-bind", path, path]
    return [*arguments, "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"]
