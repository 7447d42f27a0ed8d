"""What an HTTP download asks for and what it returns, and which headers may be sent.

Sending the request and reading the response belong to `http_download`. This module does not import
`httpx`, so that a pipeline can be validated without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from spine_assets.pipelines.steps.engine import EngineExecutionError
from spine_assets.pipelines.steps.secret_values import secret_of, variable_problems

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110's token
_OWN_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "range"}
_SECRET_HEADERS = {"authorization", "proxy-authorization", "cookie", "x-api-key"}


@dataclass(frozen=True)
class Request:
    """A request for a file, and the limits of its response.

    Attributes:
        url: An address of http or https.
        headers: Sent to the host of `url` alone, never to a host that it redirects to.
        timeout_seconds: Longest wait for the connection and for each piece of the body; all of it
            may take as long, and a second more for each 10,000 bytes.
        most_bytes: Largest body, as it is sent.
        redirect_hosts: Servers that it may redirect to, besides its own: `host` or `host:port`.
        packed: The body may be gzip, as the file's name says. Nothing is unpacked.
        content_types: Accepted types, such as `text/csv` or `text/*`; empty accepts any data.
    """

    url: str
    headers: Mapping[str, SecretStr]
    timeout_seconds: float
    most_bytes: int
    content_types: tuple[str, ...] = ()
    redirect_hosts: tuple[str, ...] = ()
    packed: bool = False


@dataclass(frozen=True)
class Downloaded:
    """A file that was downloaded.

    Attributes:
        shown_url: Where it came from, without the parts that may be secret.
        content_type: As the server sent it; empty without one.
        length_known: Whether a body that was cut short would have been noticed.
    """

    shown_url: str
    content_type: str
    bytes: int
    sha256: str
    length_known: bool


def header_problems(headers: Mapping[str, str], header_env: Mapping[str, str]) -> list[str]:
    """Headers that cannot be set or sent, that hold a secret, or that are given twice."""
    both = [*headers, *header_env]
    lowered = [name.lower() for name in both]
    found = [
        f"source: {name!r} is not a header that may be set"
        for name in both
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS
    ]
    found += [
        f"source: the header {name} is given twice"
        for name in sorted({name for name in lowered if lowered.count(name) > 1})
    ]
    for name, text in headers.items():
        if name.lower() in _SECRET_HEADERS:
            found.append(f"source.headers: {name} is a secret; name a variable in header_env")
        elif not _can_be_sent(text):
            found.append(f"source.headers.{name}: is not one line of ASCII")
    for name, variable in header_env.items():
        found += variable_problems(f"source.header_env.{name}", variable)
    return found


def headers_of(headers: Mapping[str, str], header_env: Mapping[str, str]) -> dict[str, SecretStr]:
    """The headers to send, with the values of the environment variables.

    Raises:
        EngineExecutionError: a header cannot be sent, or a variable is not set.
    """
    if problems := header_problems(headers, header_env):
        raise EngineExecutionError("; ".join(problems))
    found = {name: SecretStr(text) for name, text in headers.items()}
    for name, variable in header_env.items():
        field = f"source.header_env.{name}"
        found[name] = secret_of(field, variable)
        if not _can_be_sent(found[name].get_secret_value()):
            raise EngineExecutionError(f"{field}: the value of {variable} is not one line of ASCII")
    return found


def _can_be_sent(text: str) -> bool:
    return text.isascii() and text.isprintable()
