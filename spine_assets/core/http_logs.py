"""Keeping URLs out of logs: those of webhooks and feeds hold secrets."""

from __future__ import annotations

import logging


def keep_urls_out_of_logs() -> None:
    """For each request httpx 0.28 logs the full URL at INFO, httpcore more at DEBUG."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
