"""FINRA's addresses: data, partitions and tokens, over HTTP.

Belongs here: from a request to an answer with FINRA's statuses and headers. Does not belong
here: `/sim` (`steering`), sockets (`serving`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from time import perf_counter

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from spine_assets.dev.finra_sim.access import Forbidden, Unauthorized
from spine_assets.dev.finra_sim.dataset import (
    DATASETS,
    GROUP,
    MAX_LIMIT,
    PARTITION_FIELDS,
    SUMMARY_TYPE,
    TIER,
    WEEK,
    Dataset,
)
from spine_assets.dev.finra_sim.faults import MODIFIERS, Endpoint, Fault, FaultKind
from spine_assets.dev.finra_sim.query import BadRequest, Query, read_query
from spine_assets.dev.finra_sim.rendering import csv_body, json_body
from spine_assets.dev.finra_sim.simulator import Simulator
from spine_assets.dev.finra_sim.steering import steering_routes
from spine_assets.dev.finra_sim.traffic import Asked

_Answer = Callable[[Request, Asked, list[Fault]], Awaitable[Response]]
_JSON = "application/json"
_PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_STATUS_OF = {
    FaultKind.GATEWAY_TIMEOUT: 504,
    FaultKind.UNAVAILABLE: 503,
    FaultKind.UNAUTHORIZED: 401,
    FaultKind.FORBIDDEN: 403,
}
_PAGE_FOR_PEOPLE = "<!DOCTYPE html><html><body><h1>This page has moved</h1></body></html>"


def make_app(sim: Simulator) -> Starlette:
    """The server's application, answering from a simulator."""
    data, partitions = (
        "/data/group/{group}/name/{dataset}",
        "/partitions/group/{group}/name/{dataset}",
    )
    app = Starlette(
        routes=[
            Route(data, _counted("data", _data), methods=["GET", "POST"]),
            Route(partitions, _counted("partitions", _partitions), methods=["GET"]),
            Route("/fip/rest/ews/oauth2/access_token", _counted("token", _token), methods=["POST"]),
            *steering_routes(),
        ]
    )
    app.state.sim = sim
    return app


class _CutResponse(Response):
    """An answer whose connection ends in the middle of its body."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half, then return: the server closes a connection that is not complete."""
        body = bytes(self.body)
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        half = body[: len(body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


def _counted(endpoint: Endpoint, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint with the limit, faults and account that all have."""

    async def handle(request: Request) -> Response:
        sim: Simulator = request.app.state.sim
        began = perf_counter()
        client = request.client.host if request.client else ""
        dataset = request.path_params.get("dataset")
        name = f"{request.method} {endpoint}" + (f" {dataset}" if dataset else "")
        asked = Asked(name, client, limited=endpoint != "token")
        if not sim.traffic.arrived(asked):
            response = _too_many(sim.faults.chance() < 0.5, 1.0)
        else:
            response = await _struck(sim, endpoint, request, asked, answer)
        sim.traffic.answered(asked, response.status_code)
        if sim.log:
            sim.log(_line(asked, response.status_code, 1000 * (perf_counter() - began)))
        return response

    return handle


async def _struck(
    sim: Simulator, endpoint: Endpoint, request: Request, asked: Asked, answer: _Answer
) -> Response:
    """The answer, or what the faults that strike it leave of it."""
    faults = sim.faults.strike(endpoint)
    asked.faults = [fault.kind.value for fault in faults]
    for fault in faults:
        if fault.kind is FaultKind.SLOW:
            await asyncio.sleep(fault.seconds)
        if fault.kind not in MODIFIERS:
            return _instead(fault)
    try:
        response = await answer(request, asked, faults)
    except BadRequest as error:
        return _error(400, str(error))
    except Unauthorized as error:
        return _error(401, str(error))
    except Forbidden as error:
        return _error(403, str(error))
    if FaultKind.CUT.value in asked.faults and response.body:
        return _CutResponse(bytes(response.body), response.status_code, dict(response.headers))
    return response


def _instead(fault: Fault) -> Response:
    """The answer of a fault that lets no other through."""
    if fault.kind is FaultKind.HTML:
        return HTMLResponse(_PAGE_FOR_PEOPLE)
    if fault.kind in {FaultKind.TOO_MANY, FaultKind.TOO_MANY_BARE}:
        return _too_many(fault.kind is FaultKind.TOO_MANY, fault.seconds)
    return _error(_STATUS_OF[fault.kind], "arranged by /sim/faults")


async def _data(request: Request, asked: Asked, faults: list[Fault]) -> Response:
    sim: Simulator = request.app.state.sim
    sim.access.check(request.headers.get("authorization"))
    dataset = _dataset(request)
    if dataset is None:
        return _error(404, f"there is no dataset {request.url.path}")
    query = Query(dataset)  # FINRA's GET ignores all filters
    if request.method == "POST":
        query = read_query(dataset, _json(await request.body()))
    asked.week, asked.tier = query.only(WEEK), query.only(TIER)
    asked.summary_type, asked.offset = query.only(SUMMARY_TYPE), query.offset
    share = 1.0
    if any(fault.kind is FaultKind.SHORT_PAGE for fault in faults):
        share = sim.faults.chance()
    as_json = _JSON in request.headers.get("accept", "")
    return await run_in_threadpool(_page, sim, query, asked, as_json, share)


def _page(sim: Simulator, query: Query, asked: Asked, as_json: bool, share: float) -> Response:
    """One page; `share` below 1 makes it shorter, but never empty."""
    page = sim.answers.page(query, sim.today)
    asked.total = page.total
    headers = {
        "Record-Total": str(page.total),
        "Record-Limit": str(query.limit),
        "Record-Offset": str(query.offset),
        "Record-Max-Limit": str(MAX_LIMIT),
    }
    if page.rows.is_empty():
        return Response(status_code=204, headers=headers)
    rows = page.rows if share >= 1 else page.rows.head(max(int(page.rows.height * share), 1))
    options = sim.options
    if as_json:
        body = json_body(rows, query, options.page_bytes, options.numbers)
    else:
        body = csv_body(rows, query, options.page_bytes)
    asked.rows = body.rows
    return Response(body.content, headers=headers, media_type=_JSON if as_json else "text/plain")


async def _partitions(request: Request, asked: Asked, _: list[Fault]) -> Response:
    sim: Simulator = request.app.state.sim
    sim.access.check(request.headers.get("authorization"))
    dataset = _dataset(request)
    if dataset is None:
        return _error(404, f"there is no dataset {request.url.path}")
    found = sim.partitions(dataset.name)
    asked.total = len(found)
    return JSONResponse(
        {
            "datasetGroup": GROUP,
            "datasetName": dataset.name,
            "partitionFields": list(PARTITION_FIELDS),
            "availablePartitions": [
                {"partitions": [str(partition.monday), partition.tier]} for partition in found
            ],
        }
    )


async def _token(request: Request, _: Asked, __: list[Fault]) -> Response:
    sim: Simulator = request.app.state.sim
    if request.query_params.get("grant_type") != "client_credentials":
        raise BadRequest("grant_type must be client_credentials")
    token = sim.access.token(request.headers.get("authorization"))
    answer = {"access_token": token, "token_type": "Bearer", "scope": "READ"}
    return JSONResponse(answer | {"expires_in": sim.options.token_seconds})


def _dataset(request: Request) -> Dataset | None:
    """The dataset of an address; FINRA takes any case."""
    if request.path_params["group"].casefold() != GROUP.casefold():
        return None
    return DATASETS.get(request.path_params["dataset"].casefold())


def _json(body: bytes) -> object:
    if not body:
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None


def _too_many(tells_when: bool, seconds: float) -> Response:
    response = _error(429, "too many requests")
    if tells_when:
        response.headers["Retry-After"] = f"{seconds:.0f}"
    return response


def _error(status: int, message: str) -> Response:
    told = {"statusCode": status, "statusDescription": _PHRASES[status], "message": message}
    return JSONResponse(told, status_code=status)


def _line(asked: Asked, status: int, took_ms: float) -> str:
    """A request in one line of a log."""
    named = [text for text in (asked.week, asked.tier, asked.summary_type) if text]
    if asked.offset:
        named.append(f"offset {asked.offset}")
    rows = "" if asked.total is None else f", {asked.rows} of {asked.total}" * bool(asked.rows)
    faults = f" [{', '.join(asked.faults)}]" if asked.faults else ""
    return f"{' '.join([asked.endpoint, *named])} -> {status}{rows}, {took_ms:.0f} ms{faults}"
