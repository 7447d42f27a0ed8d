"""Dagster's web server with the guard before it, as a module to run.

It takes the options of `dagster-webserver`. Belongs here: putting both together. Does not belong
here: what the guard lets pass (`web.guard`).
"""

from __future__ import annotations

import os
from typing import Any

from dagster_webserver import app, cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware

from spine_assets.orchestration.web.guard import guarded

HOSTS, TOKEN = "SPINE_UI_HOSTS", "SPINE_UI_TOKEN"
"""Variables by which `spine ui` tells its server the names of hosts, with commas, and the token."""


class _Guarded(DagsterWebserver[Any, Any]):
    def build_middleware(self) -> list[Middleware]:
        hosts = [name for name in os.environ.get(HOSTS, "").split(",") if name]
        return [*guarded(hosts, os.environ.get(TOKEN)), *super().build_middleware()]


def main() -> None:
    """Serve until a signal or Dagster's own message ends it."""
    vars(app)[DagsterWebserver.__name__] = _Guarded  # what `cli` serves
    cli.main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
