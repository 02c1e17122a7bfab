"""The page of metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from deploy.reference.markdown import code, page, table
from services.core.runtime import metrics

#: How the names of a process' metrics begin -> the heading of its section.
_PROCESSES = {
    "tonne_ingest_": "Ingest",
    "tonne_aggregator_": "Aggregator",
    "tonne_notify_": "Notifier",
    "tonne_api_": "API",
}


def page_of_metrics() -> str:
    """Return the page: the metrics of each process with type, labels and meaning."""
    kinds = (Counter, Gauge, Histogram)
    declared = [each for each in vars(metrics).values() if isinstance(each, kinds)]
    parts = []
    for prefix, process in _PROCESSES.items():
        rows = sorted(row for each in declared if (row := _row(each))[0].startswith(f"`{prefix}"))
        parts.append(f"## {process}\n\n{table(('metric', 'type', 'labels', 'meaning'), rows)}")
    return page(
        "Metrics",
        "Each process serves its own metrics for Prometheus; the port is a"
        " [setting](settings.md). No label names a device, a channel or a source: detail is a query"
        " of the HTTP API. Rules that watch these metrics are in `deploy/prometheus/rules`.",
        *parts,
    )


def _row(metric: Counter | Gauge | Histogram) -> tuple[str, str, str, str]:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    # what has a label shows no sample before it was counted once
    labels = " ".join(code(each) for each in metric._labelnames)  # noqa: SLF001 - nowhere else
    return code(name), family.type, labels, family.documentation
