"""Which set of our definitions is made or run: its prefix and its settings.

A host may have several lakes in one code location, each with definitions of its own names. What
makes or runs one of them does so within its site; outside of any, names have no prefix and the
settings come from the environment. So the functions that build weeks need not carry either.

Belongs here: names, and the block within which they hold. Does not belong here: the definitions
(`defs`), and which of them a host gets (`defs/library.py`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import dagster as dg

from spine_assets.core.settings import Settings, using

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False)
class Site:
    """One set of definitions.

    Attributes:
        prefix: Stands before all its names; empty for none.
        settings: Its settings; None reads them from the environment when they are used.
    """

    prefix: str = ""
    settings: Settings | None = None

    def owns(self, run: dg.DagsterRun) -> bool:
        """Whether a run is of these definitions; without a prefix each run is."""
        keys = {*(run.asset_selection or ())}
        keys |= {check.asset_key for check in run.asset_check_selection or ()}
        named = run.job_name.startswith(f"{self.prefix}_")
        return not self.prefix or named or any(key.path[0] == self.prefix for key in keys)


_site: ContextVar[Site | None] = ContextVar("site", default=None)
_HERE = Site()
_END = object()


def current() -> Site:
    """The site of the surrounding block."""
    return _site.get() or _HERE


def our_name(name: str) -> str:
    """The name of a job, sensor, schedule, group, op, logger or resource of ours."""
    prefix = current().prefix
    return f"{prefix}_{name}" if prefix else name


def our_key(name: str) -> dg.AssetKey:
    """The key of an asset of ours."""
    prefix = current().prefix
    return dg.AssetKey([prefix, name] if prefix else [name])


def plain_name(key: dg.AssetKey) -> str:
    """A key of ours without the prefix: the name of a table."""
    ours = current().prefix and key.path[0] == current().prefix
    return dg.AssetKey(key.path[1:] if ours else key.path).to_user_string()


def our_tag(value: str) -> str:
    """A tag by which runs of this site are found, not those of another lake."""
    prefix = current().prefix
    return f"{prefix}:{value}" if prefix else value


def our_resource(context: Any, name: str) -> Any:
    """A resource of ours that a step, sensor or schedule requires by `our_name`."""
    return getattr(context.resources, our_name(name))


@contextmanager
def within(site: Site) -> Iterator[None]:
    """Make or run definitions of a site."""
    with ExitStack() as stack:
        if site.settings is not None:
            stack.enter_context(using(site.settings))
        token = _site.set(site)
        stack.callback(_site.reset, token)
        yield


def ours(function: Function) -> Function:
    """A function that Dagster calls later, run within the site in which it was made.

    A generator is within its site while it makes a value, and its caller is not meanwhile.
    """
    site = current()

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with within(site):
            return function(*args, **kwargs)

    @functools.wraps(function)
    def generated(*args: Any, **kwargs: Any) -> Iterator[Any]:
        values = function(*args, **kwargs)
        try:
            while True:
                with within(site):
                    value = next(values, _END)
                if value is _END:
                    return
                yield value
        finally:
            with within(site):
                values.close()

    return generated if inspect.isgeneratorfunction(function) else called  # type: ignore[return-value]
