"""Names and a public address, which no test machine has: the resolver's answers are given here."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

import pytest

from spine_assets.outbound import client as client_module
from spine_assets.outbound.urls import is_public
from spine_assets_tests.alerts import conftest as alerts

OWN, PUBLIC = "127.0.0.1", "127.0.0.2"
"""PUBLIC is an address of loopback that counts as one of the internet."""

certificate = alerts.certificate  # fixtures
no_settings = alerts.no_settings
serving_tls = alerts.serving_tls


@dataclass
class Addresses:
    """The answers for each name, one per lookup and then the last one, and the names looked up.

    An answer is one address, or several with spaces between.
    """

    of: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> Addresses:
    """Names that resolve as a test says; all others as the system resolves them."""
    found, lookup = Addresses(), socket.getaddrinfo

    def resolve(host: Any, *more: Any, **options: Any) -> Any:
        if host in found.of and options.get("flags") != socket.AI_NUMERICHOST:
            number = min(found.asked.count(host), len(found.of[host]) - 1)
            found.asked.append(host)
            answers = [lookup(one, *more, **options) for one in found.of[host][number].split()]
            return [entry for answer in answers for entry in answer]
        return lookup(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(client_module, "is_public", lambda a: a == PUBLIC or is_public(a))
    return found
