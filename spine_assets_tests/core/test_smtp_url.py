"""A mail server's URL: encryption, port and login. Refusals: `alerts/test_settings.py`."""

from __future__ import annotations

import pytest

from spine_assets.core.smtp_url import Encryption, parse_smtp


@pytest.mark.parametrize(
    ("url", "encryption", "port"),
    [
        ("smtp://mail.example.org", Encryption.NONE, 25),
        ("smtp+starttls://a:b@mail.example.org", Encryption.STARTTLS, 587),
        ("smtps://a:b@mail.example.org/", Encryption.TLS, 465),
        ("smtp://a:b@127.0.0.1:2525", Encryption.NONE, 2525),
    ],
)
def test_the_scheme_gives_the_encryption_and_the_usual_port(
    url: str, encryption: Encryption, port: int
) -> None:
    server = parse_smtp(url)
    assert (server.encryption, server.port) == (encryption, port)


def test_percent_signs_write_what_a_url_cannot_hold() -> None:
    server = parse_smtp("smtps://olga%40example.org:a%2Fb%3Ac@mail.example.org")
    assert server.user == "olga@example.org"
    assert server.password.get_secret_value() == "a/b:c"
