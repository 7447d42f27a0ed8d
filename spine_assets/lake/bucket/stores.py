"""Buckets of S3, Google Cloud Storage and Azure, opened through obstore.

Credentials and addresses come from the environment and the machine, as obstore finds them: the
standard variables of each cloud, its files, its metadata service. Belongs here: opening. Does not
belong here: what is stored, and what errors mean (`store_errors`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore.store import ObjectStore, from_url

if TYPE_CHECKING:
    from obstore.store import ClientConfig

_ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
_PREFIXES = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}  # of their variables
# obstore's own default is ten tries in three minutes; runs have retries of their own.
_TRIES, _TRIED_SECONDS = 4, 30
_CONNECT_SECONDS = 10  # as for alerts
# Of the whole request: 5 GB, the most that one PUT may have, at 10 MB a second.
_REQUEST_SECONDS = 600


def opened(url: str, tries: int = _TRIES) -> ObjectStore:
    """The store of a bucket and prefix; one per process, as it keeps connections and credentials.

    Args:
        url: Bucket and prefix.
        tries: How often a safe request is repeated where the store was too busy.

    Raises:
        ValueError: it is not the address of a bucket, or a setting is wrong.
    """
    prefix = _PREFIXES[url.partition(":")[0]]
    return _opened(url, tries, frozenset(i for i in os.environ.items() if i[0].startswith(prefix)))


@cache
def _opened(url: str, tries: int, environment: frozenset[tuple[str, str]]) -> ObjectStore:
    """The store for the present values of the variables that it reads."""
    options: ClientConfig = {
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "timeout": timedelta(seconds=_REQUEST_SECONDS),
    }
    # obstore 0.12 reads this variable too, but forgets it where any option is given.
    variables = dict(environment)
    allowed = variables.get(_ALLOW_HTTP[url.partition(":")[0]], "")
    if allowed.lower() in {"1", "true"}:
        options["allow_http"] = True
    return from_url(
        url,
        credential_provider=_profile_credentials(variables) if url.startswith("s3:") else None,
        client_options=options,
        retry_config={"max_retries": tries, "retry_timeout": timedelta(seconds=_TRIED_SECONDS)},
    )


def _profile_credentials(variables: Mapping[str, str]) -> Any:
    """Credentials of the files of Amazon's own tools, which obstore itself does not read.

    Raises:
        ValueError: a profile is set, and boto3 is not installed.
    """
    files = Path(variables.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    profile = variables.get("AWS_PROFILE")
    if not profile and ("AWS_ACCESS_KEY_ID" in variables or not files.exists()):
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider  # boto3 is optional
    except ImportError:
        if profile:
            raise ValueError(
                "AWS_PROFILE is set, and profiles need boto3: install spine-assets[aws]"
            ) from None
        return None
    return Boto3CredentialProvider()
