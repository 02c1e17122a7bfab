// What the audit log records, and who did it, in the reader's language.

import { t } from "./words.js";

/** By action: what somebody did. */
export const ACTIONS = {
  "facility.apply": t("applied a facility file"),
  "facility.retire": t("retired a facility"),
  "facility.purge": t("began to delete a facility"),
  "facility.move": t("moved a facility to or from another cell"),
  "facility.export": t("took a copy of a facility file"),
  "organisation.apply": t("applied an organisation's file"),
  "organisation.remove": t("removed an organisation"),
  "threshold.put": t("set a threshold"),
  "threshold.delete": t("deleted a threshold"),
  "maintenance.put": t("set maintenance"),
  "maintenance.delete": t("deleted maintenance"),
  "alert.acknowledge": t("acknowledged an alert or commented on it"),
  "recipient.test": t("sent a test message"),
  "factor.import": t("imported factors"),
  "factor.values": t("brought values of a factor"),
  "grant.give": t("granted a topic or secret"),
  "grant.revoke": t("took back the grant of a topic or secret"),
  "key.create": t("created an API key"),
  "key.revoke": t("revoked an API key"),
  "quarantine.replay": t("replayed refused messages"),
  "quarantine.discard": t("discarded refused messages"),
  "reading.correct": t("corrected readings"),
  "reading.import": t("imported a file of readings"),
  "reading.discard": t("discarded readings"),
  "activity.import": t("imported activities"),
  "activity.withdraw": t("withdrew an activity"),
  "device.adopt": t("adopted a device"),
  "device.dismiss": t("dismissed a device"),
  "hours.recompute": t("had hours computed again"),
  "report.export": t("wrote a report"),
  "backup.take": t("backed up the database"),
  "archive.write": t("archived readings"),
  "archive.remove": t("removed archived readings"),
  "archive.restore": t("brought archived readings back"),
  "broker.credentials": t("wrote accounts of devices for the broker"),
  "broker.revoke": t("revoked certificates of a device"),
  "user.create": t("created an account"),
  "user.role": t("changed roles"),
  "user.password": t("changed a password"),
  "user.disable": t("disabled an account"),
  "user.enable": t("enabled an account"),
  "session.begin": t("signed in"),
  "session.refuse": t("was refused to sign in"),
  "session.end": t("signed out"),
};

/** What was done; an action that is not here stands as it is. */
export const actionWords = (action) => ACTIONS[action] ?? action;

/** Who that is, by the word that his name has in the log. */
const KINDS = {
  person: (name) => t("person {name}", { name }),
  key: (name) => t("key {name}", { name }),
  user: (name) => t("user {name}", { name }),
  login: (name) => t("login {name}", { name }),
};
const NOBODY = { "someone without a key": t("someone without a key") };

/** Who did it, after what they are; a name stays as it is. */
export function whoWords(by) {
  const [, kind, name] = /^(\w+) (.*)$/.exec(by ?? "") ?? [];
  return NOBODY[by] ?? (Object.hasOwn(KINDS, kind ?? "") ? KINDS[kind](name) : by);
}

/** Where it was done from: an address, or the machine of the database itself. */
export const whenceWords = (address) => (address === "this machine" ? t("this machine") : address);
