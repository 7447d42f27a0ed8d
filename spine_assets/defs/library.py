"""Our definitions as a library: those that a host merges with its own.

Belongs here: what a host gets, and under which names. Does not belong here: the definitions
themselves, which are made by the modules beside this one, with and without a prefix. Dagster finds
those without one where they are made, so what it would find again here is not imported by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
from dagster_duckdb import DuckDBResource

from spine_assets.core.settings import Settings, validated
from spine_assets.defs.alerts import alerts_sensor
from spine_assets.defs.finra import files
from spine_assets.defs.finra.offered_sensor import INTERVAL_SECONDS, offered_sensor
from spine_assets.defs.finra.resource import Finra
from spine_assets.defs.finra.schedules import restatements_schedule
from spine_assets.defs.logs import console
from spine_assets.defs.otc import consolidated, sources, weekly
from spine_assets.defs.otc.freshness import freshness
from spine_assets.defs.otc.jobs import otc_jobs
from spine_assets.defs.otc.landing_sensor import landing_sensor
from spine_assets.defs.otc.schedules import otc_schedules
from spine_assets.defs.resources import Spine
from spine_assets.orchestration.site import Site, our_name, ours, within

_PREFIX = re.compile(r"[a-z][a-z0-9_]*")


def build_definitions(
    *, key_prefix: str, data_dir: Path | str, settings: Mapping[str, object] | None = None
) -> dg.Definitions:
    """One lake's definitions for a host: all names prefixed, no executor for the host's own jobs.

        dg.Definitions.merge(own, build_definitions(key_prefix="us", data_dir="/srv/us"))

    Assets are `us/otc_raw`, jobs, sensors, schedules, groups, resources and the logger
    `us_otc_weekly`, `us_otc_landing` and so on. A host may have several. YAML pipelines and the
    schedule that deletes old runs are not among them, and the `spine` command shows only
    definitions without a prefix.

    Args:
        key_prefix: Stands before all names: lower case letters, digits and `_`. Of several none
            may be another one with `_` and more after it.
        data_dir: Landing folder, lake and database of these definitions.
        settings: Other settings by the names of `Settings`, such as `lake` or `first_week`. Those
            that are not given come from the environment of the process that uses them.

    Raises:
        ValueError: the prefix cannot be used.
        WrongSetting: names every setting that is wrong.
    """
    if not _PREFIX.fullmatch(key_prefix):
        raise ValueError(f"{key_prefix!r} cannot stand before names; use a-z, 0-9 and _")
    given = {**(settings or {}), "data_dir": data_dir}
    with within(Site(key_prefix, validated(lambda: Settings(**given)))):  # type: ignore[arg-type]
        return dg.Definitions.merge(
            sources.sources(),
            weekly.weekly_assets(),
            consolidated.consolidated_definitions(),
            freshness(),
            dg.Definitions(
                jobs=[*otc_jobs(), files.fetch_job()],
                schedules=[*otc_schedules(), restatements_schedule()],
                sensors=[landing_sensor(), offered_sensor(INTERVAL_SECONDS), alerts_sensor()],
                loggers={our_name("console"): _console()},
                resources={
                    our_name("spine"): Spine(duckdb=DuckDBResource(database=":memory:")),
                    our_name("finra"): Finra(),
                },
            ),
        )


def _console() -> dg.LoggerDefinition:
    """Our console logger with the settings of the current site."""
    return dg.LoggerDefinition(
        ours(console.logger_fn), console.config_schema, description=console.description
    )
