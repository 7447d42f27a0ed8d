"""Downloads one file by HTTP. The file is streamed, limited in size, and complete or refused.

Redirects, the meaning of a response and writing its body belong here. What is asked for is in
`http_request`, and the name and folder of the file are in `engines.http_fetch`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import httpx

from spine_assets.core.http_logs import keep_urls_out_of_logs
from spine_assets.core.text import cut, one_line
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


def shown(url: str) -> str:
    """A URL without its query, user and password."""
    try:
        parsed = httpx.URL(url)
        host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    except httpx.InvalidURL:
        return "the URL"
    port = f":{parsed.port}" if parsed.port else ""
    return cut(one_line(f"{parsed.scheme}://{host}{port}{parsed.path}"), _MOST_SHOWN)


def url_problem(url: str) -> str | None:
    """Why a URL cannot be fetched, or None; the text repeats no part of it."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        return "is not a URL"
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        return "does not begin with http:// or https:// and a host"
    if parsed.userinfo:
        return "contains a user or password; name a variable with the header in source.header_env"
    return None


def download(request: Request, path: Path) -> Downloaded:
    """Download to a new file, synced to disk.

    Raises:
        EngineExecutionError: the response is not the file that was asked for, or is too large.
        TransientError: the server or the network fails now, or the body was cut short.
        OSError: the file cannot be written.
    """
    keep_urls_out_of_logs()
    source = shown(request.url)
    with (
        _explained(source),
        httpx.Client(timeout=request.timeout_seconds, follow_redirects=False) as client,
        _response(client, request) as response,
    ):
        _require_wanted(response, request, source)
        size, sha256 = _write(response, request, path, source)
        sent = response.headers
        return Downloaded(
            shown(str(response.url)),
            one_line(sent.get("content-type", "")),
            size,
            sha256,
            "content-length" in sent or "chunked" in sent.get("transfer-encoding", ""),
        )


@contextmanager
def _response(client: httpx.Client, request: Request) -> Iterator[httpx.Response]:
    """The response after redirects; its body is not read yet."""
    url = httpx.URL(request.url)
    first = _origin(url)
    given = {name.lower(): value.get_secret_value() for name, value in request.headers.items()}
    for _ in range(_MOST_REDIRECTS + 1):
        own = _default_headers() | (given if _origin(url) == first else {})
        with client.stream("GET", url, headers=own) as response:
            if response.status_code not in _REDIRECTS:
                yield response
                return
            url = _next(response)
    raise EngineExecutionError(
        f"{shown(request.url)}: redirects more than {_MOST_REDIRECTS} times; give the final address"
    )


def _next(response: httpx.Response) -> httpx.URL:
    """Where a response redirects to."""
    problem = f"{shown(str(response.url))}: HTTP {response.status_code} redirects"
    try:
        url = response.url.join(response.headers["location"])
    except (KeyError, httpx.InvalidURL):
        raise EngineExecutionError(f"{problem} without an address") from None
    if url_problem(str(url)):
        raise EngineExecutionError(f"{problem} to an address that is neither http nor https")
    if response.url.scheme == "https" and url.scheme != "https":
        raise EngineExecutionError(f"{problem} from https to http, where the file could be altered")
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
    except httpx.ConnectError as error:
        reason = cut(one_line(str(error)), _MOST_SHOWN)
        kind = EngineExecutionError if "CERTIFICATE_VERIFY_FAILED" in reason else TransientError
        raise kind(f"{source}: {reason}") from None
    except httpx.HTTPError as error:
        short = isinstance(error, httpx.RemoteProtocolError)
        reason = f" ({cut(one_line(str(error)), _MOST_SHOWN)})" if short else ""
        raise TransientError(f"{source}: {type(error).__name__}{reason}") from None
