"""Sends one message to one server: a webhook or a mail server.

Errors never show the webhook's URL or the mail password, which are secrets, but only what the
server answered, as a number or a word. Connections and the meaning of refusals belong here. The
content of messages does not; it is in `render`. Why no library does this:
`docs/decisions/0015-alerts-without-apprise.md`.
"""

from __future__ import annotations

import logging
import re
import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from spine_assets.core.smtp_url import Encryption, SmtpServer

if TYPE_CHECKING:
    from pydantic import SecretStr

# A message is small and a server that needs longer has a problem; two slow channels must
# leave a sensor tick (60 s) time for the rest.
_TIMEOUT_SECONDS = 10.0
_SERVER_ERRORS = 500  # HTTP statuses from here on are the server's own problem
_TOO_MANY = 429
_TIMED_OUT = 408
# Slack answers with a word such as `no_service`; any other answer might repeat the URL.
_PLAIN_ANSWER = re.compile(r"[a-z_]{1,40}")

_logger = logging.getLogger(__name__)


class ChannelError(Exception):
    """A channel did not accept a message.

    Attributes:
        down: Another message would fail as well if it were sent now.
        transient: The same message may be accepted later.
    """

    def __init__(self, reason: str, *, down: bool, transient: bool) -> None:
        super().__init__(reason)
        self.down = down
        self.transient = transient


def post(url: SecretStr, payload: Mapping[str, Any]) -> None:
    """Post a payload to a webhook; any 2xx status accepts it.

    Raises:
        ChannelError: it was not accepted.
    """
    # httpx is slow to import, and most ticks of the sensor send nothing.
    from spine_assets.outbound.client import NoReply, send_once

    try:
        reply = send_once("POST", url, _TIMEOUT_SECONDS, payload)
    except NoReply as error:
        raise ChannelError(str(error), down=True, transient=error.transient) from None
    if reply.is_success:
        return
    status, word = reply.status, _word(reply.start)
    down = status >= _SERVER_ERRORS or status == _TOO_MANY
    raise ChannelError(f"HTTP {status}{word}", down=down, transient=down or status == _TIMED_OUT)


def hand_over(
    message: EmailMessage, server: SmtpServer, sender: str, recipients: tuple[str, ...]
) -> int:
    """Hand a mail to a server; returns how many of the recipients it refused.

    Raises:
        ChannelError: the server accepted it for none of the recipients.
    """
    try:
        client = _connected(server)
        try:
            refused = client.send_message(message, sender, recipients)
            with suppress(smtplib.SMTPException, OSError):  # the mail is delivered already
                client.quit()
        finally:
            client.close()
    except smtplib.SMTPException as error:
        raise _refusal(error) from None
    except OSError as error:
        transient = not isinstance(error, ssl.SSLCertVerificationError)
        raise ChannelError(type(error).__name__, down=True, transient=transient) from None
    if refused:
        _logger.warning("mail: %d of %d recipients refused", len(refused), len(recipients))
    return len(refused)


def _refusal(error: smtplib.SMTPException) -> ChannelError:
    """What a mail server's refusal means; codes of 4xx are transient (RFC 5321)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        transient = all(_is_transient(code) for code, _ in error.recipients.values())
        return ChannelError("every recipient was refused", down=False, transient=transient)
    if not isinstance(error, smtplib.SMTPResponseException):
        transient = isinstance(error, smtplib.SMTPServerDisconnected)
        return ChannelError(type(error).__name__, down=True, transient=transient)
    text, down = type(error).__name__, True
    if isinstance(error, (smtplib.SMTPSenderRefused, smtplib.SMTPDataError)):
        text, down = f"the mail was refused ({error.smtp_code})", False
    elif isinstance(error, smtplib.SMTPAuthenticationError):
        text = f"the login was refused ({error.smtp_code})"
    return ChannelError(text, down=down, transient=_is_transient(error.smtp_code))


def _is_transient(code: int) -> bool:
    return code // 100 != 5


def _connected(server: SmtpServer) -> smtplib.SMTP:
    """A connection, encrypted and logged in as the server's URL demands."""
    trusted = ssl.create_default_context()
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


def _word(start: bytes) -> str:
    """The server's answer in parentheses, where it is one plain word; else empty."""
    answer = start.decode("ascii", "replace").strip()
    return f" ({answer})" if _PLAIN_ANSWER.fullmatch(answer) else ""
