// Codes by which people say why an alert fired and what was done: those of each facility's file.

import { get } from "./api.js";
import { t } from "./words.js";

/** The texts that tonne ships; one that a facility's file states stands as it is. */
const SHIPPED = {
  "Start-up": t("Start-up"),
  "Shut-down": t("Shut-down"),
  "Change of load": t("Change of load"),
  "Upset of the process": t("Upset of the process"),
  "Change of fuel or material": t("Change of fuel or material"),
  "Failure of an abatement system": t("Failure of an abatement system"),
  "Calibration or maintenance of the instrument": t("Calibration or maintenance of the instrument"),
  "Fault of the instrument": t("Fault of the instrument"),
  "Fault of the communication": t("Fault of the communication"),
  "Planned work": t("Planned work"),
  "None needed": t("None needed"),
  "Watched until it ended": t("Watched until it ended"),
  "Load reduced": t("Load reduced"),
  "Unit stopped": t("Unit stopped"),
  "Process adjusted": t("Process adjusted"),
  "Instrument repaired or replaced": t("Instrument repaired or replaced"),
  "Communication restored": t("Communication restored"),
  "Maintenance requested": t("Maintenance requested"),
  "Authority informed": t("Authority informed"),
  "Other": t("Other"),
};

/** What asks for a code of a kind. */
export const KINDS = { reason: t("Why it fired"), action: t("What was done") };

export class AlertCodes {
  /** `rows` are those of `/v1/alerts/codes`. */
  constructor(rows = []) {
    this.rows = rows;
  }

  /** The codes of facilities that can be seen; none where they cannot be read: codes then stand for themselves. */
  static async read() {
    return new AlertCodes(await get("/v1/alerts/codes").catch(() => []));
  }

  /** The text of the code that an alert, or a comment on it, has of a kind; null: it has none. */
  text(facility, kind, said) {
    const code = said[kind];
    const row = this.rows.find((one) => one.facility === facility && one.kind === kind && one.code === code);
    return row ? SHIPPED[row.text] ?? row.text : code;
  }

  /** The texts of why it fired and what was done, those that were said. */
  texts(facility, said) {
    return Object.keys(KINDS).map((kind) => this.text(facility, kind, said)).filter((text) => text !== null);
  }

  /** Pairs of a code and its text, of facilities together, in the order of their files. */
  offered(facilities, kind) {
    const ofAny = this.rows.filter((row) => row.kind === kind && facilities.includes(row.facility));
    return [...new Map(ofAny.map(({ code, text }) => [code, SHIPPED[text] ?? text]))];
  }
}
