"""Where alerts go: a Slack-compatible webhook and mail.

Errors never show the webhook's URL or the mail password, which are secrets: only what the
other side answered, as a number or a word.
"""

from __future__ import annotations

import logging
import re
import smtplib
import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from spine_assets.alerts import render
from spine_assets.alerts.alert import Alert
from spine_assets.alerts.smtp_url import Encryption, SmtpServer

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

    from spine_assets.settings import AlertSettings

# A message is small and a server that needs longer is in trouble; two slow channels must
# leave a sensor tick (60 s) time for the rest.
_TIMEOUT_SECONDS = 10.0
_SERVER_ERRORS = 500  # HTTP statuses from here on are the server's own trouble
_TOO_MANY = 429
# Slack answers with a word such as `no_service`; any other answer might repeat the URL.
_PLAIN_ANSWER = re.compile(r"[a-z_]{1,40}")
_ANSWER_BYTES = 200  # no such word is longer

_logger = logging.getLogger(__name__)


class ChannelError(Exception):
    """A channel did not take an alert.

    Attributes:
        down: The next alert need not be tried at once: it would meet the same.
    """

    def __init__(self, reason: str, *, down: bool) -> None:
        super().__init__(reason)
        self.down = down


class AlertNotSent(Exception):
    """Some channels did not take an alert; all were tried.

    Attributes:
        failed: By the channel's name, why.
    """

    def __init__(self, failed: dict[str, ChannelError]) -> None:
        super().__init__("; ".join(f"{name}: {error}" for name, error in failed.items()))
        self.failed = failed


class Destination(Protocol):
    """A channel with an address."""

    @property
    def name(self) -> str:
        """Short name; the same after a restart."""

    def deliver(self, alert: Alert) -> None:
        """Hand an alert over, or raise ChannelError."""


@dataclass(frozen=True)
class Webhook:
    """A Slack-compatible incoming webhook."""

    url: SecretStr
    ui_url: str
    name: str = "webhook"

    def deliver(self, alert: Alert) -> None:
        """Post the alert; any 2xx takes it.

        Raises:
            ChannelError: it was not taken.
        """
        import httpx

        _keep_url_out_of_logs()
        payload = render.slack(alert, self.ui_url)
        try:
            with (
                httpx.Client(timeout=_TIMEOUT_SECONDS) as client,
                client.stream("POST", self.url.get_secret_value(), json=payload) as response,
            ):
                if response.is_success:
                    return
                status, answer = response.status_code, _word(response)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            # ValueError: a proxy of the environment that is no URL.
            raise ChannelError(type(error).__name__, down=True) from None
        raise ChannelError(
            f"HTTP {status}{answer}", down=status >= _SERVER_ERRORS or status == _TOO_MANY
        )


@dataclass(frozen=True)
class Mail:
    """A mail server and whom it writes to."""

    server: SmtpServer
    sender: str
    recipients: tuple[str, ...]
    ui_url: str
    name: str = "mail"

    def deliver(self, alert: Alert) -> None:
        """Hand a mail to the server.

        Raises:
            ChannelError: the server took it for none of the recipients.
        """
        message = render.mail(alert, self.ui_url, self.sender, self.recipients)
        try:
            client = self._connected()
            try:
                refused = client.send_message(message, self.sender, self.recipients)
                with suppress(smtplib.SMTPException, OSError):  # the mail is handed over
                    client.quit()
            finally:
                client.close()
        except smtplib.SMTPRecipientsRefused:
            raise ChannelError("every recipient was refused", down=False) from None
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise ChannelError(f"the mail was refused ({error.smtp_code})", down=False) from None
        except smtplib.SMTPAuthenticationError as error:
            raise ChannelError(f"the login was refused ({error.smtp_code})", down=True) from None
        except (smtplib.SMTPException, OSError) as error:
            raise ChannelError(type(error).__name__, down=True) from None
        if refused:
            _logger.warning("mail: %d of %d recipients refused", len(refused), len(self.recipients))

    def _connected(self) -> smtplib.SMTP:
        """A connection, encrypted and logged in as the server's URL asks."""
        server, trusted = self.server, ssl.create_default_context()
        client: smtplib.SMTP
        if server.encryption is Encryption.TLS:
            client = smtplib.SMTP_SSL(
                server.host, server.port, timeout=_TIMEOUT_SECONDS, context=trusted
            )
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_SECONDS)
        try:
            if server.encryption is Encryption.STARTTLS:
                client.starttls(context=trusted)
            if server.user:
                client.login(server.user, server.password.get_secret_value())
        except BaseException:
            client.close()
            raise
        return client


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
    """Hand an alert to every destination.

    Raises:
        AlertNotSent: some did not take it; the others did.
    """
    failed: dict[str, ChannelError] = {}
    for destination in to:
        try:
            destination.deliver(alert)
        except ChannelError as error:
            failed[destination.name] = error
    if failed:
        raise AlertNotSent(failed)


def _word(response: httpx.Response) -> str:
    """What a server answered beside its status, where it is one plain word."""
    import httpx

    try:
        answer = next(response.iter_bytes(_ANSWER_BYTES), b"").decode("ascii", "replace").strip()
    except httpx.HTTPError:
        return ""
    return f" ({answer})" if _PLAIN_ANSWER.fullmatch(answer) else ""


def _keep_url_out_of_logs() -> None:
    """Of each request httpx 0.28 logs the whole URL at INFO, httpcore more at DEBUG."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
