"""Handing one message to one server: a webhook or a mail server.

Errors never show the webhook's URL or the mail password, which are secrets: only what the other
side answered, as a number or a word. Belongs here: connections, and what refusals mean. Does not
belong here: what a message says (`render`).
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

from spine_assets.alerts.smtp_url import Encryption, SmtpServer
from spine_assets.http_logs import keep_urls_out_of_logs

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

# A message is small and a server that needs longer is in trouble; two slow channels must
# leave a sensor tick (60 s) time for the rest.
_TIMEOUT_SECONDS = 10.0
_SERVER_ERRORS = 500  # HTTP statuses from here on are the server's own trouble
_TOO_MANY = 429
_TIMED_OUT = 408
# Slack answers with a word such as `no_service`; any other answer might repeat the URL.
_PLAIN_ANSWER = re.compile(r"[a-z_]{1,40}")
_ANSWER_BYTES = 200  # no such word is longer
_BAD_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"

_logger = logging.getLogger(__name__)


class ChannelError(Exception):
    """A channel did not take a message.

    Attributes:
        down: The next message need not be tried at once: it would meet the same.
        passing: The same message may be taken a little later.
    """

    def __init__(self, reason: str, *, down: bool, passing: bool) -> None:
        super().__init__(reason)
        self.down = down
        self.passing = passing


def post(url: SecretStr, payload: Mapping[str, Any]) -> None:
    """Post a payload to a webhook; any 2xx takes it.

    Raises:
        ChannelError: it was not taken.
    """
    import httpx

    keep_urls_out_of_logs()
    try:
        with (
            httpx.Client(timeout=_TIMEOUT_SECONDS) as client,
            client.stream("POST", url.get_secret_value(), json=payload) as response,
        ):
            if response.is_success:
                return
            status, answer = response.status_code, _word(response)
    except httpx.TransportError as error:
        passing = _BAD_CERTIFICATE not in str(error)
        raise ChannelError(type(error).__name__, down=True, passing=passing) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        # ValueError: a proxy of the environment that is no URL.
        raise ChannelError(type(error).__name__, down=True, passing=False) from None
    down = status >= _SERVER_ERRORS or status == _TOO_MANY
    raise ChannelError(f"HTTP {status}{answer}", down=down, passing=down or status == _TIMED_OUT)


def hand_over(
    message: EmailMessage, server: SmtpServer, sender: str, recipients: tuple[str, ...]
) -> int:
    """Hand a mail to a server; how many of the recipients it refused.

    Raises:
        ChannelError: the server took it for none of the recipients.
    """
    try:
        client = _connected(server)
        try:
            refused = client.send_message(message, sender, recipients)
            with suppress(smtplib.SMTPException, OSError):  # the mail is handed over
                client.quit()
        finally:
            client.close()
    except smtplib.SMTPException as error:
        raise _refusal(error) from None
    except OSError as error:
        passing = not isinstance(error, ssl.SSLCertVerificationError)
        raise ChannelError(type(error).__name__, down=True, passing=passing) from None
    if refused:
        _logger.warning("mail: %d of %d recipients refused", len(refused), len(recipients))
    return len(refused)


def _refusal(error: smtplib.SMTPException) -> ChannelError:
    """What a mail server's refusal means; codes of 4xx may pass (RFC 5321)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        passing = all(_may_pass(code) for code, _ in error.recipients.values())
        return ChannelError("every recipient was refused", down=False, passing=passing)
    if isinstance(error, (smtplib.SMTPSenderRefused, smtplib.SMTPDataError)):
        said = f"the mail was refused ({error.smtp_code})"
        return ChannelError(said, down=False, passing=_may_pass(error.smtp_code))
    if isinstance(error, smtplib.SMTPAuthenticationError):
        said = f"the login was refused ({error.smtp_code})"
        return ChannelError(said, down=True, passing=_may_pass(error.smtp_code))
    if isinstance(error, smtplib.SMTPResponseException):
        passing = _may_pass(error.smtp_code)
        return ChannelError(type(error).__name__, down=True, passing=passing)
    passing = isinstance(error, smtplib.SMTPServerDisconnected)
    return ChannelError(type(error).__name__, down=True, passing=passing)


def _may_pass(code: int) -> bool:
    return code // 100 != 5


def _connected(server: SmtpServer) -> smtplib.SMTP:
    """A connection, encrypted and logged in as the server's URL asks."""
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


def _word(response: httpx.Response) -> str:
    """What a server answered beside its status, where it is one plain word."""
    import httpx

    try:
        answer = next(response.iter_bytes(_ANSWER_BYTES), b"").decode("ascii", "replace").strip()
    except httpx.HTTPError:
        return ""
    return f" ({answer})" if _PLAIN_ANSWER.fullmatch(answer) else ""
