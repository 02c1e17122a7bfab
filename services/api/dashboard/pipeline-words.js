// Why something was refused, and what processes call attention to, in the reader's language.

import { language, t } from "./words.js";

/** By the codes of the quarantine. */
const REASONS = {
  bad_topic: t("bad_topic"), unknown_facility: t("unknown_facility"), retired_facility: t("retired_facility"),
  unknown_device: t("unknown_device"), unknown_channel: t("unknown_channel"), unknown_series: t("unknown_series"),
  too_large: t("too_large"), too_many_values: t("too_many_values"), unsupported_format: t("unsupported_format"),
  malformed_json: t("malformed_json"), repeated_key: t("repeated_key"), malformed_senml: t("malformed_senml"),
  malformed_payload: t("malformed_payload"),
  unknown_metric: t("unknown_metric"), unsupported_metric: t("unsupported_metric"),
  bad_mapping: t("bad_mapping"), decoder_failed: t("decoder_failed"), too_costly: t("too_costly"),
  not_a_reading: t("not_a_reading"), bad_time: t("bad_time"), absurd_time: t("absurd_time"),
  stands_alone: t("stands_alone"), bad_value: t("bad_value"), not_finite: t("not_finite"),
  bad_quality: t("bad_quality"), bad_status: t("bad_status"), bad_factor_values: t("bad_factor_values"),
  unit_not_convertible: t("unit_not_convertible"), out_of_range: t("out_of_range"), below_zero: t("below_zero"),
  too_late: t("too_late"), archived: t("archived"), conflict: t("conflict"), refused_by_database: t("refused_by_database"),
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
  "session-known": t("The broker knows an old session"),
  "sparkplug-off": t("Sparkplug is not heard"),
  "session-taken": t("Another client has taken the session"),
  "mail-unset": t("No mail server is set"),
  "messages-set-aside": t("Messages are set aside"),
  "recipient-left-alone": t("A recipient is left alone"),
  "more-notices": t("There is more"),
};

/** A notice: its detail, in other languages after what kind of notice it is. */
export function noticeWords({ code, detail }) {
  const title = NOTICES[code];
  return language === "en" || title === undefined ? detail : t("{title}: {detail}", { title, detail });
}
