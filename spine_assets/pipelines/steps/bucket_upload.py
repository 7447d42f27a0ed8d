"""Uploads files to buckets of S3, Google Cloud Storage and Azure, through obstore.

Credentials come from the environment and the machine, as obstore finds them, never from YAML. One
request writes one complete object. What it contains belongs to `export_rows`.
"""

from __future__ import annotations

import hashlib
import re

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore

from spine_assets.lake.bucket.store_errors import short_message
from spine_assets.lake.bucket.stores import opened
from spine_assets.pipelines.steps.engine import EngineExecutionError, TransientError

_TRIES = 2  # the step has retries of its own
_REFUSED = re.compile(r"status code: 4(?!08|29)\d\d")  # a retry would fail in the same way


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
            f"{url}: not allowed ({short_message(error)}); check the credentials in the environment"
        ) from None
    except GenericError as error:
        problem = EngineExecutionError if _REFUSED.search(str(error)) else TransientError
        raise problem(f"{url}: {short_message(error)}") from None
    except (BaseError, ValueError) as error:
        raise EngineExecutionError(f"{url}: {short_message(error)}") from None
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
