"""What to do about a message or a reading that is in quarantine, for each reason."""

from __future__ import annotations

from services.core.store.readings.quarantine_reasons import Reason

__all__ = ["ADVICE", "Reason", "explain"]

#: What to do, one sentence each; it follows the description of what is wrong.
ADVICE: dict[Reason, str] = {
    Reason.BAD_TOPIC: (
        "publish to emissions/{facility}/{device}/readings, ids of a-z, 0-9 and '-',"
        " or name the topic in the device's facility file"
    ),
    Reason.UNKNOWN_FACILITY: (
        "apply the facility's file with `tonne apply`, which replays this if the device is in it"
    ),
    Reason.RETIRED_FACILITY: (
        "stop its devices and discard this, or bring the facility back with `tonne apply`, then"
        " replay this"
    ),
    Reason.MOVED_FACILITY: (
        "hand it over with `tonne cells forward`, which replays it there, and let the devices speak"
        " to that cell's broker"
    ),
    Reason.UNKNOWN_DEVICE: (
        "add the device to its facility's file and run `tonne apply`, which replays this"
    ),
    Reason.UNKNOWN_CHANNEL: (
        "add the channel to its device in the facility file, run `tonne apply`, then replay this"
    ),
    Reason.UNKNOWN_SERIES: (
        "run `tonne apply` with the file, or `tonne factors import`, then replay this"
    ),
    Reason.TOO_LARGE: "split the message: less than 1 MiB each",
    Reason.TOO_MANY_VALUES: "split the message: at most 10000 values each",
    Reason.UNSUPPORTED_FORMAT: (
        "correct the device's format in the facility file, or update tonne, then replay this"
    ),
    Reason.MALFORMED_JSON: "publish one JSON document in UTF-8",
    Reason.REPEATED_KEY: (
        "send each key of an object once: which of two values is meant cannot be known"
    ),
    Reason.MALFORMED_SENML: "publish one pack of records as RFC 8428 describes them",
    Reason.MALFORMED_PAYLOAD: (
        "let the device send what format and compression in its facility file say, or say there"
        " what it does send, run `tonne apply`, then replay this"
    ),
    Reason.WRONG_PASSWORD: (
        "set the password in the device, or in the setting that states it where ingest runs; the"
        " device sends this again, for it heard no answer: discard it here"
    ),
    Reason.UNKNOWN_METRIC: (
        "name the metric as the edge node's birth does, run `tonne apply`, then replay this; what"
        " came by an alias that no birth explains stays unknown: discard it, and let the edge node"
        " store what it measures while its host is offline"
    ),
    Reason.UNSUPPORTED_METRIC: (
        "let the edge node publish the numbers of templates and data sets as metrics of their own"
    ),
    Reason.BAD_MAPPING: (
        "correct the expression in the device's facility file, run `tonne apply`, then replay this"
    ),
    Reason.TOO_COSTLY: (
        "let records split the message so that each value is looked for in its own record alone, or"
        " send less at once; whoever runs tonne can raise TONNE_MAPPING_STEPS; then replay this"
    ),
    Reason.DECODER_FAILED: (
        "this is a fault of tonne: report it with the message, update tonne, then replay this"
    ),
    Reason.NOT_A_READING: (
        'publish {"ts": ..., "values": {"channel": number}} or an array of such objects, or say in'
        " the facility file which format the device has"
    ),
    Reason.BAD_TIME: (
        "send the time as RFC 3339 with an offset, as epoch seconds or as epoch milliseconds, or"
        " say with timestamp in the facility file how the device tells it"
    ),
    Reason.ABSURD_TIME: "set the device's clock",
    Reason.STANDS_ALONE: (
        "set the device's clock; if the time is right, let it in with `tonne quarantine replay"
        " --accept`, or send what lies around it and it comes in by itself"
    ),
    Reason.BAD_VALUE: (
        'send a number, null, or {"v": number or null, "u": unit, "q": quality}, or say with from,'
        " or register, in the facility file where the number stands"
    ),
    Reason.NOT_FINITE: "send null where there is no value: NaN and infinity are not numbers",
    Reason.BAD_QUALITY: "send q as good, uncertain, bad, calibration or maintenance",
    Reason.BAD_STATUS: "publish online or offline, as plain text",
    Reason.BAD_FACTOR_VALUES: (
        'publish {"values": [{"hour": ..., "co2_kg": ...}, ...]}, as POST'
        " /v1/factors/{factor}/values takes it; of this message no value counts"
    ),
    Reason.UNIT_NOT_CONVERTIBLE: (
        "send the value in a unit of the channel's quantity, or declare the channel in the unit"
        " it is sent in"
    ),
    Reason.OUT_OF_RANGE: (
        "check the sensor, or widen the channel's range in the facility file; state the full_scale"
        " of a stack's monitor, and what lies above it is stored"
    ),
    Reason.BELOW_ZERO: (
        "if the meter shows so what flows out, give its channel direction: both, so that export is"
        " told apart and emits nothing; if it counts the other way round, scale: -1; run `tonne"
        " apply`, then replay this"
    ),
    Reason.ARCHIVED: (
        "bring the month back with the `tonne archive restore` that the entry names, then replay"
        " this; the totals of that time stand until then"
    ),
    Reason.TOO_LATE: (
        "the totals of that time stand; discard it, and let devices deliver sooner than"
        " TONNE_RETENTION_DAYS"
    ),
    Reason.CONFLICT: (
        "the stored value stays; let this one replace it with `tonne quarantine replay --accept`,"
        " or give it up with `tonne quarantine discard`"
    ),
    Reason.REFUSED_BY_DATABASE: "read what the database says, put it right, then replay this",
}


def explain(reason: Reason, detail: str) -> str:
    """Say what is wrong and what to do, as one sentence."""
    return f"{detail}; {ADVICE[reason]}"
