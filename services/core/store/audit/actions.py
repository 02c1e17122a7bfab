"""What the audit log records: each action once, with its meaning."""

from __future__ import annotations

from typing import Final, Literal, get_args

Action = Literal[
    "facility.apply",
    "facility.retire",
    "facility.purge",
    "facility.export",
    "organisation.apply",
    "organisation.remove",
    "threshold.put",
    "threshold.delete",
    "maintenance.put",
    "maintenance.delete",
    "alert.acknowledge",
    "factor.import",
    "factor.values",
    "grant.give",
    "grant.revoke",
    "key.create",
    "key.revoke",
    "quarantine.replay",
    "quarantine.discard",
    "reading.discard",
    "activity.import",
    "activity.withdraw",
    "hours.recompute",
    "report.export",
    "user.create",
    "user.role",
    "user.password",
    "user.disable",
    "user.enable",
    "session.begin",
    "session.refuse",
    "session.end",
]

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

#: What was done, and what the subject of an entry is.
MEANINGS: Final[dict[Action, str]] = {
    "facility.apply": "a facility file came into force; subject: the facility",
    "facility.retire": "a facility was taken out of force; subject: the facility",
    "facility.purge": "deleting a facility permanently began; subject: the facility",
    "facility.export": "a facility file was printed by `tonne export`; subject: the facility",
    "organisation.apply": "an organisation's file came into force; subject: the organisation",
    "organisation.remove": "an organisation was taken out of force; subject: the organisation",
    "threshold.put": "a threshold was set by the API; subject: its id",
    "threshold.delete": "a threshold was deleted by the API; subject: its id",
    "maintenance.put": "maintenance was set by the API; subject: its id",
    "maintenance.delete": "maintenance was deleted by the API; subject: its id",
    "alert.acknowledge": "an alert was acknowledged or commented on; subject: the alert's id",
    "factor.import": "factors of every facility were imported",
    "factor.values": "values of factors by the hour were brought; subject: the factors",
    "grant.give": "a facility was granted a topic or secret; subject: its name",
    "grant.revoke": "the grant of a topic or secret was taken back; subject: its name",
    "key.create": "an API key was created; subject: its id",
    "key.revoke": "an API key was revoked; subject: its id",
    "quarantine.replay": "a replay was requested; subject: its id",
    "quarantine.discard": "quarantined messages were discarded",
    "reading.discard": "stored readings were discarded; subject: the channel's id",
    "activity.import": "activities of bills were imported; subject: their ids",
    "activity.withdraw": "an imported activity was withdrawn; subject: its id",
    "hours.recompute": "hours were asked to be computed again; subject: the sources' ids",
    "report.export": "a report for an authority was written; subject: its kind and source",
    "user.create": "an account was made; subject: its name",
    "user.role": "an account's roles changed; subject: its name",
    "user.password": "a password was set or changed; subject: the account's name",
    "user.disable": "an account was disabled; subject: its name",
    "user.enable": "a disabled account was let in again; subject: its name",
    "session.begin": "somebody signed in; subject: the account's name",
    "session.refuse": "somebody was not let in, for a wrong name or password or as the reason says;"
    " subject: the name",
    "session.end": "somebody signed out; subject: the account's name",
}
