"""Requests that must not pass: those without a valid key, and everything one can ask.

Belongs here: the tables, as they go over the wire. Does not belong here: sending them (`nginx`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping

JSON = "Content-Type: application/json"
QUERY = '{"query": "{ version }"}'
REFUSED = "refused"
"""The tag spine/trigger of every run that a test must not be able to start."""
MUTATION = (
    'mutation { launchRun(executionParams: {selector: {repositoryLocationName: "spine_assets", '
    'repositoryName: "__repository__", jobName: "example_hello"}, executionMetadata: '
    f'{{tags: [{{key: "spine/trigger", value: "{REFUSED}"}}]}}}}) {{ __typename }} }}'
)
IN_ADDRESS = MUTATION.replace(" ", "%20").replace('"', "%22")
LAUNCH = json.dumps({"query": MUTATION})
WEBSOCKET = [
    "Upgrade: websocket",
    "Connection: Upgrade, close",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: graphql-ws",
]
Keys = Mapping[str, str]

NO_KEY: dict[str, Callable[[Keys], list[str]]] = {
    "no key": lambda _: [],
    "an empty key": lambda _: ["X-API-Key:"],
    "a wrong key": lambda _: ["X-API-Key: " + "0123456789abcdef" * 4],
    "a key's beginning": lambda keys: [f"X-API-Key: {keys['nightly'][:-1]}"],
    "a key and more": lambda keys: [f"X-API-Key: {keys['nightly']}0"],
    "two keys in one header": lambda keys: [f"X-API-Key: {keys['board']},{keys['nightly']}"],
    "a key in capitals": lambda keys: [f"X-API-Key: {_in_capitals(keys['nightly'])}"],
    "a key's name": lambda _: ["X-API-Key: nightly"],
    "the file's expression": lambda keys: [f"X-API-Key: ~^{keys['nightly']}$"],
    "any expression": lambda _: ["X-API-Key: .*"],
    "a wrong key, then a right one": lambda keys: [
        "X-API-Key: " + "0" * 64,
        f"X-API-Key: {keys['nightly']}",
    ],
    "underscores": lambda keys: [f"X_API_Key: {keys['nightly']}"],
    "a bearer": lambda keys: [f"Authorization: Bearer {keys['nightly']}"],
    "a password": lambda keys: [
        "Authorization: Basic " + base64.b64encode(f"nightly:{keys['nightly']}".encode()).decode()
    ],
    "a cookie": lambda keys: [f"Cookie: X-API-Key={keys['nightly']}"],
    "forwarded": lambda keys: [
        "X-Forwarded-For: 127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "X-Forwarded-User: nightly",
        "X-Original-URL: /server_info",
        f"X-Forwarded-API-Key: {keys['nightly']}",
    ],
}
"""Headers of somebody who has no valid key, or sends it as it is not accepted."""

WAYS: dict[str, tuple[str, str, list[str], str]] = {
    "page": ("GET", "/", [], ""),
    "page of a run": ("GET", "/runs", ["Accept: text/html"], ""),
    "static file": ("GET", "/favicon.png", [], ""),
    "server info": ("GET", "/server_info", [], ""),
    "query": ("POST", "/graphql", [JSON], QUERY),
    "mutation": ("POST", "/graphql", [JSON], LAUNCH),
    "mutation as text": ("POST", "/graphql", ["Content-Type: application/graphql"], MUTATION),
    "query in the address": ("GET", "/graphql?query={version}", [], ""),
    "mutation in the address": ("GET", f"/graphql?query={IN_ADDRESS}", [], ""),
    "mutation in a post's address": ("POST", f"/graphql?query={IN_ADDRESS}", [], "a=b"),
    "websocket": ("GET", "/graphql", WEBSOCKET, ""),
    "another protocol": ("GET", "/graphql", ["Upgrade: h2c", "Connection: Upgrade, close"], ""),
    "two slashes": ("POST", "//graphql", [JSON], LAUNCH),
    "encoded": ("POST", "/%67raphql", [JSON], LAUNCH),
    "slash behind": ("POST", "/graphql/", [JSON], LAUNCH),
    "line end behind": ("POST", "/graphql%0a", [JSON], LAUNCH),
    "by another folder": ("POST", "/x/../graphql", [JSON], LAUNCH),
    "whole address": ("POST", "http://127.0.0.1:3000/graphql", [JSON], LAUNCH),
    "materialization": ("POST", "/report_asset_materialization/otc_raw", [JSON], "{}"),
    "check": ("POST", "/report_asset_check/otc_raw", [JSON], '{"check_name": "schema"}'),
    "observation": ("POST", "/report_asset_observation/otc_raw", [JSON], "{}"),
    "logs": ("GET", "/logs/x/compute_logs/y/err", [], ""),
    "debug file": ("GET", "/download_debug/x", [], ""),
    "notebook": ("GET", "/notebook?repoLocName=spine_assets&path=/etc/x.ipynb", [], ""),
    **{method: (method, "/graphql", [JSON], QUERY) for method in ("PUT", "DELETE", "PATCH")},
    "OPTIONS": ("OPTIONS", "/graphql", ["Origin: https://elsewhere.example"], ""),
    "unknown method": ("BREW", "/graphql", [], ""),
}
"""Method, path, headers and body of everything that somebody might try."""


def _in_capitals(key: str) -> str:
    assert key.upper() != key
    return key.upper()
