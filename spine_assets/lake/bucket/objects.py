"""A file in a bucket: requests for whole objects, and conditions on which object stands there.

Belongs here: one object, and what its store's answers mean. Does not belong here: which objects
make a lake (`object_lake`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spine_assets.lake.base import LakeError, LakeUnavailable
from spine_assets.lake.bucket import stores

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta, UpdateVersion
    from obstore.store import ObjectStore

_REFUSED = re.compile(r"status code: 4(?!08|29)\d\d")  # what a later try would meet again
_TRIES = 4  # of a PUT whose answer is lost
_PAUSE_SECONDS = 0.1  # before the second
_NO_SUFFIX = "az"  # Azure answers no request for the end of an object


class Replaced(LakeUnavailable):
    """Another object stands there than the one that was expected."""


class OutcomeUnknown(LakeUnavailable):
    """The store gave no answer: what was asked may have been done."""


@dataclass(frozen=True)
class Version:
    """Which object stands under a name; each that is put there is another one."""

    e_tag: str | None
    version: str | None = None

    def condition(self) -> UpdateVersion:
        """As a PUT names the object that it would replace."""
        told: UpdateVersion = {}
        if self.e_tag is not None:
            told["e_tag"] = self.e_tag
        if self.version is not None:
            told["version"] = self.version
        return told


@dataclass(frozen=True)
class Held:
    """What an object holds, or its end, and which one it was."""

    content: bytes
    size: int
    version: Version
    modified: datetime


@dataclass(frozen=True, order=True)
class ObjectFile:
    """An object of a bucket, existing or not; a folder is the beginning of names.

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
        """What it is in."""
        return ObjectFile(self.url, self.key.rpartition("/")[0])

    def exists(self) -> bool:
        """Whether an object of that very name is there; asked of the object, not of a list."""
        return self.version() is not None

    def version(self) -> Version | None:
        """Which object is there; None where none is."""
        import obstore

        with self._told("read"):
            try:
                found = obstore.head(self._store(), self.key)
            except FileNotFoundError:
                return None
        return _version(found)

    def read_bytes(self) -> bytes:
        """All of the object, by one request.

        Raises:
            FileNotFoundError: there is none.
            LakeError: the store refuses, or does not answer.
        """
        return self.held().content

    def held(self) -> Held:
        """All of the object and which one it was; raises as `read_bytes`."""
        import obstore

        with self._told("read"):
            found = obstore.get(self._store(), self.key)
            return _held(bytes(found.bytes()), found.meta)

    def end(self, size: int) -> Held:
        """The last bytes of the object, all where it has fewer; raises as `read_bytes`."""
        import obstore
        from obstore.exceptions import GenericError

        with self._told("read"):
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
            return _held(content, meta)

    def between(self, start: int, end: int, version: Version) -> bytes:
        """Some bytes of the very object that was looked at before.

        Raises:
            Replaced: another one stands there by now.
            FileNotFoundError: there is none any more.
            LakeError: the store refuses, or does not answer.
        """
        import obstore

        with self._told("read"):
            found = obstore.get(
                self._store(),
                self.key,
                options={"range": (start, end), "if_match": version.e_tag},
            )
            return bytes(found.bytes())

    def put(self, content: bytes | Path, expected: Version | Literal["none", "any"]) -> Version:
        """Put an object there by one request, whole or not at all.

        Args:
            content: The object, or the local file that holds it.
            expected: The object that stands there now; `none` for nothing, `any` for no matter.

        Raises:
            Replaced: another stands there than was expected; nothing was written.
            OutcomeUnknown: the store gave no answer.
            LakeError: the store refuses.
        """
        import obstore

        mode: Literal["create", "overwrite"] | UpdateVersion = "overwrite"
        if expected == "none":
            mode = "create"
        elif isinstance(expected, Version):
            mode = expected.condition()
        try:
            with self._told("written"):
                done = obstore.put(self._store(), self.key, content, mode=mode, use_multipart=False)
        except FileNotFoundError:  # S3's answer where the object that was to be replaced is gone
            raise Replaced(f"{self} was deleted meanwhile; run the week again") from None
        return Version(done["e_tag"], done["version"])

    def put_surely(self, content: bytes | Path, expected: Version | Literal["none"]) -> Version:
        """Put by a condition, as `put`; where the answer was lost, look and try again.

        What stands there tells whether a request was done, and the condition keeps one that is
        sent again from doing harm; obstore itself sends no such request twice.

        Raises:
            Replaced: something else stands there than what was expected, or this content.
            OutcomeUnknown: the store gives no answer.
            LakeError: the store refuses.
        """
        for attempt in range(_TRIES):
            try:
                return self.put(content, expected)
            except (Replaced, OutcomeUnknown) as error:
                stands = self._held_or_none()
                whole = content.read_bytes() if isinstance(content, Path) else content
                if stands is not None and stands.content == whole:
                    return stands.version
                found = "none" if stands is None else stands.version
                if isinstance(error, Replaced) or found != expected:
                    raise Replaced(f"{self} was replaced meanwhile; run the week again") from None
                if attempt == _TRIES - 1:
                    raise
                time.sleep(_PAUSE_SECONDS * 2**attempt)
        raise AssertionError  # the last attempt returns or raises

    def _held_or_none(self) -> Held | None:
        try:
            return self.held()
        except FileNotFoundError:
            return None

    def write_bytes(self, content: bytes) -> int:
        """Put an object there whatever stood there; how many bytes."""
        self.put(content, "any")
        return len(content)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object; stores do not tell whether there was one."""
        import obstore

        if not missing_ok and not self.exists():
            raise FileNotFoundError(str(self))
        with self._told("deleted"):
            obstore.delete(self._store(), self.key)

    def below(self) -> list[str]:
        """Names of all objects in this folder, below it too, by one list, sorted."""
        return sorted(self.sizes())

    def sizes(self) -> dict[str, int]:
        """Bytes of all objects in this folder, below it too, by name."""
        import obstore

        with self._told("listed"):
            return {
                meta["path"]: meta["size"]
                for page in obstore.list(self._store(), prefix=self.key or None)
                for meta in page
            }

    def sizes_within(self) -> dict[str, int]:
        """Bytes of the objects right in this folder, by the last part of their names."""
        before = f"{self.key}/" if self.key else ""
        within = {key.removeprefix(before): size for key, size in self.sizes().items()}
        return {name: size for name, size in within.items() if "/" not in name}

    def names(self) -> list[str]:
        """Names of the objects and folders right in this folder, sorted."""
        import obstore

        with self._told("listed"):
            found = obstore.list_with_delimiter(self._store(), prefix=self.key or None)
        whole = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
        # Consoles of clouds put an empty object for the folder itself.
        others = {path.rstrip("/") for path in whole} - {self.key}
        return sorted(path.rpartition("/")[2] for path in others)

    def delete_all(self, keys: list[str]) -> None:
        """Delete objects by their whole names below the prefix."""
        import obstore

        if keys:
            with self._told("deleted"):
                obstore.delete(self._store(), keys)

    def _store(self) -> ObjectStore:
        return stores.opened(self.url)

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        """Say what a store's error means."""
        from obstore.exceptions import (
            AlreadyExistsError,
            BaseError,
            GenericError,
            PermissionDeniedError,
            PreconditionError,
            UnauthenticatedError,
        )

        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise Replaced(f"{self} was replaced meanwhile; run the week again") from None
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise LakeError(f"{self}: there is no such bucket; make it") from None
            raise FileNotFoundError(f"{self} is not there") from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise LakeError(
                f"{self} cannot be {done}: not allowed ({stores.said(error)}); look at the "
                "credentials in the environment"
            ) from None
        except GenericError as error:
            if _REFUSED.search(str(error)):
                raise LakeError(f"{self} cannot be {done}: {stores.said(error)}") from None
            raise OutcomeUnknown(
                f"{self} cannot be {done} now ({stores.said(error)}); run the week again"
            ) from None
        except (BaseError, ValueError) as error:
            raise LakeError(f"{self} cannot be {done}: {stores.said(error)}") from None


def _held(content: bytes, meta: ObjectMeta) -> Held:
    return Held(content, meta["size"], _version(meta), meta["last_modified"])


def _version(meta: ObjectMeta) -> Version:
    return Version(meta["e_tag"], meta["version"])
