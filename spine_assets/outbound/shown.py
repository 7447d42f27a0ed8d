"""What of a URL may stand in messages, logs and metadata; `httpx` is not imported for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spine_assets.core.text import cut, one_line

if TYPE_CHECKING:
    import httpx

_MOST_SHOWN = 200  # characters of what a server sent


def shown(url: httpx.URL) -> str:
    """A URL without its query, user and password."""
    return cut(one_line(f"{shown_server(url)}{url.path}"), _MOST_SHOWN)


def shown_server(url: httpx.URL) -> str:
    """Scheme, host and port of a URL."""
    return cut(one_line(f"{url.scheme}://{url.netloc.decode()}"), _MOST_SHOWN)
