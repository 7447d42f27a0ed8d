"""The URL that names a mail server: `smtp://`, `smtp+starttls://` or `smtps://`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

_USUAL = "smtp+starttls://user:password@host:587"


class Encryption(StrEnum):
    """How the connection is encrypted, by the URL's scheme."""

    NONE = "smtp"
    STARTTLS = "smtp+starttls"
    TLS = "smtps"


_PORTS = {Encryption.NONE: 25, Encryption.STARTTLS: 587, Encryption.TLS: 465}  # IANA's


@dataclass(frozen=True)
class SmtpServer:
    """A mail server and how to log in; `user` is empty for no login."""

    encryption: Encryption
    host: str
    port: int
    user: str
    password: SecretStr


def parse_smtp(url: str) -> SmtpServer:
    """Read a mail server's URL.

    Raises:
        ValueError: it is not one; the message repeats nothing of it, for it holds a password.
    """
    parts, port = _split(url)
    try:
        encryption = Encryption(parts.scheme)
    except ValueError:
        raise ValueError(
            f"is not a mail server's URL; use smtp://, smtp+starttls:// or smtps://, as {_USUAL}"
        ) from None
    if not parts.hostname:
        raise ValueError(f"names no host; write it as {_USUAL}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isascii() or not (user + password + parts.hostname).isprintable():
        raise ValueError("has a user or password that is not plain ASCII")
    if bool(user) != bool(password):
        raise ValueError("has a user without a password, or a password without a user")
    if user and encryption is Encryption.NONE and not _is_this_machine(parts.hostname):
        raise ValueError("would send the password unencrypted; use smtp+starttls:// or smtps://")
    return SmtpServer(
        encryption, parts.hostname, port or _PORTS[encryption], user, SecretStr(password)
    )


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its message would repeat a part of the password
        parts, port = urlsplit(""), None
    if not parts.scheme or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(
            f"is not a mail server's URL such as {_USUAL}; in user and password write "
            "/ ? # @ : % as %2F %3F %23 %40 %3A %25"
        )
    return parts, port


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
