"""What the errors of a bucket's store mean: transient or permanent, and what to do.

Belongs here: obstore's errors as errors of the lake. Does not belong here: requests (`objects`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from spine_assets.core.text import cut, one_line
from spine_assets.lake.base import LakeError, LakeUnavailable

_REFUSED = re.compile(r"status code: 4(?!08|29)\d\d")  # another try would get the same answer
_SHOWN_CHARS = 300
# A query of a URL may hold a signature; what follows the first line may repeat it.
_QUERY = re.compile(r"\?\S*")


class Replaced(LakeUnavailable):
    """There is another version of the object than expected."""


class OutcomeUnknown(LakeUnavailable):
    """The store gave no answer: it may have executed the request."""


def first_line(error: Exception) -> str:
    """The first line of an error, without what may hold a signature."""
    first = (str(error).splitlines() or [""])[0]
    return cut(one_line(_QUERY.sub("", first)), _SHOWN_CHARS)


@contextmanager
def store_errors(file: object, done: str) -> Iterator[None]:
    """Raise a store's errors as the lake's.

    Args:
        file: The object that the request is about.
        done: What the request does with it, as a participle: `read`, `written`.

    Raises:
        FileNotFoundError: there is no such object.
        Replaced: there is another version than the request expects.
        OutcomeUnknown: the store gave no answer.
        LakeError: the store refuses the request.
    """
    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise Replaced(f"{file} was replaced meanwhile; run the week again") from None
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise LakeError(f"{file}: there is no such bucket; make it") from None
        raise FileNotFoundError(f"{file} does not exist") from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise LakeError(
            f"{file} cannot be {done}: not allowed ({first_line(error)}); look at the credentials "
            "in the environment"
        ) from None
    except GenericError as error:
        if _REFUSED.search(str(error)):
            raise LakeError(f"{file} cannot be {done}: {first_line(error)}") from None
        raise OutcomeUnknown(
            f"{file} cannot be {done} now ({first_line(error)}); run the week again"
        ) from None
    except (BaseError, ValueError) as error:
        raise LakeError(f"{file} cannot be {done}: {first_line(error)}") from None
