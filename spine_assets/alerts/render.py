"""An alert as a Slack message and as an e-mail.

Pure functions: nothing is sent here. The size of each form is bounded, whatever the alert holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any

from spine_assets.alerts.alert import Alert, Number
from spine_assets.alerts.text_parts import weeks_text
from spine_assets.core.text import cut, one_line

SUBJECT_CHARS = 150  # mail programs show less
_TEXT_CHARS = 2_400  # Slack refuses a section of over 3,000; title and markup need the rest
_MOST_NUMBERS = 12  # as many as one of our checks has; more are on the check's own page
_NAME_CHARS = 60  # longer than any name of a table, check or figure
_VALUE_CHARS = 150  # six ranges of weeks
_NO_MENTION = "@\u200b"  # Mattermost and others read @all in any text as a mention of everybody


def slack(alert: Alert, ui_url: str) -> dict[str, Any]:
    """Payload of an incoming webhook; `text` repeats all of it for servers without blocks."""
    title, text = _mrkdwn(alert.title), _mrkdwn(alert.text)
    facts = [
        f"{_mrkdwn(name, _NAME_CHARS)}: {_mrkdwn(value, _VALUE_CHARS)}"
        for name, value in _facts(alert)
    ]
    command = _mrkdwn(alert.next_command).replace("`", "'")
    steps = [f"Next: `{command}`"]
    if alert.run_id:
        link = _mrkdwn(_link(alert, ui_url)).replace("|", "%7C")
        steps.append(f"Run: <{link}|{_mrkdwn(alert.run_id)}>")
    parts = [f"*{title}*\n{text}", "\n".join(facts), "\n".join(steps)]
    return {
        "text": "\n".join(part for part in parts if part),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": part}} for part in parts if part
        ],
    }


def mail(alert: Alert, ui_url: str, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """A plain text e-mail."""
    lines = [
        one_line(alert.title),
        "",
        cut(one_line(alert.text), _TEXT_CHARS),
        "",
        *(f"{name}: {one_line(value)}" for name, value in _facts(alert)),
        "",
        f"Next: {one_line(alert.next_command)}",
    ]
    if alert.run_id:
        lines.append(f"Run: {_link(alert, ui_url)}")
    return plain_mail(f"[spine] {alert.title}", lines, sender, recipients)


def plain_mail(
    subject: str,
    lines: Iterable[str],
    sender: str,
    recipients: tuple[str, ...],
    message_id: str | None = None,
) -> EmailMessage:
    """An automatic mail of plain text; the subject is one line, whatever it holds.

    Args:
        subject: Cut to `SUBJECT_CHARS`.
        lines: Of the body.
        sender: One address.
        recipients: Addresses.
        message_id: The Message-ID's part before its @; default: a new one.
    """
    message = EmailMessage()
    message["Subject"] = cut(one_line(subject), SUBJECT_CHARS)
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(datetime.now(UTC))
    domain = sender.rpartition("@")[2]
    message["Message-ID"] = f"<{message_id}@{domain}>" if message_id else make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"  # so that no absence note answers (RFC 3834)
    message.set_content("".join(f"{line}\n" for line in lines))
    return message


def _facts(alert: Alert) -> list[tuple[str, str]]:
    """Week, table, check and numbers, by name."""
    named = [("week" if len(alert.weeks) == 1 else "weeks", weeks_text(alert.weeks))]
    named += [("table", alert.table), ("check", alert.check)]
    numbers = list(alert.numbers.items())
    named += [(one_line(name), _figure(value)) for name, value in numbers[:_MOST_NUMBERS]]
    if len(numbers) > _MOST_NUMBERS:
        named.append(("more numbers", str(len(numbers) - _MOST_NUMBERS)))
    return [(cut(name, _NAME_CHARS), cut(value, _VALUE_CHARS)) for name, value in named if value]


def _figure(value: Number) -> str:
    return one_line(value) if isinstance(value, str) else f"{value:,}"


def _link(alert: Alert, ui_url: str) -> str:
    return f"{ui_url.rstrip('/')}/runs/{alert.run_id}"


def _mrkdwn(text: str, limit: int = _TEXT_CHARS) -> str:
    """A text for Slack: one line, markup characters escaped, no mentions."""
    return escaped(cut(one_line(text), limit, escaped))


def escaped(text: str) -> str:
    """A text in which Slack finds no mention, no link and no entity."""
    for char, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", _NO_MENTION)):
        text = text.replace(char, written)
    return text
