"""What a bucket's listing told some time ago: S3's ListObjectsV2 over a kept state.

Belongs here: the state of one bucket and its answer as XML. Does not belong here: HTTP.
"""

from __future__ import annotations

import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_MOST_KEYS = 1_000  # of one page, as S3 has it

Entry = dict[str, str]
"""What a listing tells of an object: its fields by name."""


def entries(answer: bytes) -> dict[str, Entry]:
    """The objects of a ListObjectsV2 answer by key."""
    found = {}
    for contents in ET.fromstring(answer).iter(f"{{{_NAMESPACE}}}Contents"):
        told = {child.tag.rpartition("}")[2]: child.text or "" for child in contents}
        found[told["Key"]] = {name: told[name] for name in ("LastModified", "ETag", "Size")}
    return found


def next_token(answer: bytes) -> str | None:
    """Where the next page begins, if there is one."""
    return ET.fromstring(answer).findtext(f"{{{_NAMESPACE}}}NextContinuationToken")


@dataclass
class OldListing:
    """A bucket as it was, and the changes that its listing does not tell yet."""

    bucket: str
    objects: dict[str, Entry]
    changes: list[tuple[float, str, Entry | None]] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def changed(self, key: str, entry: Entry | None) -> None:
        """Keep a change for later; None where the object was deleted."""
        with self.guard:
            self.changes.append((time.monotonic(), key, entry))

    def tell_until(self, moment: float) -> None:
        """Let the listing know what had changed before a moment of the monotonic clock."""
        with self.guard:
            later = [change for change in self.changes if change[0] > moment]
            for _, key, entry in self.changes[: len(self.changes) - len(later)]:
                self.objects.pop(key, None)
                if entry is not None:
                    self.objects[key] = entry
            self.changes = later

    def answer(self, query: Mapping[str, str]) -> bytes:
        """The page of the listing that a query asks for, as XML."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token") or query.get("start-after", "")
        most = int(query.get("max-keys", _MOST_KEYS))
        with self.guard:
            keys = sorted(key for key in self.objects if key.startswith(prefix))
            page: dict[str, Entry | None] = {}  # None: a common prefix
            for key in keys:
                shown, entry = key, self.objects[key]
                inner = key[len(prefix) :]
                if delimiter and delimiter in inner:
                    shown = prefix + inner[: inner.index(delimiter) + len(delimiter)]
                if shown <= after or shown in page:
                    continue
                if len(page) == most:
                    return _page(self.bucket, query, page, more=True)
                page[shown] = entry if shown == key else None
        return _page(self.bucket, query, page, more=False)


def _page(
    bucket: str, query: Mapping[str, str], page: Mapping[str, Entry | None], *, more: bool
) -> bytes:
    encoded = query.get("encoding-type") == "url"

    def name(key: str) -> str:
        return quote(key) if encoded else key

    root = ET.Element("ListBucketResult", xmlns=_NAMESPACE)
    told = {
        "Name": bucket,
        "Prefix": name(query.get("prefix", "")),
        "KeyCount": str(len(page)),
        "MaxKeys": query.get("max-keys", str(_MOST_KEYS)),
        "IsTruncated": str(more).lower(),
    }
    if more:
        told["NextContinuationToken"] = list(page)[-1]
    if query.get("delimiter"):
        told["Delimiter"] = query["delimiter"]
    if encoded:
        told["EncodingType"] = "url"
    for tag, text in told.items():
        ET.SubElement(root, tag).text = text
    for key, entry in page.items():
        kind, tag = ("CommonPrefixes", "Prefix") if entry is None else ("Contents", "Key")
        element = ET.SubElement(root, kind)
        ET.SubElement(element, tag).text = name(key)
        for field_name, text in (entry or {}).items():
            ET.SubElement(element, field_name).text = text
        if entry is not None:
            ET.SubElement(element, "StorageClass").text = "STANDARD"
    return ET.tostring(root, encoding="unicode").encode()
