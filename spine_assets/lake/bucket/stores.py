"""Buckets of S3, Google Cloud Storage and Azure, opened through obstore.

Credentials and addresses come from the environment and the machine, as obstore finds them: the
standard variables of each cloud, its files, its metadata service. Belongs here: opening, and what
is told of failures. Does not belong here: what is stored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spine_assets.core.text import cut, one_line

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

_ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
_NAMED = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}  # their variables begin so
# obstore's own default is ten tries in three minutes; runs have retries of their own.
_TRIES, _TRIED_SECONDS = 4, 30
_CONNECT_SECONDS = 10  # as for alerts
# Of the whole request: 5 GB, the most that one PUT may have, at 10 MB a second.
_REQUEST_SECONDS = 600
_MOST_SAID = 300
# A query of a URL may hold a signature; what follows the first line may repeat it.
_QUERY = re.compile(r"\?\S*")


def opened(url: str, tries: int = _TRIES) -> ObjectStore:
    """The store of a bucket and prefix; one a process, for it keeps connections and credentials.

    Args:
        url: Bucket and prefix.
        tries: How often a request is sent again where that is safe and the store was too busy.

    Raises:
        ValueError: it is no address of a bucket, or a setting of it is wrong.
    """
    named = _NAMED[url.partition(":")[0]]
    return _opened(url, tries, frozenset(i for i in os.environ.items() if i[0].startswith(named)))


@cache
def _opened(url: str, tries: int, environment: frozenset[tuple[str, str]]) -> ObjectStore:
    """A store that is made anew when a variable changes that it reads."""
    from obstore.store import from_url

    options: ClientConfig = {
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "timeout": timedelta(seconds=_REQUEST_SECONDS),
    }
    # obstore 0.12 reads this variable too, but forgets it where any option is given.
    known = dict(environment)
    allowed = known.get(_ALLOW_HTTP[url.partition(":")[0]], "")
    if allowed.lower() in {"1", "true"}:
        options["allow_http"] = True
    return from_url(
        url,
        credential_provider=_of_profile(known) if url.startswith("s3:") else None,
        client_options=options,
        retry_config={
            "max_retries": tries,
            "retry_timeout": timedelta(seconds=_TRIED_SECONDS),
        },
    )


def _of_profile(known: Mapping[str, str]) -> Any:
    """Credentials of the files of Amazon's own tools, which obstore itself does not read.

    Raises:
        ValueError: a profile is asked for, and boto3 is not installed.
    """
    files = Path(known.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    profile = known.get("AWS_PROFILE")
    if not profile and ("AWS_ACCESS_KEY_ID" in known or not files.exists()):
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        if profile:
            raise ValueError(
                "AWS_PROFILE is set, and profiles need boto3: install spine-assets[aws]"
            ) from None
        return None
    return Boto3CredentialProvider()


def said(error: Exception) -> str:
    """The first line of an error, without what may hold a signature."""
    first = (str(error).splitlines() or [""])[0]
    return cut(one_line(_QUERY.sub("", first)), _MOST_SAID)
