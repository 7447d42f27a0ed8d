"""Alerts reach real servers, and errors are reported without a secret."""

from __future__ import annotations

import logging
import ssl
from datetime import date
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from spine_assets.alerts.alert import Alert, AlertKind
from spine_assets.alerts.channels import AlertNotSent, Destination, Mail, Webhook, send
from spine_assets.core.smtp_url import parse_smtp
from spine_assets_tests.alerts.conftest import (
    PASSWORD,
    TOKEN,
    USER,
    Mailbox,
    Receiver,
    body,
    free_port,
    logins,
    mailing,
)

ALERT = Alert(
    AlertKind.CHECK_FAILED,
    "3 of 100 lines (3.00%) were rejected",
    "spine anomalies --week 2025-11-21",
    (date(2025, 11, 21),),
    "otc_raw",
    "rejects",
    numbers={"rejects": 3, "lines": 1_234_567},
    run_id="abc-1",
)
UI = "http://ui.example:3000/"
DESK = ("desk@example.org", "night@example.org")


def by_webhook(url: str) -> Webhook:
    return Webhook(SecretStr(url), UI)


def by_mail(url: str) -> Mail:
    return Mail(parse_smtp(url), "spine@example.org", DESK, UI)


def login() -> str:
    return f"{USER}:{quote(PASSWORD, safe='')}"


def refused(alert: Alert, *to: Destination) -> AlertNotSent:
    with pytest.raises(AlertNotSent) as caught:
        send(alert, to)
    return caught.value


def test_a_webhook_gets_the_full_message_once(webhook: Receiver) -> None:
    send(ALERT, [by_webhook(webhook.url)])
    assert webhook.paths == [f"/services/{TOKEN}"]
    (payload,) = webhook.payloads
    assert sorted(payload) == ["blocks", "text"]
    assert payload["text"].splitlines() == [
        "*Check failed: otc_raw.rejects, week 2025-11-21*",
        "3 of 100 lines (3.00%) were rejected",
        "week: 2025-11-21",
        "table: otc_raw",
        "check: rejects",
        "rejects: 3",
        "lines: 1,234,567",
        "Next: `spine anomalies --week 2025-11-21`",
        "Run: <http://ui.example:3000/runs/abc-1|abc-1>",
    ]


def test_a_mail_says_the_same_to_every_recipient(mailbox: Mailbox) -> None:
    send(ALERT, [by_mail(f"smtp://127.0.0.1:{mailbox.port}")])
    (mail,) = mailbox.mails
    assert mailbox.envelopes[0].rcpt_tos == list(DESK)
    assert mail["Subject"] == "[spine] Check failed: otc_raw.rejects, week 2025-11-21"
    assert mail["From"] == "spine@example.org"
    assert mail["To"] == "desk@example.org, night@example.org"
    assert body(mail).splitlines() == [
        "Check failed: otc_raw.rejects, week 2025-11-21",
        "",
        "3 of 100 lines (3.00%) were rejected",
        "",
        "week: 2025-11-21",
        "table: otc_raw",
        "check: rejects",
        "rejects: 3",
        "lines: 1,234,567",
        "",
        "Next: spine anomalies --week 2025-11-21",
        "Run: http://ui.example:3000/runs/abc-1",
    ]


@pytest.mark.parametrize(
    ("status", "answer", "text", "down"),
    [
        (500, b"trouble at /services/" + TOKEN.encode(), "HTTP 500", True),
        (429, b"slow_down", "HTTP 429 (slow_down)", True),
        (404, b"no_service", "HTTP 404 (no_service)", False),
        (302, b"", "HTTP 302", False),
    ],
)
def test_a_webhook_that_refuses_is_reported_by_its_status(
    webhook: Receiver, status: int, answer: bytes, text: str, down: bool
) -> None:
    webhook.status, webhook.answer = status, answer
    error = refused(ALERT, by_webhook(webhook.url))
    assert str(error) == f"webhook: {text}"
    assert error.failed["webhook"].down is down


def test_a_channel_that_is_down_keeps_nothing_from_the_other(
    webhook: Receiver, mailbox: Mailbox
) -> None:
    dead = free_port()
    mail, hook = by_mail(f"smtp://127.0.0.1:{mailbox.port}"), by_webhook(webhook.url)
    error = refused(ALERT, by_webhook(f"http://127.0.0.1:{dead}/{TOKEN}"), mail)
    assert str(error) == "webhook: ConnectError"
    assert len(mailbox.mails) == 1
    error = refused(ALERT, by_mail(f"smtp://127.0.0.1:{dead}"), hook)
    assert str(error) == "mail: ConnectionRefusedError"
    assert error.failed["mail"].down
    assert len(webhook.payloads) == 1


def test_a_mail_server_that_refuses_the_mail_is_not_down(mailbox: Mailbox) -> None:
    mailbox.refuse_data = "554 no"
    error = refused(ALERT, by_mail(f"smtp://127.0.0.1:{mailbox.port}"))
    assert str(error) == "mail: the mail was refused (554)"
    assert not error.failed["mail"].down


def test_a_login_is_sent_and_a_wrong_one_is_reported() -> None:
    with mailing(**logins(), auth_require_tls=False) as mailbox:
        send(ALERT, [by_mail(f"smtp://{login()}@127.0.0.1:{mailbox.port}")])
        wrong = by_mail(f"smtp://{USER}:s3cr3t-wrong@127.0.0.1:{mailbox.port}")
        assert str(refused(ALERT, wrong)) == "mail: the login was refused (535)"
        assert len(mailbox.mails) == 1


def test_starttls_encrypts_before_the_login(
    serving_tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with mailing(**logins(), tls_context=serving_tls, require_starttls=True) as mailbox:
        send(ALERT, [by_mail(f"smtp+starttls://{login()}@localhost:{mailbox.port}")])
        assert mailbox.encrypted == [True]


def test_tls_from_the_first_byte(
    serving_tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    # auth_require_tls: aiosmtpd 1.4 counts as TLS only what STARTTLS began.
    with mailing(**logins(), ssl_context=serving_tls, auth_require_tls=False) as mailbox:
        send(ALERT, [by_mail(f"smtps://{login()}@localhost:{mailbox.port}")])
        assert len(mailbox.mails) == 1


def test_a_certificate_that_is_not_trusted_gets_no_password(
    serving_tls: ssl.SSLContext,
) -> None:
    with mailing(**logins(), tls_context=serving_tls) as mailbox:
        url = f"smtp+starttls://{login()}@localhost:{mailbox.port}"
        assert str(refused(ALERT, by_mail(url))) == "mail: SSLCertVerificationError"
        assert mailbox.mails == []


def test_a_server_without_starttls_gets_no_password() -> None:
    with mailing(**logins(), auth_require_tls=False) as mailbox:
        url = f"smtp+starttls://{login()}@localhost:{mailbox.port}"
        assert str(refused(ALERT, by_mail(url))) == "mail: SMTPNotSupportedError"
        assert mailbox.mails == []


def test_no_secret_is_logged_or_reported(
    webhook: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with mailing(**logins(), auth_require_tls=False) as mailbox:
        hook = by_webhook(webhook.url)
        mail = by_mail(f"smtp://{login()}@127.0.0.1:{mailbox.port}")
        send(ALERT, [hook, mail])
        webhook.status = 500
        webhook.answer = webhook.url.encode()
        bad = by_mail(f"smtp://{USER}:s3cr3t-wrong@127.0.0.1:{mailbox.port}")
        error = refused(ALERT, hook, bad)
    assert len(webhook.payloads) == len(mailbox.mails) == 1
    captured = capfd.readouterr()
    shown = f"{error!r}{error.failed}{hook!r}{mail!r}{captured.out}{captured.err}"
    logged = "".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("mail.log")
    )  # mail.log is the server's own
    for secret in ("s3cr3t", TOKEN, quote(PASSWORD, safe="")):
        assert secret not in shown
        assert secret not in logged


def test_nothing_links_an_error_to_what_holds_the_url(webhook: Receiver) -> None:
    error = refused(ALERT, by_webhook(f"http://127.0.0.1:{free_port()}/{TOKEN}"))
    cause = error.failed["webhook"]
    assert cause.__suppress_context__
    assert cause.__cause__ is None
