"""Every metric of tonne, declared once with its meaning.

No label names a device, channel or source: their number is unbounded. Detail is a query of the API.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# One for each process: what another one counts is not zero here, it is not known.
ingest_registry = CollectorRegistry()
aggregator_registry = CollectorRegistry()
notify_registry = CollectorRegistry()
api_registry = CollectorRegistry()

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 5, 10, 50, 100, 500, 1000, 2500, 5000, 10_000, 50_000)

# -- ingest -----------------------------------------------------------------------------------

ingest_messages = Counter(
    "tonne_ingest_messages", "Messages of which all is committed.", registry=ingest_registry
)
ingest_readings = Counter(
    "tonne_ingest_readings",
    "Readings in committed batches; result: stored, duplicate or conflict.",
    ["result"],
    registry=ingest_registry,
)
ingest_quarantined = Counter(
    "tonne_ingest_quarantined",
    "Messages and readings put in quarantine.",
    ["reason"],
    registry=ingest_registry,
)
ingest_shed = Counter(
    "tonne_ingest_shed",
    "Messages and readings refused while quarantine had no room for them: they are gone.",
    registry=ingest_registry,
)
ingest_replayed = Counter(
    "tonne_ingest_replayed",
    "Entries of quarantine tried again; result: restored, accepted or refused.",
    ["result"],
    registry=ingest_registry,
)
ingest_batches = Counter(
    "tonne_ingest_batches", "Committed transactions with readings.", registry=ingest_registry
)
ingest_batch_messages = Histogram(
    "tonne_ingest_batch_messages",
    "Messages acknowledged after one transaction.",
    buckets=_SIZES,
    registry=ingest_registry,
)
ingest_batch_seconds = Histogram(
    "tonne_ingest_batch_seconds",
    "Decoding, checking and writing what one transaction holds, COMMIT included.",
    buckets=_SECONDS,
    registry=ingest_registry,
)
ingest_ack_seconds = Histogram(
    "tonne_ingest_ack_seconds",
    "From arrival at ingest to acknowledgement, after the COMMIT; once for each burst of messages.",
    buckets=_SECONDS,
    registry=ingest_registry,
)
ingest_lag_seconds = Gauge(
    "tonne_ingest_lag_seconds",
    "Time now less the newest time of a committed reading; NaN before the first.",
    registry=ingest_registry,
)
ingest_connections = Counter(
    "tonne_ingest_connections", "Sessions opened with the broker.", registry=ingest_registry
)
ingest_reconnects = Counter(
    "tonne_ingest_reconnects",
    "Sessions opened with the broker after the first: each follows a lost one.",
    registry=ingest_registry,
)
ingest_sessions_lost = Counter(
    "tonne_ingest_sessions_lost",
    "Times that the broker had forgotten ingest's session, with what it held for it.",
    registry=ingest_registry,
)
ingest_sessions_taken = Counter(
    "tonne_ingest_sessions_taken",
    "Times that the broker ended ingest's session again and again: another client has its id.",
    registry=ingest_registry,
)
ingest_broker_damages = Counter(
    "tonne_ingest_broker_damages",
    "What NATS lost of what it held for ingest; kind: consumer-deleted, consumer-changed (where it"
    " delivers to) or stream-back (acknowledged messages are gone from its file).",
    ["kind"],
    registry=ingest_registry,
)
ingest_clock_ahead_seconds = Gauge(
    "tonne_ingest_clock_ahead_seconds",
    "By how much this machine's clock is ahead of the database's, whose time is used; 0: they agree"
    " to 5 s.",
    registry=ingest_registry,
)
ingest_filters_refused = Gauge(
    "tonne_ingest_filters_refused",
    "Topic filters that the broker does not grant; their devices are not heard.",
    registry=ingest_registry,
)
ingest_hj212_connections = Gauge(
    "tonne_ingest_hj212_connections",
    "Stations that are connected by HJ 212.",
    registry=ingest_registry,
)
ingest_hj212_frames = Counter(
    "tonne_ingest_hj212_frames",
    "Frames of HJ 212 that came by TCP: taken (data), answered (heartbeats, notices, reports),"
    " ignored, malformed, wrong-password, sealed (encrypted, and no key opens them).",
    ["outcome"],
    registry=ingest_registry,
)
ingest_hj212_answers = Counter(
    "tonne_ingest_hj212_answers",
    "Answers that were sent to data by HJ 212, after COMMIT.",
    registry=ingest_registry,
)
ingest_sparkplug_online = Gauge(
    "tonne_ingest_sparkplug_online",
    "1 while this process is Sparkplug's host application and online, else 0.",
    registry=ingest_registry,
)
ingest_sparkplug_edge_nodes = Gauge(
    "tonne_ingest_sparkplug_edge_nodes",
    "Edge nodes that devices name and that have a birth in force.",
    registry=ingest_registry,
)
ingest_sparkplug_messages = Counter(
    "tonne_ingest_sparkplug_messages",
    "Messages of edge nodes that were heard.",
    registry=ingest_registry,
)
ingest_sparkplug_waiting = Gauge(
    "tonne_ingest_sparkplug_waiting",
    "Messages that wait for a birth or for one that is missing in their order.",
    registry=ingest_registry,
)
ingest_sparkplug_rebirths = Counter(
    "tonne_ingest_sparkplug_rebirths",
    "Rebirths that edge nodes were asked for.",
    registry=ingest_registry,
)
ingest_fetched_messages = Counter(
    "tonne_ingest_fetched_messages",
    "Telegrams and polls that were fetched from devices; protocol: p1 or modbus.",
    ["protocol"],
    registry=ingest_registry,
)
ingest_fetch_failures = Counter(
    "tonne_ingest_fetch_failures",
    "What did not come from devices that ingest connects to; kind: away (no connection), silent (no"
    " answer in time), broken (a telegram without its end) or exception (an answer of Modbus that"
    " refuses).",
    ["protocol", "kind"],
    registry=ingest_registry,
)
ingest_fetched_devices = Gauge(
    "tonne_ingest_fetched_devices",
    "Devices that this process connects to; state: online if they answered last, else offline.",
    ["state"],
    registry=ingest_registry,
)
ingest_database_retries = Counter(
    "tonne_ingest_database_retries",
    "Batches held because the database was away.",
    registry=ingest_registry,
)

ingest_http_requests = Counter(
    "tonne_ingest_http_requests",
    "Bodies of POST /v1/readings that ingest answered, by form; outcome: taken, unusable,"
    " too-large, busy, unable or failed.",
    ["form", "outcome"],
    registry=ingest_registry,
)
ingest_uploads = Counter(
    "tonne_ingest_uploads",
    "Uploaded files that were read; holds: readings or activities; outcome: trial, done, failed, or"
    " none where it was stopped.",
    ["holds", "outcome"],
    registry=ingest_registry,
)
ingest_http_readings = Counter(
    "tonne_ingest_http_readings",
    "Readings of such bodies; result: new, repeated, replaced or refused.",
    ["form", "result"],
    registry=ingest_registry,
)
discovery_messages = Counter(
    "tonne_ingest_discovery_messages",
    "Messages that discovery heard; result: taken (a registered device's), without_numbers,"
    " learned, or no_room (for another unknown device).",
    ["result"],
    registry=ingest_registry,
)
discovery_rested_seconds = Counter(
    "tonne_ingest_discovery_rested_seconds",
    "Time in which discovery did not listen, because the broker carries more than"
    " TONNE_DISCOVERY_MESSAGES_PER_S.",
    registry=ingest_registry,
)
discovery_candidates = Gauge(
    "tonne_ingest_discovery_candidates",
    "Unknown devices that nobody has adopted or dismissed.",
    registry=ingest_registry,
)
discovery_evicted = Counter(
    "tonne_ingest_discovery_evicted",
    "Unknown devices that made room for others.",
    registry=ingest_registry,
)
discovery_let_go = Counter(
    "tonne_ingest_discovery_let_go",
    "Messages of unknown devices that made room for newer ones: they cannot be replayed.",
    registry=ingest_registry,
)

# -- aggregator -------------------------------------------------------------------------------

aggregator_ticks = Counter(
    "tonne_aggregator_ticks",
    "Transactions that turned readings into totals.",
    registry=aggregator_registry,
)
aggregator_tick_seconds = Histogram(
    "tonne_aggregator_tick_seconds",
    "Duration of one tick.",
    buckets=_SECONDS,
    registry=aggregator_registry,
)
aggregator_judge_seconds = Histogram(
    "tonne_aggregator_judge_seconds",
    "Duration of evaluating thresholds in one tick.",
    buckets=_SECONDS,
    registry=aggregator_registry,
)
aggregator_minutes = Counter(
    "tonne_aggregator_source_minutes", "Source minutes computed.", registry=aggregator_registry
)
aggregator_restated_hours = Counter(
    "tonne_aggregator_restated_hours",
    "Final hours that got a new version.",
    registry=aggregator_registry,
)
aggregator_dropped_readings = Counter(
    "tonne_aggregator_dropped_readings",
    "Raw readings dropped because they were older than they are kept.",
    registry=aggregator_registry,
)
aggregator_packed_readings = Counter(
    "tonne_aggregator_packed_readings",
    "Old readings that were packed.",
    registry=aggregator_registry,
)
aggregator_packed_minutes = Counter(
    "tonne_aggregator_packed_minutes",
    "Old minutes of sources that were packed.",
    registry=aggregator_registry,
)
aggregator_packed_hours = Counter(
    "tonne_aggregator_packed_hours",
    "Old hours of sources, and versions that they replaced, that were packed.",
    registry=aggregator_registry,
)
aggregator_packed_days = Counter(
    "tonne_aggregator_packed_days",
    "Days of a channel or a source, and months of its hours, that were packed.",
    registry=aggregator_registry,
)
aggregator_packed_bytes = Counter(
    "tonne_aggregator_packed_bytes",
    "Size of what was packed, in bytes.",
    registry=aggregator_registry,
)
aggregator_stored_sums = Counter(
    "tonne_aggregator_stored_sums",
    "Sums of a source's hours of a local day or month that were stored.",
    registry=aggregator_registry,
)
aggregator_summed_hours = Counter(
    "tonne_aggregator_summed_hours",
    "Hours that were added up in stored sums.",
    registry=aggregator_registry,
)
aggregator_backlog_rows = Gauge(
    "tonne_aggregator_backlog_rows",
    "Batches of touched minutes not yet aggregated.",
    registry=aggregator_registry,
)
aggregator_overdue_seconds = Gauge(
    "tonne_aggregator_overdue_seconds",
    "How long ago the oldest open hour should have been final by its source's lateness; 0: none."
    " Hours that a rule judged and that wait for what follows do not count.",
    registry=aggregator_registry,
)
aggregator_waiting_minutes = Gauge(
    "tonne_aggregator_waiting_minutes",
    "Source minutes, of old readings or long steps, that wait for later ticks.",
    registry=aggregator_registry,
)
aggregator_failed_ticks = Counter(
    "tonne_aggregator_failed_ticks",
    "Ticks of a facility that failed while the database was there; nothing of them was kept.",
    registry=aggregator_registry,
)
aggregator_set_aside = Gauge(
    "tonne_aggregator_set_aside",
    "Sources and facilities that cannot be computed, and sources with masses that cannot be.",
    registry=aggregator_registry,
)
aggregator_clock_jump_seconds = Gauge(
    "tonne_aggregator_clock_jump_seconds",
    "By how much the database's clock jumped while that is not believed: no hour is closed; 0: not"
    " at all.",
    registry=aggregator_registry,
)
aggregator_clock_ahead_seconds = Gauge(
    "tonne_aggregator_clock_ahead_seconds",
    "By how much this machine's clock is ahead of the database's, whose time is used.",
    registry=aggregator_registry,
)
aggregator_database_retries = Counter(
    "tonne_aggregator_database_retries",
    "Ticks repeated because the database was away.",
    registry=aggregator_registry,
)

# -- notifier ---------------------------------------------------------------------------------
_KINDS = ("webhook", "alertmanager", "mqtt", "email")

notify_sent = Counter(
    "tonne_notify_sent", "Messages that a recipient accepted.", ["kind"], registry=notify_registry
)
notify_failed = Counter(
    "tonne_notify_failed",
    "Deliveries that failed; each is retried.",
    ["kind"],
    registry=notify_registry,
)
notify_retries = Counter(
    "tonne_notify_retries", "Retries of deliveries.", ["kind"], registry=notify_registry
)
notify_abandoned = Counter(
    "tonne_notify_abandoned",
    "Messages abandoned because the facility file no longer names the recipient.",
    ["kind"],
    registry=notify_registry,
)
notify_seconds = Histogram(
    "tonne_notify_seconds",
    "From putting a message into the outbox until its recipient accepted it.",
    ["kind"],
    buckets=(*_SECONDS, 60, 300, 3600, 86_400),
    registry=notify_registry,
)
notify_heartbeats = Counter(
    "tonne_notify_heartbeats", "Heartbeats that a recipient accepted.", registry=notify_registry
)
notify_waiting = Gauge(
    "tonne_notify_waiting", "Messages that are not delivered yet.", registry=notify_registry
)
notify_oldest_seconds = Gauge(
    "tonne_notify_oldest_seconds",
    "How long the oldest undelivered message has waited.",
    registry=notify_registry,
)
notify_database_retries = Counter(
    "tonne_notify_database_retries",
    "Sessions restarted because the database was away.",
    registry=notify_registry,
)

# What is counted for the first time must be seen to rise: a series that begins with 1 does not.
for _result in ("stored", "duplicate", "conflict"):
    ingest_readings.labels(_result)
for _kind in _KINDS:
    for _counter in (notify_sent, notify_failed, notify_retries, notify_abandoned):
        _counter.labels(_kind)

# -- api --------------------------------------------------------------------------------------

api_requests = Counter(
    "tonne_api_requests",
    "Answered requests, by route template.",
    ["method", "route", "status"],
    registry=api_registry,
)
api_request_seconds = Histogram(
    "tonne_api_request_seconds",
    "From request to answer, streams excepted.",
    ["route"],
    buckets=_SECONDS,
    registry=api_registry,
)
api_connections = Gauge(
    "tonne_api_connections", "Open connections, idle ones too.", registry=api_registry
)
api_streams = Gauge("tonne_api_streams", "Open live streams.", registry=api_registry)
api_reads = Counter(
    "tonne_api_reads",
    "Reads that a standby might answer, by the server that did: standby or primary.",
    ["server"],
    registry=api_registry,
)
api_fallbacks = Counter(
    "tonne_api_standby_fallbacks",
    "Reads that the standby was not asked for, or could not answer, by reason.",
    ["reason"],
    registry=api_registry,
)
api_fence_seconds = Histogram(
    "tonne_api_fence_seconds",
    "From a read's beginning until the standby was found to show what the primary does.",
    buckets=_SECONDS,
    registry=api_registry,
)
api_standby_used = Gauge(
    "tonne_api_standby_used",
    "1 while the API reads from a standby, 0 while the primary has to answer, -1: none is named.",
    registry=api_registry,
)
api_standby_used.set(-1)
api_cell_up = Gauge(
    "tonne_api_cell_up",
    "1 while the database of a cell answers the API, 0 while it does not; the only one is home.",
    ["cell"],
    registry=api_registry,
)
api_cell_cut = Counter(
    "tonne_api_cell_cut_total",
    "Connections that the API ended because the cell, or the only database (home), hung.",
    ["cell"],
    registry=api_registry,
)
api_cell_seconds = Histogram(
    "tonne_api_cell_seconds",
    "Times of answers that the API over all cells waited for, by cell.",
    ["cell"],
    buckets=_SECONDS,
    registry=api_registry,
)
