"""What must hold before anything is started; each failure is one sentence."""

from __future__ import annotations

import shutil
import socket

from deploy.local.places import Places
from deploy.local.problem import StackError

#: Ninety days of the demo's history take about half of it.
_LEAST_FREE_MB = 500


def check_disk(places: Places) -> None:
    """Refuse a disk that is nearly full.

    :raises StackError: fewer than 500 MB are free.
    """
    free_mb = shutil.disk_usage(places.local_dir).free // 1_000_000
    if free_mb < _LEAST_FREE_MB:
        raise StackError(
            f"the disk of {places.local_dir} has {free_mb} MB free, {_LEAST_FREE_MB} MB are needed;"
            " free some space or set TONNE_LOCAL_DIR to another disk"
        )


def check_ports(places: Places) -> None:
    """Refuse ports that somebody else listens on. Only for a stack that does not run.

    :raises StackError: names the port and the setting that changes it.
    """
    settings = places.settings
    wanted = {"TONNE_API_PORT": settings.api_port}
    if places.own_database:
        wanted["TONNE_DB_PORT"] = settings.db_port
    if places.own_broker:
        wanted["TONNE_MQTT_PORT"] = settings.mqtt_port
    for process in ("ingest", "aggregator", "notify"):
        if port := getattr(settings, f"{process}_metrics_port"):
            wanted[f"TONNE_{process.upper()}_METRICS_PORT"] = port
    taken: dict[int, str] = {}
    for setting, port in wanted.items():
        if port in taken:
            raise StackError(f"{setting} and {taken[port]} are both {port}; change one of them")
        taken[port] = setting
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise StackError(
                    f"port {port} cannot be used ({error.strerror});"
                    f" stop what listens there or set {setting} to another port"
                ) from None
