"""A file in a bucket: requests for one object, and conditions on its version.

Belongs here: one object. Does not belong here: which objects make a lake (`lake`), and what the
errors of a store mean (`store_errors`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.exceptions import GenericError

from spine_assets.lake.bucket import stores
from spine_assets.lake.bucket.store_errors import OutcomeUnknown, Replaced, store_errors

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta, UpdateVersion
    from obstore.store import ObjectStore

_TRIES = 4  # of a PUT whose answer was lost
_PAUSE_SECONDS = 0.1  # before the second
_NO_SUFFIX = "az"  # Azure answers no request for the end of an object


@dataclass(frozen=True)
class Version:
    """Which object has a name: each PUT makes another version."""

    e_tag: str | None
    version: str | None = None

    def condition(self) -> UpdateVersion:
        """The condition of a PUT that replaces this version alone."""
        condition: UpdateVersion = {}
        if self.e_tag is not None:
            condition["e_tag"] = self.e_tag
        if self.version is not None:
            condition["version"] = self.version
        return condition


@dataclass(frozen=True)
class ObjectContent:
    """The bytes of an object, or its last ones, and its version."""

    content: bytes
    size: int
    version: Version
    modified: datetime


@dataclass(frozen=True, order=True)
class ObjectFile:
    """An object of a bucket, existing or not; a folder is a prefix of names.

    Attributes:
        url: Bucket and prefix, without a slash at the end.
        key: Name below it; empty for the prefix itself.
    """

    url: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.url}/{self.key}" if self.key else self.url

    def __truediv__(self, name: str) -> ObjectFile:
        return ObjectFile(self.url, f"{self.key}/{name}" if self.key else name)

    @property
    def name(self) -> str:
        """The last part of its address."""
        return str(self).rpartition("/")[2]

    @property
    def parent(self) -> ObjectFile:
        """The folder it is in."""
        return ObjectFile(self.url, self.key.rpartition("/")[0])

    def exists(self) -> bool:
        """Whether there is an object of this name; found by a request for it, not by a list."""
        return self.version() is not None

    def version(self) -> Version | None:
        """The version of the object; None where there is none."""
        with store_errors(self, "read"):
            try:
                found = obstore.head(self._store(), self.key)
            except FileNotFoundError:
                return None
        return _version(found)

    def read_bytes(self) -> bytes:
        """All of the object, by one request.

        Raises:
            FileNotFoundError: there is none.
            LakeError: the store refuses the request, or does not answer.
        """
        return self.fetch().content

    def fetch(self) -> ObjectContent:
        """All of the object and its version; raises as `read_bytes`."""
        with store_errors(self, "read"):
            found = obstore.get(self._store(), self.key)
            return _content(bytes(found.bytes()), found.meta)

    def end(self, size: int) -> ObjectContent:
        """The last bytes of the object, or all of a shorter one; raises as `read_bytes`."""
        with store_errors(self, "read"):
            if self.url.startswith(_NO_SUFFIX):
                meta = obstore.head(self._store(), self.key)
                content = bytes(
                    obstore.get_range(
                        self._store(), self.key, start=max(meta["size"] - size, 0), end=meta["size"]
                    )
                )
            else:
                try:
                    options: GetOptions = {"range": {"suffix": size}}
                    found = obstore.get(self._store(), self.key, options=options)
                    meta, content = found.meta, bytes(found.bytes())
                except GenericError:
                    meta, content = obstore.head(self._store(), self.key), b""
                    if meta["size"]:
                        raise  # only an empty object has no end
            return _content(content, meta)

    def between(self, start: int, end: int, version: Version) -> bytes:
        """Some bytes of a known version of the object.

        Raises:
            Replaced: there is another version by now; others as `read_bytes`.
        """
        with store_errors(self, "read"):
            found = obstore.get(
                self._store(), self.key, options={"range": (start, end), "if_match": version.e_tag}
            )
            return bytes(found.bytes())

    def put(self, content: bytes | Path, expected: Version | Literal["none", "any"]) -> Version:
        """Write the object by one request, completely or not at all.

        Args:
            content: The object, or the local file that holds it.
            expected: The version to replace; `none` where there must be no object, `any` to replace
                whatever there is.

        Raises:
            Replaced: there is another version than expected; nothing was written.
            OutcomeUnknown: the store gave no answer.
            LakeError: the store refuses.
        """
        mode: Literal["create", "overwrite"] | UpdateVersion = "overwrite"
        if expected == "none":
            mode = "create"
        elif isinstance(expected, Version):
            mode = expected.condition()
        try:
            with store_errors(self, "written"):
                done = obstore.put(self._store(), self.key, content, mode=mode, use_multipart=False)
        except FileNotFoundError:  # S3's answer where the object to be replaced was deleted
            raise Replaced(f"{self} was deleted meanwhile; run the week again") from None
        return Version(done["e_tag"], done["version"])

    def put_surely(self, content: bytes | Path, expected: Version | Literal["none"]) -> Version:
        """Write by a condition, as `put`; where the answer was lost, look and try again.

        The object shows whether a request was executed, and the condition makes a repeated one
        harmless; obstore itself does not repeat such a request.

        Raises:
            Replaced: there is neither the expected version nor this content; others as `put`.
        """
        for attempt in range(_TRIES):
            try:
                return self.put(content, expected)
            except (Replaced, OutcomeUnknown) as error:
                now = self._fetch_or_none()
                wanted = content.read_bytes() if isinstance(content, Path) else content
                if now is not None and now.content == wanted:
                    return now.version
                found = "none" if now is None else now.version
                if isinstance(error, Replaced) or found != expected:
                    raise Replaced(f"{self} was replaced meanwhile; run the week again") from None
                if attempt == _TRIES - 1:
                    raise
                time.sleep(_PAUSE_SECONDS * 2**attempt)
        raise AssertionError  # the last attempt returns or raises

    def _fetch_or_none(self) -> ObjectContent | None:
        try:
            return self.fetch()
        except FileNotFoundError:
            return None

    def write_bytes(self, content: bytes) -> int:
        """Write the object, whatever there is; return the number of bytes."""
        self.put(content, "any")
        return len(content)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object; stores do not report whether there was one."""
        if not missing_ok and not self.exists():
            raise FileNotFoundError(str(self))
        with store_errors(self, "deleted"):
            obstore.delete(self._store(), self.key)

    def below(self) -> dict[str, int]:
        """Size in bytes of all objects in this folder and its subfolders by full name, sorted."""
        return dict(sorted((meta["path"], meta["size"]) for meta in self._listed()))

    def versions_below(self) -> dict[str, str]:
        """The version of all objects in this folder and its subfolders by full name."""
        return {meta["path"]: f"{meta['e_tag']} {meta['version']}" for meta in self._listed()}

    def _listed(self) -> list[ObjectMeta]:
        with store_errors(self, "listed"):
            return [
                meta
                for page in obstore.list(self._store(), prefix=self.key or None)
                for meta in page
            ]

    def sizes_within(self) -> dict[str, int]:
        """Bytes of the objects directly in this folder, by the last part of their names."""
        before = f"{self.key}/" if self.key else ""
        within = {key.removeprefix(before): size for key, size in self.below().items()}
        return {name: size for name, size in within.items() if "/" not in name}

    def names(self) -> list[str]:
        """Names of the objects and folders directly in this folder, sorted."""
        with store_errors(self, "listed"):
            found = obstore.list_with_delimiter(self._store(), prefix=self.key or None)
        paths = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
        # Consoles of clouds put an empty object for the folder itself.
        others = {path.rstrip("/") for path in paths} - {self.key}
        return sorted(path.rpartition("/")[2] for path in others)

    def delete_all(self, keys: list[str]) -> None:
        """Delete objects by their full names below the prefix."""
        if keys:
            with store_errors(self, "deleted"):
                obstore.delete(self._store(), keys)

    def _store(self) -> ObjectStore:
        return stores.opened(self.url)


def _content(content: bytes, meta: ObjectMeta) -> ObjectContent:
    return ObjectContent(content, meta["size"], _version(meta), meta["last_modified"])


def _version(meta: ObjectMeta) -> Version:
    return Version(meta["e_tag"], meta["version"])
