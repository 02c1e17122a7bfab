"""Recipients of alerts in a facility file: what is refused, and that it says what to write."""

from __future__ import annotations

import pytest

from services.core.facility.file import FacilityFileError, parse
from services.core.facility.model import Notify

_FILE = """
facility: {id: a, name: A, timezone: UTC}
devices:
  - id: d
    channels: [{id: power, quantity: power, unit: kW, kind: gauge}]
notify:
  - ENTRY
"""


def _signed(variable: str) -> str:
    return f'{{webhook: "https://example.org", secret_env: {variable}}}'


def entry(text: str) -> Notify:
    return parse(_FILE.replace("ENTRY", text)).notify[0]


def test_every_kind_of_recipient() -> None:
    assert entry(
        '{webhook: "https://example.org/hook?a=b", secret_env: TONNE_SECRET_HOOK}'
    ).secret_env
    assert entry('{alertmanager: "http://127.0.0.1:9093"}').alertmanager == "http://127.0.0.1:9093"
    assert entry("{mqtt: true, heartbeat: 5m}").heartbeat == 300.0
    assert entry("{mqtt: false}").mqtt is False
    assert entry("{homeassistant: true, prefix: ha/site-1}").prefix == "ha/site-1"
    assert entry("{email: alerts+linz@example.org, heartbeat: 1d}").email


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "names one of"),
        ('{webhook: "https://a.example", email: a@a.example}', "names one of"),
        ('{webhook: "ftp://example.org/hook"}', "not an address such as"),
        ('{webhook: "https:///hook"}', "not an address such as"),
        ('{webhook: "https://example.org:port/hook"}', "not an address such as"),
        ('{webhook: "https://example.org/a hook"}', "not an address such as"),
        ('{webhook: "https://user:word@example.org/hook"}', "no user and password"),
        ('{webhook: "https://example.org/hook#top"}', "#"),
        ('{webhook: "https://example.org", secret_env: "s3cr3t!"}', "never the secret"),
        (_signed("TONNE_DATABASE_URL"), "rename it to TONNE_SECRET_DATABASE_URL"),
        (_signed("PGPASSWORD"), "rename it to TONNE_SECRET_PGPASSWORD"),
        (_signed("HOOK_SECRET"), "rename it to TONNE_SECRET_HOOK_SECRET"),
        (_signed("tonne_secret_hook"), "rename it to TONNE_SECRET_HOOK"),
        (_signed("TONNE_SECRET_"), "rename it to TONNE_SECRET_HOOK"),
        (_signed("TONNE_SECRETS"), "rename it to TONNE_SECRET_"),
        (_signed("PATH"), "where the notifier runs and in the facility file"),
        ("{email: a@example.org, secret_env: TONNE_SECRET_HOOK}", "belongs to a webhook"),
        ('{alertmanager: "http://a.example/?x="}', "without a query"),
        ("{homeassistant: true, mqtt: true}", "names one of"),
        ("{homeassistant: true, prefix: 'ha/#'}", "not a topic such as homeassistant"),
        ("{homeassistant: true, prefix: emissions/a}", "take another prefix"),
        ("{homeassistant: false, prefix: ha}", "belongs to an entry with homeassistant: true"),
        ("{homeassistant: true, heartbeat: 5m}", "Home Assistant gets none"),
        ("{email: nobody}", "not a mail address"),
        ('{email: "a@example.org, b@example.org"}', "not a mail address"),
        ('{email: "A <a@example.org>"}', "not a mail address"),
        ("{mqtt: false, heartbeat: 5m}", "somewhere to go"),
        ("{mqtt: true, heartbeat: 1s}", "heartbeat"),
    ],
)
def test_what_cannot_be_told_is_refused_by_line(text: str, says: str) -> None:
    with pytest.raises(FacilityFileError) as caught:
        entry(text)
    (problem,) = caught.value.problems
    assert problem.line == 7
    assert says in str(problem)


def test_totals_are_published_to_home_assistant_once() -> None:
    twice = "{homeassistant: true}\n  - {homeassistant: true, prefix: b}"
    with pytest.raises(FacilityFileError, match="leave one entry with homeassistant"):
        entry(twice)
