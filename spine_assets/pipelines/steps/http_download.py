"""Downloads one file by HTTP. The file is streamed, limited in size, and complete or refused.

The meaning of a response and writing its body belong here. What is asked for is in
`http_request`, the connection and the rules of addresses in `outbound`, and the name and folder of
the file in `engines.http_fetch`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from spine_assets.core.text import cut, one_line
from spine_assets.outbound.client import AddressRefused, TooSlow, after, client
from spine_assets.outbound.shown import shown, shown_server
from spine_assets.outbound.urls import is_named, is_same_server, server_problem, url_problem
from spine_assets.pipelines.steps.engine import EngineExecutionError, TransientError
from spine_assets.pipelines.steps.http_request import Downloaded, Request

_MOST_REDIRECTS = 5
_OK, _SERVER_ERRORS = 200, 500
_TRANSIENT = {408, 425, 429}  # too slow, too early, too many; so is every 5xx
_REDIRECTS = {301, 302, 303, 307, 308}
_GZIP = {"gzip", "x-gzip"}  # many servers send it with any file whose name ends with .gz
_HTML_TYPES = {"text/html", "application/xhtml+xml"}
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S
)
_START_BYTES = 1_024  # enough for the first line of a page and a comment before it
_MOST_SHOWN = 200  # characters of what a server sent


def address_problems(url: str | None, redirect_hosts: Iterable[str]) -> list[str]:
    """What is wrong with the addresses of a step; the texts repeat no part of them."""
    problem = None if url is None else url_problem(url)
    found = [f"source.url: {problem}"] if problem else []
    for number, text in enumerate(redirect_hosts, 1):
        if problem := server_problem(text):
            found.append(f"source.redirect_hosts: item {number} {problem}")
    return found


def download(request: Request, path: Path) -> Downloaded:
    """Download to a new file, synced to disk.

    Raises:
        EngineExecutionError: the response is not the file that was asked for, or is too large.
        TransientError: the server or the network fails now, or the body was cut short.
        OSError: the file cannot be written.
    """
    source = shown(httpx.URL(request.url))
    with (
        _explained(source),
        client(request.timeout_seconds) as session,
        _response(session, request) as response,
    ):
        _require_wanted(response, request, source)
        size, sha256 = _write(response, request, path, source)
        sent = response.headers
        return Downloaded(
            shown(response.url),
            one_line(sent.get("content-type", "")),
            size,
            sha256,
            "content-length" in sent or "chunked" in sent.get("transfer-encoding", ""),
        )


@contextmanager
def _response(session: httpx.Client, request: Request) -> Iterator[httpx.Response]:
    """The response after redirects; its body is not read yet."""
    url = httpx.URL(request.url)
    first = _origin(url)
    given = {name.lower(): value.get_secret_value() for name, value in request.headers.items()}
    extensions: dict[str, Any] = {}
    for _ in range(_MOST_REDIRECTS + 1):
        own = _default_headers() | (given if _origin(url) == first else {})
        with session.stream("GET", url, headers=own, extensions=extensions) as response:
            if response.status_code not in _REDIRECTS:
                yield response
                return
            url, extensions = _next(response, request), after(response)
    raise EngineExecutionError(
        f"{shown(httpx.URL(request.url))}: redirects more than {_MOST_REDIRECTS} times; "
        "give the final address"
    )


def _next(response: httpx.Response, request: Request) -> httpx.URL:
    """Where a response redirects to: the server of the step's URL, or one that the step names."""
    problem = f"{shown(response.url)}: HTTP {response.status_code} redirects"
    try:
        url = response.url.join(response.headers["location"])
    except (KeyError, httpx.InvalidURL):
        raise EngineExecutionError(f"{problem} without an address") from None
    if url_problem(str(url)):
        raise EngineExecutionError(f"{problem} to an address that is neither http nor https")
    if response.url.scheme == "https" and url.scheme != "https":
        raise EngineExecutionError(f"{problem} from https to http, where the file could be altered")
    if not (is_same_server(httpx.URL(request.url), url) or is_named(url, request.redirect_hosts)):
        raise EngineExecutionError(
            f"{problem} to {shown_server(url)}, which is not followed: if the file is there, give "
            "its final address, or name the host in source.redirect_hosts"
        )
    return url


def _default_headers() -> dict[str, str]:
    """Headers of every request; they ask for the file without compression."""
    return {
        "user-agent": f"spine-assets/{version('spine-assets')}",
        "accept": "*/*",
        "accept-encoding": "identity",
    }


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _require_wanted(response: httpx.Response, request: Request, source: str) -> None:
    """Refuse a response by its status and headers, before its body is read."""
    status = response.status_code
    if status in _TRANSIENT or status >= _SERVER_ERRORS:
        raise TransientError(f"{source}: HTTP {status}; the server failed or limits requests")
    if status != _OK:
        advice = "check the address, and source.header_env if the server requires a key"
        raise EngineExecutionError(f"{source}: HTTP {status}; {advice}")
    sent = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.content_types and not _is_accepted(sent, request.content_types):
        raise EngineExecutionError(
            f"{source}: the content type is {one_line(sent)[:_MOST_SHOWN] or 'missing'}, and "
            f"config.content_types takes {', '.join(request.content_types)}"
        )
    if sent in _HTML_TYPES and not request.content_types:
        raise _web_page(source)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "") and not (request.packed and encoding in _GZIP):
        raise EngineExecutionError(
            f"{source}: was sent packed ({one_line(encoding)[:_MOST_SHOWN]}), although the request "
            "refuses compression; if that is gzip, give destination.name the ending .gz"
        )
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length) > request.most_bytes:
        raise _too_large(source, request)


def _is_accepted(sent: str, accepted: tuple[str, ...]) -> bool:
    family = f"{sent.partition('/')[0]}/*"
    return any(item.lower() in {sent, family} for item in accepted)


def _write(response: httpx.Response, request: Request, path: Path, source: str) -> tuple[int, str]:
    """Write the body; return its size and hash."""
    digest, size, start = hashlib.sha256(), 0, b""
    with path.open("xb") as file:
        for piece in response.iter_raw():
            size += len(piece)
            if size > request.most_bytes:
                raise _too_large(source, request)
            start = (start + piece)[:_START_BYTES] if len(start) < _START_BYTES else start
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if size == 0:
        raise EngineExecutionError(f"{source}: the response is empty; check the address")
    if _HTML.match(start) and not _is_accepted("text/html", request.content_types):
        raise _web_page(source)
    return size, digest.hexdigest()


def _web_page(source: str) -> EngineExecutionError:
    return EngineExecutionError(
        f"{source}: is a web page, such as a login or an error, and not a data file; open it in a "
        "browser. config.content_types: [text/html] takes pages"
    )


def _too_large(source: str, request: Request) -> EngineExecutionError:
    return EngineExecutionError(
        f"{source}: more than config.max_bytes, {request.most_bytes:,}; raise it if this is right"
    )


@contextmanager
def _explained(source: str) -> Iterator[None]:
    """Errors of `httpx` as errors of a step, without what was sent."""
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL, ValueError):
        # Their texts repeat headers. ValueError: a proxy in the environment is not a URL.
        raise EngineExecutionError(f"{source}: the request cannot be sent; check source") from None
    except AddressRefused as error:
        raise EngineExecutionError(f"{source}: {error}") from None
    except httpx.ConnectError as error:
        reason = cut(one_line(str(error)), _MOST_SHOWN)
        kind = EngineExecutionError if "CERTIFICATE_VERIFY_FAILED" in reason else TransientError
        raise kind(f"{source}: {reason}") from None
    except httpx.HTTPError as error:
        explains = isinstance(error, (httpx.RemoteProtocolError, TooSlow))
        reason = f" ({cut(one_line(str(error)), _MOST_SHOWN)})" if explains else ""
        raise TransientError(f"{source}: {type(error).__name__}{reason}") from None
