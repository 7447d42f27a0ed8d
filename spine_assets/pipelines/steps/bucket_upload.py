"""Uploads files to buckets of S3, Google Cloud Storage and Azure, through obstore.

Credentials come from the environment and the machine, as obstore finds them, never from YAML. One
request writes one complete object. What it contains belongs to `export_rows`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore

from spine_assets.core.bucket_url import bucket_name_problem, prefix_problem
from spine_assets.lake.bucket.stores import opened, said
from spine_assets.pipelines.steps.engine import EngineExecutionError, TransientError
from spine_assets.pipelines.steps.safe_names import as_sample, folder_problem, require_valid

_TRIES = 2  # the step has retries of its own
_REFUSED = re.compile(r"status code: 4(?!08|29)\d\d")  # a retry would fail in the same way


def url_problem(url: str) -> str | None:
    """Why a text is not a bucket with a prefix, or None."""
    prefix = url.partition("://")[2].partition("/")[2]
    return bucket_name_problem(url) or prefix_problem(url, "?#%*") or folder_problem(prefix)


def url_problems(url: str, known: Collection[str]) -> list[str]:
    """Problems of a declared URL; with tenants, each must have a folder of its own."""
    found = []
    sample = None if url.startswith("{") else as_sample(url)  # a variable may have its beginning
    if sample is not None and (problem := url_problem(sample)):
        found.append(f"destination.url: {problem}")
    if "tenant_id" in known and "{tenant_id}" not in url.split("/")[3:]:
        found.append(
            "destination.url: needs {tenant_id} as a folder of its path, as in "
            "s3://bucket/{tenant_id}/weekly, so that tenants do not overwrite each other's files"
        )
    return found


def require_url(url: str, tenant_id: str | None) -> None:
    """Check a rendered URL as it was checked when it was declared.

    Raises:
        EngineExecutionError: the values of its names make it invalid.
    """
    require_valid("url", url_problem(url))
    if tenant_id is not None and tenant_id not in url.split("/")[3:]:
        raise EngineExecutionError(f"destination.url: no folder of its path is {tenant_id}")


def put_object(url: str, content: bytes, kind: str, *, overwrite: bool) -> bool:
    """Write an object by one request; false if it already had this content.

    Args:
        url: Bucket, prefix and name of the object.
        content: At most 5 GB, the limit of one request.
        kind: Content type.
        overwrite: Replace other content.

    Raises:
        EngineExecutionError: the object has other content and must not be overwritten, or the
            store refused the request.
        TransientError: the store cannot be reached now.
    """
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
            f"{url}: exists with other content, and config.overwrite is false; remove it, or give "
            "a name that differs from run to run"
        ) from None
    except FileNotFoundError:
        raise EngineExecutionError(f"{url}: there is no such bucket; create it") from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise EngineExecutionError(
            f"{url}: not allowed ({said(error)}); check the credentials in the environment"
        ) from None
    except GenericError as error:
        problem = EngineExecutionError if _REFUSED.search(str(error)) else TransientError
        raise problem(f"{url}: {said(error)}") from None
    except (BaseError, ValueError) as error:
        raise EngineExecutionError(f"{url}: {said(error)}") from None
    return True


def _holds(store: ObjectStore, name: str, content: bytes) -> bool:
    """Whether an object has this content; false if it may not be read."""
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
