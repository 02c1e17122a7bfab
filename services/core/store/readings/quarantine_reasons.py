"""Why a message or a reading is in quarantine: a closed set."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The code stored in ``quarantine.reason``."""

    BAD_TOPIC = "bad_topic"
    UNKNOWN_FACILITY = "unknown_facility"
    RETIRED_FACILITY = "retired_facility"
    MOVED_FACILITY = "moved_facility"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_CHANNEL = "unknown_channel"
    UNKNOWN_SERIES = "unknown_series"
    TOO_LARGE = "too_large"
    TOO_MANY_VALUES = "too_many_values"
    UNSUPPORTED_FORMAT = "unsupported_format"
    MALFORMED_JSON = "malformed_json"
    REPEATED_KEY = "repeated_key"
    MALFORMED_SENML = "malformed_senml"
    MALFORMED_PAYLOAD = "malformed_payload"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a code, no password
    UNKNOWN_METRIC = "unknown_metric"
    UNSUPPORTED_METRIC = "unsupported_metric"
    BAD_MAPPING = "bad_mapping"
    DECODER_FAILED = "decoder_failed"
    TOO_COSTLY = "too_costly"
    NOT_A_READING = "not_a_reading"
    BAD_TIME = "bad_time"
    ABSURD_TIME = "absurd_time"
    STANDS_ALONE = "stands_alone"
    BAD_VALUE = "bad_value"
    NOT_FINITE = "not_finite"
    BAD_QUALITY = "bad_quality"
    BAD_STATUS = "bad_status"
    BAD_FACTOR_VALUES = "bad_factor_values"
    UNIT_NOT_CONVERTIBLE = "unit_not_convertible"
    OUT_OF_RANGE = "out_of_range"
    BELOW_ZERO = "below_zero"
    TOO_LATE = "too_late"
    ARCHIVED = "archived"
    CONFLICT = "conflict"
    REFUSED_BY_DATABASE = "refused_by_database"
