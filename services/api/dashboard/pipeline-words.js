// Why something was refused, and what processes call attention to, in the reader's language.

import { language, t } from "./words.js";

/** By the codes of the quarantine. */
const REASONS = {
  bad_topic: t("bad topic"), unknown_facility: t("unknown facility"), retired_facility: t("retired facility"),
  moved_facility: t("facility of another cell"),
  unknown_device: t("unknown device"), unknown_channel: t("unknown channel"), unknown_series: t("unknown series"),
  too_large: t("too large"), too_many_values: t("too many values"), unsupported_format: t("unsupported format"),
  malformed_json: t("malformed JSON"), repeated_key: t("repeated key"), malformed_senml: t("malformed SenML"),
  malformed_payload: t("malformed payload"), wrong_password: t("wrong password"),
  unknown_metric: t("unknown metric"), unsupported_metric: t("unsupported metric"),
  bad_mapping: t("bad mapping"), decoder_failed: t("decoder failed"), too_costly: t("too costly to map"),
  not_a_reading: t("not a reading"), bad_time: t("bad time"), absurd_time: t("absurd time"),
  stands_alone: t("stands alone"), bad_value: t("bad value"), not_finite: t("not finite"),
  bad_quality: t("bad quality"), bad_status: t("bad status"), bad_factor_values: t("bad values of a factor"),
  unit_not_convertible: t("unit not convertible"), out_of_range: t("out of range"), below_zero: t("below zero"),
  too_late: t("too late"), archived: t("archived"), conflict: t("conflict"), refused_by_database: t("refused by database"),
};

export const reasonWord = (code) => REASONS[code] ?? code;

/** By the codes of notices of readiness. */
const NOTICES = {
  "quarantine-full": t("The quarantine is full"),
  "mostly-refused": t("Most messages are refused"),
  "alerts-untold": t("Notifications are waiting"),
  "impossible-masses": t("Masses cannot be"),
  "set-aside": t("A source is set aside"),
  "clock-jumped": t("The clock of the database jumped"),
  "clock-differs": t("Clocks differ"),
  "base-year-failed": t("A base year cannot be told"),
  "base-year-waits": t("A base year waits for a cell"),
  "packing-failed": t("Old readings cannot be packed"),
  "factor-values-failed": t("Values of a factor cannot be computed"),
  "retention-failed": t("Old readings cannot be dropped"),
  "retention-waits": t("Old readings are not dropped yet"),
  "summing-failed": t("Sums cannot be computed"),
  "audit-due": t("An audit of a monitor is due"),
  "audit-in-grace": t("An audit of a monitor is in its grace period"),
  "audit-expired": t("An audit of a monitor has expired"),
  "calibration-range": t("A monitor's range is not covered by its calibration"),
  "filter-refused": t("The broker refused a subscription"),
  "factor-negative": t("A factor is negative"),
  "factor-run-out": t("A factor has run out"),
  "factor-runs-out": t("A factor runs out soon"),
  "factor-stale": t("A factor is stale"),
  "broker-silent": t("The broker is silent"),
  "broker-damaged": t("The broker lost what it held for ingest"),
  "session-known": t("The broker knows an old session"),
  "sparkplug-off": t("Sparkplug is not heard"),
  "discovery-waits": t("Unknown devices are not heard"),
  "session-taken": t("Another client has taken the session"),
  "mail-unset": t("No mail server is set"),
  "messages-set-aside": t("Messages are set aside"),
  "recipient-left-alone": t("A recipient is left alone"),
  "backup-old": t("The newest backup is old"),
  "cell-away": t("A database of several does not answer"),
  "standby-unused": t("The standby is not read from"),
  "backup-log-left": t("The log of the database is not followed"),
  "schema-newer": t("The database is of a newer version"),
  "more-notices": t("There is more"),
};

/** A notice: its detail, in other languages after what kind of notice it is. */
export function noticeWords({ code, detail }) {
  const title = NOTICES[code];
  return language === "en" || title === undefined ? detail : t("{title}: {detail}", { title, detail });
}
