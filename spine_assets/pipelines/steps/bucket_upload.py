"""Files in buckets: S3, Google Cloud Storage, Azure, through obstore.

Credentials come from the environment and the machine, as obstore finds them; never from YAML.
Belongs here: one object, put whole by one request. Does not belong here: what it holds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from spine_assets.core.bucket_url import bucket_name_problem
from spine_assets.core.text import one_line
from spine_assets.lake.bucket.store_errors import first_line
from spine_assets.lake.bucket.stores import opened
from spine_assets.pipelines.steps.engine import EngineExecutionError, TransientError
from spine_assets.pipelines.steps.safe_names import as_sample, folder_fault

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# Retries of its own has the step.
_TRIES = 2
_REFUSED = re.compile(r"status code: 4(?!08|29)\d\d")  # what a later try would meet again


def url_fault(url: str) -> str | None:
    """Why a text is no bucket with a prefix, or None."""
    if problem := bucket_name_problem(url):
        return problem
    prefix = url.partition("://")[2].partition("/")[2]
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
        store = opened(prefix, _TRIES)
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
            f"{url}: not allowed ({first_line(error)}); look at the credentials in the environment"
        ) from None
    except GenericError as error:
        fault = EngineExecutionError if _REFUSED.search(str(error)) else TransientError
        raise fault(f"{url}: {first_line(error)}") from None
    except (BaseError, ValueError) as error:
        raise EngineExecutionError(f"{url}: {first_line(error)}") from None
    return True


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
