"""Where alerts go: a Slack-compatible webhook and mail.

The channels, and sending one alert to all of them, belong here. Connections to their servers do
not; they are in `sending`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from spine_assets.alerts import render
from spine_assets.alerts.alert import Alert
from spine_assets.alerts.sending import ChannelError, hand_over, post
from spine_assets.core.alert_settings import AlertSettings
from spine_assets.core.smtp_url import SmtpServer


class AlertNotSent(Exception):
    """Some channels did not accept an alert; all were tried.

    Attributes:
        failed: The reason, by the channel's name.
    """

    def __init__(self, failed: dict[str, ChannelError]) -> None:
        super().__init__("; ".join(f"{name}: {error}" for name, error in failed.items()))
        self.failed = failed


class Destination(Protocol):
    """A channel with an address."""

    @property
    def name(self) -> str:
        """Short name, stable across restarts."""

    def deliver(self, alert: Alert) -> None:
        """Send an alert, or raise ChannelError."""


@dataclass(frozen=True)
class Webhook:
    """A Slack-compatible incoming webhook."""

    url: SecretStr
    ui_url: str
    name: str = "webhook"

    def deliver(self, alert: Alert) -> None:
        """Post the alert; any 2xx status accepts it.

        Raises:
            ChannelError: it was not accepted.
        """
        post(self.url, render.slack(alert, self.ui_url))


@dataclass(frozen=True)
class Mail:
    """A mail server, the sender and the recipients."""

    server: SmtpServer
    sender: str
    recipients: tuple[str, ...]
    ui_url: str
    name: str = "mail"

    def deliver(self, alert: Alert) -> None:
        """Send the alert as a mail.

        Raises:
            ChannelError: the server accepted it for none of the recipients.
        """
        message = render.mail(alert, self.ui_url, self.sender, self.recipients)
        hand_over(message, self.server, self.sender, self.recipients)


def destinations(settings: AlertSettings) -> list[Destination]:
    """The channels that the settings name."""
    found: list[Destination] = []
    if settings.alert_webhook is not None:
        found.append(Webhook(settings.alert_webhook, settings.ui_url))
    if settings.smtp_server is not None:
        found.append(
            Mail(settings.smtp_server, settings.alert_from, settings.recipients, settings.ui_url)
        )
    return found


def send(alert: Alert, to: Iterable[Destination]) -> None:
    """Send an alert to every destination.

    Raises:
        AlertNotSent: some did not accept it; the others did.
    """
    failed: dict[str, ChannelError] = {}
    for destination in to:
        try:
            destination.deliver(alert)
        except ChannelError as error:
            failed[destination.name] = error
    if failed:
        raise AlertNotSent(failed)
