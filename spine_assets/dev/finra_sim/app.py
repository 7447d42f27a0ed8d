"""FINRA's addresses over HTTP: data, partitions and tokens.

Belongs here: from a request to a response with FINRA's statuses and headers. Does not belong
here: `/sim` (`steering`) and sockets (`serving`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from time import perf_counter

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from spine_assets.dev.finra_sim.access import Denied
from spine_assets.dev.finra_sim.dataset import (
    DATASETS,
    GROUP,
    MAX_LIMIT,
    PARTITION_FIELDS,
    SUMMARY_TYPE,
    TIER,
    UPDATED,
    WEEK,
    SimDataset,
)
from spine_assets.dev.finra_sim.faults import MODIFIERS, Endpoint, Fault, FaultKind
from spine_assets.dev.finra_sim.query import BadRequest, Condition, SimQuery, read_query
from spine_assets.dev.finra_sim.rendering import csv_body, json_body
from spine_assets.dev.finra_sim.simulator import Simulator
from spine_assets.dev.finra_sim.steering import steering_routes
from spine_assets.dev.finra_sim.traffic import RequestRecord

_Answer = Callable[[Request, RequestRecord, list[Fault]], Awaitable[Response]]
_JSON = "application/json"
_STATUS_OF = {
    FaultKind.GATEWAY_TIMEOUT: 504,
    FaultKind.UNAVAILABLE: 503,
    FaultKind.UNAUTHORIZED: 401,
    FaultKind.FORBIDDEN: 403,
}
_COOKIE = "finra-sim"
_NEVER = Condition(SUMMARY_TYPE, "EQUAL", ("none",))
_PAGE_FOR_PEOPLE = "<!DOCTYPE html><html><body><h1>This page has moved</h1></body></html>"


def make_app(sim: Simulator) -> Starlette:
    """The server's application, answering from a simulator."""
    address = "/group/{group}/name/{dataset}"
    app = Starlette(
        routes=[
            Route(f"/data{address}", _counted("data", _data), methods=["GET", "POST"]),
            Route(f"/partitions{address}", _counted("partitions", _partitions), methods=["GET"]),
            Route("/fip/rest/ews/oauth2/access_token", _counted("token", _token), methods=["POST"]),
            *steering_routes(),
        ]
    )
    app.state.sim = sim
    return app


class _CutResponse(Response):
    """A response whose connection is cut in the middle of the body."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half, then return: the server closes the connection of an incomplete response."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})


def _counted(endpoint: Endpoint, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint with what all have: rate limit, faults, and an entry in the traffic record."""

    async def handle(request: Request) -> Response:
        sim: Simulator = request.app.state.sim
        began = perf_counter()
        client = request.client.host if request.client else ""
        dataset = request.path_params.get("dataset")
        name = f"{request.method} {endpoint}" + (f" {dataset}" if dataset else "")
        record = RequestRecord(name, client, limited=endpoint != "token")
        if not sim.traffic.arrived(record):
            response = _too_many(sim.faults.chance() < 0.5, 1.0)
        else:
            response = await _with_faults(sim, endpoint, request, record, answer)
        sim.traffic.answered(record, response.status_code)
        if sim.log:
            sim.log(_line(record, response.status_code, 1000 * (perf_counter() - began)))
        return response

    return handle


async def _with_faults(
    sim: Simulator, endpoint: Endpoint, request: Request, record: RequestRecord, answer: _Answer
) -> Response:
    """The response, changed or replaced by the faults that strike the request."""
    faults = sim.faults.strike(endpoint)
    record.faults = [fault.kind.value for fault in faults]
    for fault in faults:
        if fault.kind is FaultKind.SLOW:
            await asyncio.sleep(fault.seconds)
        if fault.kind is FaultKind.COOKIE and _COOKIE not in request.cookies:
            return _with_cookie(request)
        if fault.kind not in MODIFIERS:
            return _instead(fault)
    try:
        response = await answer(request, record, faults)
    except BadRequest as error:
        return _error(400, str(error))
    except Denied as error:
        return _error(error.status, str(error))
    if FaultKind.CUT.value in record.faults and response.body:
        return _CutResponse(bytes(response.body), response.status_code, dict(response.headers))
    return response


def _with_cookie(request: Request) -> Response:
    """A redirect to the same address, as some networks have it."""
    response = RedirectResponse(str(request.url), status_code=307)
    response.set_cookie(_COOKIE, "passed", path="/")
    return response


def _instead(fault: Fault) -> Response:
    """The response of a fault that replaces the usual one."""
    if fault.kind is FaultKind.HTML:
        return HTMLResponse(_PAGE_FOR_PEOPLE)
    if fault.kind in {FaultKind.TOO_MANY, FaultKind.TOO_MANY_BARE}:
        return _too_many(fault.kind is FaultKind.TOO_MANY, fault.seconds)
    return _error(_STATUS_OF[fault.kind], "injected by /sim/faults")


async def _data(request: Request, record: RequestRecord, faults: list[Fault]) -> Response:
    sim: Simulator = request.app.state.sim
    dataset = _dataset(request)
    query = SimQuery(dataset)  # FINRA's GET ignores all filters
    if request.method == "POST":
        query = read_query(dataset, _json(await request.body()))
    record.week, record.tier = query.only(WEEK), query.only(TIER)
    record.summary_type, record.offset = query.only(SUMMARY_TYPE), query.offset
    kinds = {fault.kind for fault in faults}
    query = _misread(query, kinds)
    share = sim.faults.chance() if FaultKind.SHORT_PAGE in kinds else 1.0
    as_json = _JSON in request.headers.get("accept", "")
    return await run_in_threadpool(_page, sim, query, record, as_json, share)


def _misread(query: SimQuery, kinds: set[FaultKind]) -> SimQuery:
    """The query as a FINRA with these faults understands it.

    Raises:
        BadRequest: it does not accept it.
    """
    if FaultKind.TOTALS_REFUSED in kinds and "," in (query.only(SUMMARY_TYPE) or ""):
        raise BadRequest("domainFilters are not supported (injected by /sim/faults)")
    if FaultKind.SHIFTED_PAGE in kinds and query.offset and not query.sort:
        return replace(query, offset=query.offset - 1)
    if not query.is_across:
        return query
    if FaultKind.ACROSS_REFUSED in kinds:
        raise BadRequest("filters on all partition keys are required (injected by /sim/faults)")
    if FaultKind.NOTHING_ACROSS in kinds:
        return replace(query, conditions=(*query.conditions, _NEVER))
    return query.without(UPDATED) if FaultKind.DAYS_IGNORED in kinds else query


def _page(
    sim: Simulator, query: SimQuery, record: RequestRecord, as_json: bool, share: float
) -> Response:
    """One page of rows; a `share` below 1 shortens it, but never to nothing."""
    rows, record.total = sim.answers.page(query, sim.today)
    rows = rows.head(max(record.total - (record.offset or 0), 0))  # of a shifted page
    headers = {"Record-Total": str(record.total), "Record-Max-Limit": str(MAX_LIMIT)}
    headers |= {"Record-Limit": str(query.limit), "Record-Offset": str(query.offset)}
    if rows.is_empty():
        return Response(status_code=204, headers=headers)
    if share < 1:
        rows = rows.head(max(int(rows.height * share), 1))
    write, kind = (json_body, _JSON) if as_json else (csv_body, "text/plain")
    content, record.rows = write(rows, query, sim.options.page_bytes)
    return Response(content, headers=headers, media_type=kind)


async def _partitions(request: Request, record: RequestRecord, _: list[Fault]) -> Response:
    sim: Simulator = request.app.state.sim
    dataset = _dataset(request)
    found = [{"partitions": [str(p.monday), p.tier]} for p in sim.partitions(dataset.name)]
    record.total = len(found)
    answer: dict[str, object] = {"datasetGroup": GROUP, "datasetName": dataset.name}
    answer |= {"partitionFields": list(PARTITION_FIELDS), "availablePartitions": found}
    return JSONResponse(answer)


async def _token(request: Request, _: RequestRecord, __: list[Fault]) -> Response:
    sim: Simulator = request.app.state.sim
    if request.query_params.get("grant_type") != "client_credentials":
        raise BadRequest("grant_type must be client_credentials")
    token = sim.access.token(request.headers.get("authorization"))
    answer = {"access_token": token, "token_type": "Bearer", "scope": "READ"}
    return JSONResponse(answer | {"expires_in": sim.options.token_seconds})


def _dataset(request: Request) -> SimDataset:
    """The dataset of an address, which the client may read; FINRA takes any case."""
    request.app.state.sim.access.check(request.headers.get("authorization"))
    dataset = DATASETS.get(request.path_params["dataset"].casefold())
    if dataset is None or request.path_params["group"].casefold() != GROUP.casefold():
        raise Denied(404, f"there is no dataset {request.url.path}")
    return dataset


def _json(body: bytes) -> object:
    try:
        return json.loads(body or "{}")
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None


def _too_many(with_retry_after: bool, seconds: float) -> Response:
    response = _error(429, "too many requests")
    if with_retry_after:
        response.headers["Retry-After"] = f"{seconds:.0f}"
    return response


def _error(status: int, message: str) -> Response:
    phrase = HTTPStatus(status).phrase
    body = {"statusCode": status, "statusDescription": phrase, "message": message}
    return JSONResponse(body, status_code=status)


def _line(record: RequestRecord, status: int, took_ms: float) -> str:
    """The log line of a request."""
    named = [text for text in (record.week, record.tier, record.summary_type) if text]
    if record.offset:
        named.append(f"offset {record.offset}")
    rows = "" if record.total is None else f", {record.rows} of {record.total}" * bool(record.rows)
    faults = f" [{', '.join(record.faults)}]" if record.faults else ""
    return f"{' '.join([record.endpoint, *named])} -> {status}{rows}, {took_ms:.0f} ms{faults}"
