"""Downloading one file by HTTP: streamed, bounded, whole or refused.

Belongs here: requests, redirects, what an answer means, the bytes. Does not belong here: names and
places (`engines.http_fetch`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from spine_assets.core.http_logs import keep_urls_out_of_logs
from spine_assets.core.text import cut, one_line
from spine_assets.pipelines.steps.engine import EngineExecutionError, TransientError

if TYPE_CHECKING:
    import httpx

_MOST_REDIRECTS = 5
_OK, _SERVER_ERRORS = 200, 500
_PASSING = {408, 425, 429}  # too slow, too early, too many; 5xx are passing too
_REDIRECTS = {301, 302, 303, 307, 308}
_GZIP = {"gzip", "x-gzip"}  # what many servers say of any file whose name ends with .gz
_HTML_TYPES = {"text/html", "application/xhtml+xml"}
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S
)
_LOOKED_AT = 1_024  # a page tells what it is in its first line or after a comment
_MOST_SAID = 200


@dataclass(frozen=True)
class Request:
    """What is asked for, and what may come.

    Attributes:
        url: Of http or https.
        headers: Sent to the host of `url` alone, never to where it redirects.
        timeout_seconds: Of each step: connecting, and each piece of the body.
        most_bytes: Of the body, as it is sent.
        packed: The body may be gzip: the file is to be named so. Nothing is unpacked.
        content_types: Those that are taken, such as `text/csv` or `text/*`; none takes any.
    """

    url: str
    headers: Mapping[str, SecretStr]
    timeout_seconds: float
    most_bytes: int
    content_types: tuple[str, ...] = ()
    packed: bool = False


@dataclass(frozen=True)
class Downloaded:
    """What came.

    Attributes:
        shown_url: Where from, without what may be a secret.
        content_type: As the server told it; empty where it did not.
        length_told: Whether a body cut short would have been noticed.
    """

    shown_url: str
    content_type: str
    bytes: int
    sha256: str
    length_told: bool


def shown(url: str) -> str:
    """A URL without its query, user and password."""
    import httpx

    try:
        parsed = httpx.URL(url)
        host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    except httpx.InvalidURL:
        return "the URL"
    port = f":{parsed.port}" if parsed.port else ""
    return cut(one_line(f"{parsed.scheme}://{host}{port}{parsed.path}"), _MOST_SAID)


def url_fault(url: str) -> str | None:
    """Why a URL is not asked, or None; nothing of it is repeated."""
    import httpx

    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        return "is no URL"
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        return "is no URL that begins with http:// or https://"
    if parsed.userinfo:
        return "holds a user or password; name a variable with the header in source.header_env"
    return None


def download(request: Request, path: Path) -> Downloaded:
    """Download to a new file, synced to disk.

    Raises:
        EngineExecutionError: the answer is none that is wanted, or too large.
        TransientError: the server or the way to it fails now, or the body came in part.
        OSError: the file cannot be written.
    """
    import httpx

    keep_urls_out_of_logs()
    said = shown(request.url)
    with (
        _told(said),
        httpx.Client(timeout=request.timeout_seconds, follow_redirects=False) as client,
        _answer(client, request) as response,
    ):
        _require_wanted(response, request, said)
        size, sha256 = _write(response, request, path, said)
        return Downloaded(
            shown(str(response.url)),
            one_line(response.headers.get("content-type", "")),
            size,
            sha256,
            _tells_length(response),
        )


@contextmanager
def _answer(client: httpx.Client, request: Request) -> Iterator[httpx.Response]:
    """The answer after redirects; its body is not read yet."""
    import httpx

    url, headers = httpx.URL(request.url), _headers(request)
    first = _origin(url)
    for _ in range(_MOST_REDIRECTS + 1):
        own = headers if _origin(url) == first else _ours()
        with client.stream("GET", url, headers=own) as response:
            if response.status_code not in _REDIRECTS:
                yield response
                return
            url = _next(response)
    raise EngineExecutionError(
        f"{shown(request.url)}: redirects more than {_MOST_REDIRECTS} times; give the last address"
    )


def _next(response: httpx.Response) -> httpx.URL:
    """Where an answer redirects to."""
    import httpx

    said = f"{shown(str(response.url))}: HTTP {response.status_code}"
    try:
        url = response.url.join(response.headers["location"])
    except (KeyError, httpx.InvalidURL):
        raise EngineExecutionError(f"{said} without an address to go to") from None
    if url_fault(str(url)):
        raise EngineExecutionError(f"{said} to what is no address of http or https")
    if response.url.scheme == "https" and url.scheme != "https":
        raise EngineExecutionError(f"{said} from https to http, which anybody could change")
    return url


def _headers(request: Request) -> dict[str, str]:
    return {
        **_ours(),
        **{name.lower(): value.get_secret_value() for name, value in request.headers.items()},
    }


def _ours() -> dict[str, str]:
    """What every request says; the file is wanted as it is."""
    return {
        "user-agent": f"spine-assets/{version('spine-assets')}",
        "accept": "*/*",
        "accept-encoding": "identity",
    }


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _require_wanted(response: httpx.Response, request: Request, said: str) -> None:
    """Refuse an answer by its status and headers, before its body is read."""
    status = response.status_code
    if status in _PASSING or status >= _SERVER_ERRORS:
        raise TransientError(f"{said}: HTTP {status}; the server's own trouble, or too much asked")
    if status != _OK:
        advice = "look at the address, and at source.header_env where it wants a key"
        raise EngineExecutionError(f"{said}: HTTP {status}; {advice}")
    told = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.content_types and not _is_accepted(told, request.content_types):
        raise EngineExecutionError(
            f"{said}: is {one_line(told)[:_MOST_SAID] or 'of no told type'}, and "
            f"config.content_types takes {', '.join(request.content_types)}"
        )
    if told in _HTML_TYPES and not request.content_types:
        raise _page(said)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "") and not (request.packed and encoding in _GZIP):
        raise EngineExecutionError(
            f"{said}: is sent packed ({one_line(encoding)[:_MOST_SAID]}), though it was asked for "
            "as it is; where that is gzip, give destination.name the ending .gz"
        )
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length) > request.most_bytes:
        raise _too_large(said, request)


def _is_accepted(told: str, accepted: tuple[str, ...]) -> bool:
    family = f"{told.partition('/')[0]}/*"
    return any(item.lower() in {told, family} for item in accepted)


def _write(response: httpx.Response, request: Request, path: Path, said: str) -> tuple[int, str]:
    """Write the body; its size and hash."""
    digest, size, start = hashlib.sha256(), 0, b""
    with path.open("xb") as file:
        for piece in response.iter_raw():
            size += len(piece)
            if size > request.most_bytes:
                raise _too_large(said, request)
            start = (start + piece)[:_LOOKED_AT] if len(start) < _LOOKED_AT else start
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if size == 0:
        raise EngineExecutionError(f"{said}: the answer is empty; look at the address")
    if _HTML.match(start) and not _is_accepted("text/html", request.content_types):
        raise _page(said)
    return size, digest.hexdigest()


def _tells_length(response: httpx.Response) -> bool:
    headers = response.headers
    return "content-length" in headers or "chunked" in headers.get("transfer-encoding", "")


def _page(said: str) -> EngineExecutionError:
    return EngineExecutionError(
        f"{said}: is a web page, such as a login or an error, where a data file is expected; "
        "open it in a browser. config.content_types: [text/html] takes pages"
    )


def _too_large(said: str, request: Request) -> EngineExecutionError:
    return EngineExecutionError(
        f"{said}: has more than config.max_bytes, {request.most_bytes:,}; raise it if that is right"
    )


@contextmanager
def _told(said: str) -> Iterator[None]:
    """What goes wrong on the way, told without what was sent."""
    import httpx

    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL, ValueError):
        # Their own words repeat headers. ValueError: a proxy of the environment that is no URL.
        raise EngineExecutionError(f"{said}: cannot be asked; look at source") from None
    except httpx.ConnectError as error:
        reason = cut(one_line(str(error)), _MOST_SAID)
        fault = EngineExecutionError if "CERTIFICATE_VERIFY_FAILED" in reason else TransientError
        raise fault(f"{said}: {reason}") from None
    except httpx.HTTPError as error:
        short = isinstance(error, httpx.RemoteProtocolError)
        reason = f" ({cut(one_line(str(error)), _MOST_SAID)})" if short else ""
        raise TransientError(f"{said}: {type(error).__name__}{reason}") from None
