"""`/sim`: what changes and tells about the simulation itself; FINRA has no such addresses.

Belongs here: reading such requests and calling the `Simulator`. They are not limited, not
counted and never fail by arrangement.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from spine_assets.core.weeks import WeekError
from spine_assets.dev.finra_sim.faults import USUAL_FAULTS, Fault
from spine_assets.dev.finra_sim.restating import CannotRestate, Restatement
from spine_assets.dev.finra_sim.simulator import Simulator

_T = TypeVar("_T")
_Steer = Callable[[Simulator, Any], object]


@dataclass(frozen=True)
class _Clock:
    today: date


def steering_routes() -> list[Route]:
    """Routes below `/sim`."""
    return [
        Route("/sim/clock", _steered(_clock), methods=["GET"]),
        Route("/sim/clock", _steered(_set_clock), methods=["POST"]),
        Route("/sim/faults", _steered(_faults), methods=["GET"]),
        Route("/sim/faults", _steered(_add_faults), methods=["POST"]),
        Route("/sim/faults", _steered(_clear_faults), methods=["DELETE"]),
        Route("/sim/restatements", _steered(_restatements), methods=["GET"]),
        Route("/sim/restatements", _steered(_restate), methods=["POST"]),
        Route("/sim/requests", _steered(_requests), methods=["GET"]),
        Route("/sim/requests", _steered(_forget_requests), methods=["DELETE"]),
        Route("/sim/tokens", _steered(_expire_tokens), methods=["DELETE"]),
    ]


def _steered(steer: _Steer) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def handle(request: Request) -> JSONResponse:
        body = await request.body()
        try:
            told = await run_in_threadpool(
                steer, request.app.state.sim, json.loads(body) if body else None
            )
        except (CannotRestate, ValidationError, WeekError, ValueError) as error:
            return JSONResponse({"message": str(error)}, status_code=400)
        return JSONResponse(TypeAdapter(object).dump_python(told, mode="json"))

    return handle


def _clock(sim: Simulator, _: object) -> object:
    newest = sim.archive.newest_week(sim.today)
    complete = sim.archive.newest_complete_week(sim.today)
    return {"today": sim.today, "newest_week": newest, "newest_complete_week": complete}


def _set_clock(sim: Simulator, given: object) -> object:
    sim.today = _read(_Clock, given).today
    return _clock(sim, given)


def _faults(sim: Simulator, _: object) -> object:
    return sim.faults.told()


def _add_faults(sim: Simulator, given: object) -> object:
    """Add one fault, a list of faults, or those of a bad day: `"usual"`."""
    sim.add_faults(*(USUAL_FAULTS if given == "usual" else _read_all(Fault, given)))
    return sim.faults.told()


def _clear_faults(sim: Simulator, _: object) -> object:
    sim.clear_faults()
    return sim.faults.told()


def _restatements(sim: Simulator, _: object) -> object:
    return {"planned": sim.archive.planned, "usual_share": sim.options.restated_share}


def _restate(sim: Simulator, given: object) -> object:
    sim.restate(*_read_all(Restatement, given))
    return _restatements(sim, given)


def _requests(sim: Simulator, _: object) -> object:
    return sim.requests()


def _forget_requests(sim: Simulator, _: object) -> object:
    sim.forget_requests()
    return sim.requests()


def _expire_tokens(sim: Simulator, _: object) -> object:
    return {"expired": sim.expire_tokens()}


def _read_all(what: type[_T], given: object) -> list[_T]:
    return [_read(what, item) for item in (given if isinstance(given, list) else [given])]


def _read(what: type[_T], given: object) -> _T:
    """A dataclass of a JSON object; a member that it has not is an error, not ignored."""
    if not isinstance(given, dict):
        raise ValueError(f"{given!r} is no JSON object")
    known = {item.name for item in fields(what)} if is_dataclass(what) else set()
    if unknown := given.keys() - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return TypeAdapter(what).validate_python(given)
