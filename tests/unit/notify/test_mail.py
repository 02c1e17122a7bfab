from __future__ import annotations

import json
from dataclasses import replace

import pytest

from services.core.accounting.alerting.measures import MEASURES
from services.notify.mail import mail_of
from services.notify.smtp_url import SmtpUrlError, parse
from services.notify.wording import CODES
from tests.unit.notify.messages import message


def test_a_second_delivery_is_the_same_mail() -> None:
    first, second = (mail_of(message(), "a@example.org", "tonne@example.org") for _ in range(2))
    assert first.as_bytes() == second.as_bytes()
    assert first["Message-ID"].endswith("@example.org>")


def test_an_alert_and_its_end_are_two_mails_of_one_thread() -> None:
    fired, resolved = (
        mail_of(message(kind), "a@example.org", "tonne@example.org")
        for kind in ("firing", "resolved")
    )
    assert fired["Message-ID"] != resolved["Message-ID"]
    assert fired["References"] == resolved["References"]
    assert fired["Subject"] == "[tonne] linz: stack-1-hourly firing (critical)"


def test_what_people_wrote_stays_in_the_body() -> None:
    mail = mail_of(
        message(message="first\nBcc: everybody@example.org", severity="bad\nBcc: x@y"),
        "a@example.org",
        "tonne@example.org",
    )
    assert mail["Bcc"] is None
    assert "value: 12345.5" in mail.get_content()
    assert "key: linz/stack-1-hourly/7/firing" in mail.get_content()


def test_names_and_the_unit_are_in_the_body() -> None:
    told = message(source_name="Kiln 1", unit="kg")
    text = mail_of(told, "a@example.org", "tonne@example.org").get_content()
    assert "source name: Kiln 1\n" in text
    assert "unit: kg\n" in text


def test_what_a_person_needs_is_said_first() -> None:
    body = {
        "source_name": "Kiln 1",
        "unit": "kg",
        "direction": "above",
        "present_value": 12_500.25,
        "started_at": "2026-11-24T11:02:00.000Z",
        "resolved_at": "2026-11-24T23:30:00.000Z",
    }
    known = {
        "facility_name": "Linz works",
        "timezone": "Europe/Vienna",
        "link": "https://tonne.example.org/?facility=linz",
    }
    told = replace(message("resolved", **body), **known)
    text = mail_of(told, "a@example.org", "tonne@example.org").get_content()
    assert (
        "\nLinz works: Kiln 1\n"
        "total of 1h: 12 345.5 kg when it fired, limit above 12 000 kg\n"
        "now: 12 500.25 kg\n"
        "since 2026-11-24 12:02 (Europe/Vienna)\n"
        "until 2026-11-25 00:30 (Europe/Vienna)\n"
        "https://tonne.example.org/?facility=linz\n"
    ) in text
    told_to_programs = json.loads(told.payload())
    assert told_to_programs["resolved_at_local"] == "2026-11-25T00:30:00+01:00"
    assert told_to_programs["resolved_at"] == body["resolved_at"]
    assert told_to_programs.items() >= known.items()


@pytest.mark.parametrize(
    ("language", "subject", "sentences"),
    [
        (
            "de",
            "[tonne] linz: stack-1-hourly beendet (kritisch)",
            (
                "Linzer Werk: Ofen 1\n"
                "Summe (1h): 12.345,5 kg bei der Auslösung, Grenzwert über 12.000 kg\n"
                "jetzt: 12.500,25 kg\n"
                "seit 24.11.2026 12:02 (Europe/Vienna)\n"
                "bis 25.11.2026 00:30 (Europe/Vienna)\n"
                "https://tonne.example.org/?facility=linz\n"
            ),
        ),
        (
            "zh",
            "[tonne] linz: stack-1-hourly 已解除 (严重)",
            (
                "Linzer Werk: Ofen 1\n"
                "合计\uff081h\uff09\uff1a触发时 12,345.5 kg\uff0c限值 高于 12,000 kg\n"
                "现在\uff1a12,500.25 kg\n"
                "自 2026年11月24日 12:02\uff08Europe/Vienna\uff09\n"
                "至 2026年11月25日 00:30\uff08Europe/Vienna\uff09\n"
                "https://tonne.example.org/?facility=linz\n"
            ),
        ),
    ],
)
def test_a_mail_is_in_the_language_of_who_gets_it(
    language: str, subject: str, sentences: str
) -> None:
    body = {
        "source_name": "Ofen 1",
        "unit": "kg",
        "direction": "above",
        "present_value": 12_500.25,
        "started_at": "2026-11-24T11:02:00.000Z",
        "resolved_at": "2026-11-24T23:30:00.000Z",
        "message": "Throttle the boiler.",
    }
    mail = mail_of(
        replace(
            message("resolved", **body),
            facility_name="Linzer Werk",
            timezone="Europe/Vienna",
            link="https://tonne.example.org/?facility=linz",
            language=language,
        ),
        "a@example.org",
        "tonne@example.org",
    )
    assert mail["Subject"] == subject
    assert mail["Content-Language"] == language
    text = mail.get_content()
    assert f"Throttle the boiler.\n\n{sentences}" in text
    # fields are the API's, in English
    assert "started at" not in text
    assert text.endswith("key: linz/stack-1-hourly/7/resolved\n")


def test_a_test_message_and_a_heartbeat_are_in_german() -> None:
    told = message("test", requested_by="person anna", limit=None, message="A test message, ...")
    text = mail_of(replace(told, language="de"), "a@example.org", "t@example.org").get_content()
    assert "Eine Probenachricht, verlangt von person anna. Kein Alarm besteht.\n" in text
    beat = replace(message("heartbeat", limit=None, message="alerts are watched"), language="de")
    mail = mail_of(beat, "a@example.org", "t@example.org")
    assert mail["Subject"] == "[tonne] linz: Alarme werden überwacht"
    assert "Alarme werden überwacht und zugestellt\n" in mail.get_content()


def test_every_measure_has_a_name_in_mails() -> None:
    assert set(MEASURES) <= set(CODES)


def test_a_server() -> None:
    server = parse("smtp://user:p%40ss@mail.example")
    assert (server.host, server.port, server.tls) == ("mail.example", 587, False)
    assert (server.username, server.password) == ("user", "p@ss")
    assert "p@ss" not in repr(server)
    assert parse("smtps://mail.example").port == 465


@pytest.mark.parametrize(
    ("url", "must"),
    [
        ("smtp://mail.example", False),
        ("smtp://user:pw@mail.example", True),
        ("smtp://user:pw@127.0.0.1:25", False),
        ("smtp://user:pw@[::1]:25", False),
        ("smtp://user:pw@localhost", False),
    ],
)
def test_a_password_is_not_said_in_the_clear(url: str, must: bool) -> None:
    assert parse(url).must_encrypt is must


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://", "smtp://a:b"])
def test_what_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(SmtpUrlError, match="TONNE_SMTP_URL"):
        parse(url)
