"""`/sim`: addresses that read and change the simulation itself; FINRA has none of them.

Belongs here: reading such requests and calling the `Simulator`. They have no rate limit, are not
counted, and no fault strikes them.
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

from spine_assets.core.weeks import Tier, WeekError
from spine_assets.dev.finra_sim.archive import newest_week
from spine_assets.dev.finra_sim.faults import USUAL_FAULTS, Fault
from spine_assets.dev.finra_sim.restating import CannotRestate, Restatement
from spine_assets.dev.finra_sim.simulator import Simulator
from spine_assets.dev.finra_sim.wrong_totals import WrongTotal

_T = TypeVar("_T")
_Steer = Callable[[Simulator, Any], object]


@dataclass(frozen=True)
class _Clock:
    today: date


def steering_routes() -> list[Route]:
    """Routes below `/sim`."""
    actions: dict[tuple[str, str], _Steer] = {
        ("GET", "clock"): _clock,
        ("POST", "clock"): _set_clock,
        ("GET", "faults"): lambda sim, _: sim.faults.summary(),
        ("POST", "faults"): _add_faults,
        ("DELETE", "faults"): _clear_faults,
        ("GET", "restatements"): _restatements,
        ("POST", "restatements"): _restate,
        ("GET", "totals"): _wrong_totals,
        ("POST", "totals"): _misstate,
        ("DELETE", "totals"): _right_totals,
        ("GET", "requests"): lambda sim, _: sim.traffic.summary(),
        ("DELETE", "requests"): _forget_requests,
        ("DELETE", "tokens"): lambda sim, _: {"expired": sim.access.expire_all()},
    }
    return [
        Route(f"/sim/{name}", _steered(steer), methods=[method])
        for (method, name), steer in actions.items()
    ]


def _steered(steer: _Steer) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def handle(request: Request) -> JSONResponse:
        body = await request.body()
        try:
            answer = await run_in_threadpool(
                steer, request.app.state.sim, json.loads(body) if body else None
            )
        except (CannotRestate, ValidationError, WeekError, ValueError) as error:
            return JSONResponse({"message": str(error)}, status_code=400)
        return JSONResponse(TypeAdapter(object).dump_python(answer, mode="json"))

    return handle


def _clock(sim: Simulator, _: object) -> object:
    newest, complete = newest_week(sim.today), newest_week(sim.today, Tier)
    return {"today": sim.today, "newest_week": newest, "newest_complete_week": complete}


def _set_clock(sim: Simulator, given: object) -> object:
    sim.today = _read(_Clock, given).today
    return _clock(sim, given)


def _add_faults(sim: Simulator, given: object) -> object:
    """Add one fault, a list of faults, or those of a bad day: `"usual"`."""
    sim.faults.add(*(USUAL_FAULTS if given == "usual" else _read_all(Fault, given)))
    return sim.faults.summary()


def _clear_faults(sim: Simulator, _: object) -> object:
    sim.faults.clear()
    return sim.faults.summary()


def _restatements(sim: Simulator, _: object) -> object:
    return {"planned": sim.archive.planned, "usual_share": sim.options.restated_share}


def _restate(sim: Simulator, given: object) -> object:
    sim.archive.restate(*_read_all(Restatement, given))
    return _restatements(sim, given)


def _wrong_totals(sim: Simulator, _: object) -> object:
    return {"wrong": sim.archive.wrong_totals}


def _misstate(sim: Simulator, given: object) -> object:
    sim.archive.misstate(*_read_all(WrongTotal, given))
    return _wrong_totals(sim, given)


def _right_totals(sim: Simulator, _: object) -> object:
    sim.archive.wrong_totals.clear()
    return _wrong_totals(sim, _)


def _forget_requests(sim: Simulator, _: object) -> object:
    sim.traffic.forget()
    return sim.traffic.summary()


def _read_all(what: type[_T], given: object) -> list[_T]:
    return [_read(what, item) for item in (given if isinstance(given, list) else [given])]


def _read(what: type[_T], given: object) -> _T:
    """A dataclass from a JSON object.

    Raises:
        ValueError: it is no object, or has a member that the dataclass does not have.
    """
    if not isinstance(given, dict):
        raise ValueError(f"{given!r} is not a JSON object")
    known = {item.name for item in fields(what)} if is_dataclass(what) else set()
    if unknown := given.keys() - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return TypeAdapter(what).validate_python(given)
