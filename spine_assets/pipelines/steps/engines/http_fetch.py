"""`http.fetch`: a file of a web server, into the landing folder."""

from __future__ import annotations

import re
from collections.abc import Collection

from pydantic import Field, SecretStr

from spine_assets.pipelines.steps.engine import (
    ActionEngine,
    EngineExecutionError,
    Part,
    StepResult,
    Work,
)
from spine_assets.pipelines.steps.export_files import passing, put_beside_others, temporary_beside
from spine_assets.pipelines.steps.http_download import Downloaded, Request, download, url_fault
from spine_assets.pipelines.steps.safe_names import as_sample, path_below, template_faults
from spine_assets.pipelines.steps.secret_values import secret_of, variable_faults

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110's token
_OWN_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "range"}
_SECRET_HEADERS = {"authorization", "proxy-authorization", "cookie", "x-api-key"}
_UNFINISHED = ("~", "_")  # `otc.listing` passes such names over, as it does hidden ones


class FetchSource(Part):
    """What is fetched."""

    url: str = Field(description="Address of the file, http or https.")
    headers: dict[str, str] = Field(
        default={}, description="Headers of the request: name and text. No secrets."
    )
    header_env: dict[str, str] = Field(
        default={},
        description="Headers that hold a secret: name of the header, and name of the environment "
        "variable (or of .env) that has its value, such as Authorization: FEED_TOKEN.",
    )


class FetchDestination(Part):
    """Where the file goes."""

    folder: str = Field(
        default="",
        description="A folder below data/landing, made where it is missing; default: landing "
        "itself. FINRA's files may be told by week_ending=YYYY-MM-DD folders.",
    )
    name: str = Field(
        description="The file's name with its ending; usually the week is in it or in the folder."
    )


class FetchConfig(Part):
    """What may come."""

    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        le=600,
        description="Longest wait for a connection and for each piece of the body, seconds.",
    )
    max_bytes: int = Field(
        default=64_000_000,  # what `otc.contents` reads of one file
        gt=0,
        description="Largest file, bytes. The default is the largest that is read from landing.",
    )
    content_types: list[str] = Field(
        default=[],
        description="Content types that are taken, such as text/csv or text/*; default: all but "
        "web pages.",
    )


class HttpFetch(ActionEngine[FetchSource, FetchDestination, FetchConfig]):
    """Fetches a file by HTTP into the landing folder, where it appears when it is whole.

    Nothing is overwritten: another content under the same name goes beside it, as
    `name.<hash>.csv`. A content that is there already is left alone.

    ```yaml
    step_id: fetch_watch_list
    name: The desk's watch list
    ps_type: http.fetch
    source:
      url: https://files.example.org/watch/{week_ending}.csv
      header_env:
        Authorization: WATCH_LIST_TOKEN
    destination:
      folder: watch_list/week_ending={week_ending}
      name: watch_list.csv
    config:
      content_types: [text/csv]
    ```
    """

    ps_type = "http.fetch"
    source = FetchSource
    destination = FetchDestination
    config = FetchConfig

    def faults(
        self,
        source: FetchSource,
        destination: FetchDestination,
        config: FetchConfig,
        known: Collection[str],
    ) -> list[str]:
        """An address of another kind, headers that cannot be sent, names that lead elsewhere."""
        found = _header_faults(source)
        sample = None if source.url.startswith("{") else as_sample(source.url)
        if sample is not None and (fault := url_fault(sample)):
            found.append(f"source.url: {fault}")
        found += template_faults("destination.folder", destination.folder, is_folder=True)
        found += template_faults("destination.name", destination.name)
        if destination.name.startswith(_UNFINISHED):
            found.append("destination.name: begins with ~ or _, as unfinished files do")
        return found

    def act(self, work: Work[FetchSource, FetchDestination, FetchConfig]) -> StepResult:
        """Fetch the file.

        Raises:
            EngineExecutionError: it is not there, not allowed, no data file, or too large.
            TransientError: the server, the way to it or the disk fails now.
        """
        to, place = work.destination, work.context.place
        if to.name.startswith(_UNFINISHED):
            raise EngineExecutionError(f"destination.name: {to.name!r} begins as unfinished files")
        if fault := url_fault(work.source.url):
            raise EngineExecutionError(f"source.url: {fault}; look at the values of its {{names}}")
        target = path_below(place.landing, to.folder, to.name)
        request = _request(work)
        with temporary_beside(target) as staged:
            with passing():
                came = download(request, staged)
            path_below(place.landing, to.folder, to.name)  # its folder may be new since
            path, written = put_beside_others(staged, target, came.sha256, place.shared)
        return StepResult(
            result={
                "url": came.shown_url,
                "path": str(path),
                "bytes": came.bytes,
                "sha256": came.sha256,
                "content_type": came.content_type,
                "unchanged": not written,
            },
            files=(path,),
            said=_said(came, str(path), written=written, beside=path != target),
        )


def _request(work: Work[FetchSource, FetchDestination, FetchConfig]) -> Request:
    """The request, with its secrets."""
    source, config = work.source, work.config
    if faults := _header_faults(source):
        raise EngineExecutionError("; ".join(faults))
    headers = {name: SecretStr(text) for name, text in source.headers.items()}
    for name, variable in source.header_env.items():
        field = f"source.header_env.{name}"
        headers[name] = secret_of(field, variable)
        if not _can_be_sent(headers[name].get_secret_value()):
            raise EngineExecutionError(f"{field}: the value of {variable} is no line of ASCII")
    return Request(
        source.url,
        headers,
        config.timeout_seconds,
        config.max_bytes,
        tuple(config.content_types),
        packed=work.destination.name.lower().endswith(".gz"),
    )


def _header_faults(source: FetchSource) -> list[str]:
    both = [*source.headers, *source.header_env]
    lowered = [name.lower() for name in both]
    twice = sorted({name for name in lowered if lowered.count(name) > 1})
    found = [
        f"source: {name!r} is no header that may be set"
        for name in both
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS
    ]
    found += [f"source: the header {name} is given twice" for name in twice]
    for name, text in source.headers.items():
        if name.lower() in _SECRET_HEADERS:
            found.append(f"source.headers: {name} is a secret; name a variable in header_env")
        elif not _can_be_sent(text):
            found.append(f"source.headers.{name}: is no line of ASCII")
    for name, variable in source.header_env.items():
        found += variable_faults(f"source.header_env.{name}", variable)
    return found


def _can_be_sent(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _said(came: Downloaded, path: str, *, written: bool, beside: bool) -> tuple[str, ...]:
    """What became of it, for the run's log."""
    said = f"{came.bytes:,} bytes from {came.shown_url}"
    lines = [f"{said}: {path} " + ("written" if written else "holds them already")]
    if written and beside:
        lines.append("another content had the name; that file stays as it was")
    if not came.length_told:
        lines.append("the server told no length: a body cut short would not have been noticed")
    return tuple(lines)


ENGINE = HttpFetch()
