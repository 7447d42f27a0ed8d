"""Files in buckets: S3, Google Cloud Storage, Azure, through obstore.

Credentials come from the environment and the machine, as obstore finds them; never from YAML.
Belongs here: one object, put whole by one request. Does not belong here: what it holds.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from spine_assets.alerts.wording import cut, one_line
from spine_assets.declarative.engine import EngineExecutionError, TransientError
from spine_assets.declarative.safe_names import as_sample, folder_fault

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

SCHEMES = ("s3", "gs", "az")
_ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")  # Google's may have 222 characters
# obstore's own default is ten tries in three minutes; the step has retries of its own.
_TRIES, _TRIED_SECONDS = 2, 30
# Of the whole request: 5 GB, the most that one PUT may have, at 10 MB a second.
_PUT_SECONDS = 600
_MOST_SAID = 300
# A query of a URL may hold a signature; what follows the first line may repeat it.
_QUERY = re.compile(r"\?\S*")
_REFUSED = re.compile(r"status code: 4(?!08|29)\d\d")  # what a later try would meet again


def url_fault(url: str) -> str | None:
    """Why a text is no bucket with a prefix, or None."""
    scheme, mark, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if not mark or scheme not in SCHEMES:
        return f"{one_line(url)!r} begins with none of {', '.join(f'{s}://' for s in SCHEMES)}"
    if not _BUCKET.fullmatch(bucket):
        return f"{one_line(bucket)!r} is no bucket's name"
    if odd := sorted({char for char in "?#%*" if char in prefix}):
        return f"{one_line(prefix)!r} holds {' '.join(odd)}, which a URL may read otherwise"
    return folder_fault(prefix)


def url_faults(url: str, known: Collection[str]) -> list[str]:
    """What is wrong with a URL as declared; with tenants, each must have a folder of its own."""
    found = []
    sample = None if url.startswith("{") else as_sample(url)  # a name may hold its beginning
    if sample is not None and (fault := url_fault(sample)):
        found.append(f"destination.url: {fault}")
    if "tenant_id" in known and "{tenant_id}" not in url.split("/")[3:]:
        found.append(
            "destination.url: needs {tenant_id} as a folder of its path, as in "
            "s3://bucket/{tenant_id}/weekly: else tenants would overwrite each other's files"
        )
    return found


def require_url(url: str, tenant_id: str | None) -> None:
    """Make sure that a rendered URL is what was checked when it was declared.

    Raises:
        EngineExecutionError: the values led elsewhere.
    """
    if fault := url_fault(url):
        raise EngineExecutionError(f"destination.url: {fault}; look at the values of its {{names}}")
    if tenant_id is not None and tenant_id not in url.split("/")[3:]:
        raise EngineExecutionError(f"destination.url: no folder of its path is {tenant_id}")


def put_object(url: str, content: bytes, kind: str, *, overwrite: bool) -> bool:
    """Put an object by one request; whether it was written, or was there with this content.

    Args:
        url: Of the object: bucket, prefix and name.
        content: At most 5 GB, which is what one request may carry.
        kind: Content type.
        overwrite: Replace another content.

    Raises:
        EngineExecutionError: it is there with another content and must stay, or the store
            refused; says which of both.
        TransientError: the store cannot be reached now.
    """
    import obstore
    from obstore.exceptions import (
        AlreadyExistsError,
        BaseError,
        GenericError,
        PermissionDeniedError,
        UnauthenticatedError,
    )

    prefix, _, name = url.rpartition("/")
    try:
        store = _store(prefix)
        if _holds(store, name, content):
            return False
        obstore.put(
            store,
            name,
            content,
            attributes={"Content-Type": kind},
            mode="overwrite" if overwrite else "create",
            use_multipart=False,
        )
    except AlreadyExistsError:
        raise EngineExecutionError(
            f"{url}: there with another content, and config.overwrite is false; remove it, or "
            "give a name that tells the runs apart"
        ) from None
    except FileNotFoundError:
        raise EngineExecutionError(f"{url}: there is no such bucket; make it") from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise EngineExecutionError(
            f"{url}: not allowed ({_said(error)}); look at the credentials in the environment"
        ) from None
    except GenericError as error:
        fault = EngineExecutionError if _REFUSED.search(str(error)) else TransientError
        raise fault(f"{url}: {_said(error)}") from None
    except (BaseError, ValueError) as error:
        raise EngineExecutionError(f"{url}: {_said(error)}") from None
    return True


def _store(url: str) -> ObjectStore:
    from obstore.store import from_url

    options: ClientConfig = {
        "connect_timeout": timedelta(seconds=10),  # as for alerts
        "timeout": timedelta(seconds=_PUT_SECONDS),
    }
    # obstore 0.12 reads this variable too, but forgets it where any option is given.
    if os.environ.get(_ALLOW_HTTP[url.partition(":")[0]], "").lower() in {"1", "true"}:
        options["allow_http"] = True
    return from_url(
        url,
        client_options=options,
        retry_config={
            "max_retries": _TRIES,
            "retry_timeout": timedelta(seconds=_TRIED_SECONDS),
        },
    )


def _holds(store: ObjectStore, name: str, content: bytes) -> bool:
    """Whether an object has this content; where it may not be read, that is not known."""
    import obstore
    from obstore.exceptions import PermissionDeniedError

    try:
        found = obstore.get(store, name)
        if found.meta["size"] != len(content):
            return False
        digest = hashlib.sha256()
        for piece in found.stream():
            digest.update(piece)
    except (FileNotFoundError, PermissionDeniedError):
        return False
    return digest.digest() == hashlib.sha256(content).digest()


def _said(error: Exception) -> str:
    """The first line of an error, without what may hold a signature."""
    first = (str(error).splitlines() or [""])[0]
    return cut(one_line(_QUERY.sub("", first)), _MOST_SAID)
