"""Addresses of buckets and prefixes: `s3://`, `gs://` and `az://`, and what is wrong with one.

Belongs here: the text of an address alone. Does not belong here: opening a bucket, and whether
there is one.
"""

from __future__ import annotations

import re

from spine_assets.core.text import one_line

SCHEMES = ("s3", "gs", "az")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")  # Google's may have 222 characters
_ODD = "?#%*[]{}\\'\""  # what URLs, patterns of names or SQL may read otherwise


def is_bucket_url(text: str) -> bool:
    """Whether a text is meant as the address of a bucket."""
    return text.partition("://")[0] in SCHEMES and "://" in text


def bucket_name_problem(url: str) -> str | None:
    """Why a text does not name a bucket, or None; the part after the name is not checked."""
    scheme, mark, rest = url.partition("://")
    bucket = rest.partition("/")[0]
    if not mark or scheme not in SCHEMES:
        return f"{one_line(url)!r} begins with none of {', '.join(f'{s}://' for s in SCHEMES)}"
    if "@" in bucket:
        return "contains credentials, which come from the environment or the machine's identity"
    if not _BUCKET.fullmatch(bucket):
        return f"{one_line(bucket)!r} is not a valid bucket name"
    return None


def prefix_problem(url: str, odd: str = _ODD) -> str | None:
    """Why the part after a bucket's name is not a valid prefix, or None; `odd` is refused in it."""
    prefix = url.partition("://")[2].partition("/")[2].rstrip("/")
    if found := sorted({char for char in odd if char in prefix}):
        shown = one_line(prefix.partition("?")[0])  # after it may be a token
        return f"{shown!r} holds {' '.join(found)}, which URLs or SQL may misread"
    if any(part in {"", ".", ".."} for part in prefix.split("/")) and prefix:
        return f"{one_line(prefix)!r} has an empty folder, or one of dots"
    return None
