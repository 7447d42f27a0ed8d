"""`http.fetch`: a file of a web server, into the landing folder."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field

from spine_assets.pipelines import (
    ActionEngine,
    EngineExecutionError,
    Parts,
    StepPart,
    StepResult,
    Work,
)
from spine_assets.pipelines.steps.export_files import (
    put_beside_others,
    temporary_beside,
    transient_if_io,
)
from spine_assets.pipelines.steps.export_names import as_sample, path_below, template_problems
from spine_assets.pipelines.steps.http_request import (
    Downloaded,
    Request,
    header_problems,
    headers_of,
)

_UNFINISHED = ("~", "_")  # the scan of the landing folder skips such names, as it skips hidden ones


class HttpFetchSource(StepPart):
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
    redirect_hosts: list[str] = Field(
        default=[],
        description="Other hosts that the address may redirect to, as host or host:port; default: "
        "none. A public address is never left for one of this machine or its networks.",
    )


class HttpFetchDestination(StepPart):
    """Where the file goes."""

    folder: str = Field(
        default="",
        description="A folder below data/landing, made where it is missing; default: landing "
        "itself. A folder week_ending=YYYY-MM-DD states the week of FINRA's files.",
    )
    name: str = Field(
        description="The file's name with its ending; usually the week is in it or in the folder."
    )


class HttpFetchConfig(StepPart):
    """Limits of the response."""

    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        le=600,
        description="Longest wait for a connection and for each piece of the body, seconds. All of "
        "the body may take as long, and a second more for each 10,000 bytes.",
    )
    max_bytes: int = Field(
        default=64_000_000,  # the most that is read of one file in the landing folder
        gt=0,
        description="Largest file, bytes. The default is the largest that is read from landing.",
    )
    content_types: list[str] = Field(
        default=[],
        description="Accepted content types, such as text/csv or text/*; default: all but web "
        "pages.",
    )


_Work = Work[HttpFetchSource, HttpFetchDestination, HttpFetchConfig]
_Parts = Parts[HttpFetchSource, HttpFetchDestination, HttpFetchConfig]


class HttpFetch(ActionEngine[HttpFetchSource, HttpFetchDestination, HttpFetchConfig]):
    """Fetches a file by HTTP into the landing folder, where it appears when it is complete.

    Nothing is overwritten: if a file with other content has the name, the new one is written
    beside it as `name.<hash>.csv`. If the same content is already there, nothing is written.

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
    source = HttpFetchSource
    destination = HttpFetchDestination
    config = HttpFetchConfig

    def problems(self, parts: _Parts, known: Collection[str]) -> list[str]:
        """Addresses that are not HTTP, headers that cannot be sent, names outside the folder."""
        # httpx: 0.2 s to import
        from spine_assets.pipelines.steps.http_download import address_problems

        found = header_problems(parts.source.headers, parts.source.header_env)
        sample = None if parts.source.url.startswith("{") else as_sample(parts.source.url)
        hosts = ["h" if "{" in text else text for text in parts.source.redirect_hosts]
        found += address_problems(sample, hosts)
        found += template_problems("destination.folder", parts.destination.folder, is_folder=True)
        found += template_problems("destination.name", parts.destination.name)
        if parts.destination.name.startswith(_UNFINISHED):
            found.append("destination.name: begins with ~ or _, as unfinished files do")
        return found

    def act(self, work: _Work) -> StepResult:
        """Fetch the file; a response that is not a complete data file is an error."""
        from spine_assets.pipelines.steps import http_download  # httpx: 0.2 s to import

        source, to, config = work.source, work.destination, work.config
        workspace = work.context.workspace
        if to.name.startswith(_UNFINISHED):
            raise EngineExecutionError(
                f"destination.name: {to.name!r} begins like unfinished files"
            )
        if problems := http_download.address_problems(source.url, source.redirect_hosts):
            raise EngineExecutionError(f"{problems[0]}; check the values of its {{names}}")
        target = path_below(workspace.landing, to.folder, to.name)
        request = Request(
            source.url,
            headers_of(source.headers, source.header_env),
            config.timeout_seconds,
            config.max_bytes,
            tuple(config.content_types),
            tuple(source.redirect_hosts),
            packed=to.name.lower().endswith(".gz"),
        )
        with temporary_beside(target) as staged:
            with transient_if_io():
                file = http_download.download(request, staged)
            path_below(workspace.landing, to.folder, to.name)  # the folder may have been made since
            path, written = put_beside_others(staged, target, file.sha256, workspace.shared)
        return StepResult(
            result={
                "url": file.shown_url,
                "path": str(path),
                "bytes": file.bytes,
                "sha256": file.sha256,
                "content_type": file.content_type,
                "unchanged": not written,
            },
            files=(path,),
            log_lines=_log_lines(file, str(path), written=written, beside=path != target),
        )


def _log_lines(file: Downloaded, path: str, *, written: bool, beside: bool) -> tuple[str, ...]:
    """What the step did, for the run's log."""
    result = "written" if written else "already has this content"
    lines = [f"{file.bytes:,} bytes from {file.shown_url}: {path} {result}"]
    if written and beside:
        lines.append("another file already has that name; it is unchanged")
    if not file.length_known:
        lines.append("the server sent no length: a body cut short would not have been noticed")
    return tuple(lines)


ENGINE = HttpFetch()
