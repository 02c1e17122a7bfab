"""Every metric of tonne, declared once with its meaning.

No label names a device, channel or source: their number is unbounded. Detail is a query of the API.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

registry = CollectorRegistry()

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 5, 10, 50, 100, 500, 1000, 2500, 5000, 10_000, 50_000)

# -- ingest -----------------------------------------------------------------------------------

ingest_messages = Counter(
    "tonne_ingest_messages", "Messages whose batch was committed.", registry=registry
)
ingest_readings = Counter(
    "tonne_ingest_readings",
    "Readings in committed batches; result: stored, duplicate or conflict.",
    ["result"],
    registry=registry,
)
ingest_quarantined = Counter(
    "tonne_ingest_quarantined",
    "Messages and readings put in quarantine.",
    ["reason"],
    registry=registry,
)
ingest_shed = Counter(
    "tonne_ingest_shed",
    "Messages and readings refused while quarantine had no room for them: they are gone.",
    registry=registry,
)
ingest_replayed = Counter(
    "tonne_ingest_replayed",
    "Entries of quarantine tried again; result: restored, accepted or refused.",
    ["result"],
    registry=registry,
)
ingest_batches = Counter("tonne_ingest_batches", "Committed batches.", registry=registry)
ingest_batch_messages = Histogram(
    "tonne_ingest_batch_messages", "Messages in one batch.", buckets=_SIZES, registry=registry
)
ingest_batch_seconds = Histogram(
    "tonne_ingest_batch_seconds",
    "Decoding, checking and writing one batch, COMMIT included.",
    buckets=_SECONDS,
    registry=registry,
)
ingest_ack_seconds = Histogram(
    "tonne_ingest_ack_seconds",
    "From arrival at ingest to acknowledgement, after the COMMIT; once for each burst of messages.",
    buckets=_SECONDS,
    registry=registry,
)
ingest_lag_seconds = Gauge(
    "tonne_ingest_lag_seconds",
    "Time now less the newest time of a committed reading; NaN before the first.",
    registry=registry,
)
ingest_connections = Counter(
    "tonne_ingest_connections", "Sessions opened with the broker.", registry=registry
)
ingest_reconnects = Counter(
    "tonne_ingest_reconnects",
    "Sessions opened with the broker after the first: each follows a lost one.",
    registry=registry,
)
ingest_database_retries = Counter(
    "tonne_ingest_database_retries",
    "Batches held because the database was away.",
    registry=registry,
)

# -- aggregator -------------------------------------------------------------------------------

aggregator_ticks = Counter(
    "tonne_aggregator_ticks", "Transactions that turned readings into totals.", registry=registry
)
aggregator_tick_seconds = Histogram(
    "tonne_aggregator_tick_seconds", "Duration of one tick.", buckets=_SECONDS, registry=registry
)
aggregator_judge_seconds = Histogram(
    "tonne_aggregator_judge_seconds",
    "Duration of judging limits in one tick.",
    buckets=_SECONDS,
    registry=registry,
)
aggregator_minutes = Counter(
    "tonne_aggregator_source_minutes", "Source minutes computed.", registry=registry
)
aggregator_restated_hours = Counter(
    "tonne_aggregator_restated_hours", "Final hours that got a new version.", registry=registry
)
aggregator_dropped_readings = Counter(
    "tonne_aggregator_dropped_readings",
    "Raw readings dropped because they were older than they are kept.",
    registry=registry,
)
aggregator_backlog_rows = Gauge(
    "tonne_aggregator_backlog_rows",
    "Batches of touched minutes not yet aggregated.",
    registry=registry,
)
aggregator_database_retries = Counter(
    "tonne_aggregator_database_retries",
    "Ticks repeated because the database was away.",
    registry=registry,
)

# -- notifier ---------------------------------------------------------------------------------
# kind: webhook, alertmanager, mqtt or email

notify_sent = Counter(
    "tonne_notify_sent", "Messages that a recipient took.", ["kind"], registry=registry
)
notify_failed = Counter(
    "tonne_notify_failed",
    "Tries that a recipient did not take; each is tried again.",
    ["kind"],
    registry=registry,
)
notify_retries = Counter(
    "tonne_notify_retries", "Tries after a message's first.", ["kind"], registry=registry
)
notify_abandoned = Counter(
    "tonne_notify_abandoned",
    "Messages given up because their facility's file names the recipient no more.",
    ["kind"],
    registry=registry,
)
notify_seconds = Histogram(
    "tonne_notify_seconds",
    "From the decision that something is to be told until its recipient took it.",
    ["kind"],
    buckets=(*_SECONDS, 60, 300, 3600, 86_400),
    registry=registry,
)
notify_heartbeats = Counter(
    "tonne_notify_heartbeats", "Heartbeats that a recipient took.", registry=registry
)
notify_waiting = Gauge("tonne_notify_waiting", "Messages that are not told yet.", registry=registry)
notify_oldest_seconds = Gauge(
    "tonne_notify_oldest_seconds",
    "How long the oldest message that is not told yet has waited.",
    registry=registry,
)
notify_database_retries = Counter(
    "tonne_notify_database_retries",
    "Sessions begun again because the database was away.",
    registry=registry,
)

# -- api --------------------------------------------------------------------------------------

api_requests = Counter(
    "tonne_api_requests",
    "Answered requests, by route template.",
    ["method", "route", "status"],
    registry=registry,
)
api_request_seconds = Histogram(
    "tonne_api_request_seconds",
    "From request to answer, streams excepted.",
    ["route"],
    buckets=_SECONDS,
    registry=registry,
)
api_streams = Gauge("tonne_api_streams", "Open live streams.", registry=registry)
