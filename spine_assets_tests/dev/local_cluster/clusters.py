"""A whole cluster as tests look at it: its memory, its webserver, its landing sensor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import pytest

from spine_assets.dev.local_cluster.topology import Cluster
from spine_assets_tests.support.servers import Server

SENSORS = """
{ sensorsOrError(repositorySelector: {
    repositoryLocationName: "spine_assets", repositoryName: "__repository__"
  }) { ... on Sensors { results { name sensorState { id } } } } }
"""
STOP = "mutation Stop($id: String!) { stopSensor(id: $id) { __typename } }"
PATIENCE_SECONDS = 400  # a backfill of sixty weeks; a machine with much other work took 300


@contextmanager
def told(cluster: Cluster) -> Iterator[dg.DagsterInstance]:
    """Dagster's memory of the cluster."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.env.items():
            patch.setenv(name, value)
        with dg.DagsterInstance.get() as instance:
            yield instance


def stop_landing_sensor(cluster: Cluster) -> None:
    """Only what the test asks for runs: the sensor would load the files before it."""
    server = server_of(cluster)
    found = server.ask(SENSORS)["sensorsOrError"]["results"]
    (state,) = [sensor["sensorState"]["id"] for sensor in found if sensor["name"] == "otc_landing"]
    assert server.ask(STOP, id=state)["stopSensor"]["__typename"] == "StopSensorMutationResult"


def server_of(cluster: Cluster) -> Server:
    return Server(int(cluster.webserver.rsplit(":", 1)[1]))


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, f"{what} took over {PATIENCE_SECONDS} s"
        time.sleep(0.2)
