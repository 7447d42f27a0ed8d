"""Assets around the weekly tables that no run makes: the delivered files, and the views.

They are observable: a run looks at them and makes nothing. So a selection that holds one, such as
all that is downstream of `otc_raw` or all that a team owns, is a run that Dagster accepts, while
`*`, groups and kinds leave them out. Belongs here: looking at them. Does not belong here: their
specs (`specs`), and what is reported of the files (`orchestration.landing_events`).
"""

import warnings
from collections.abc import Iterator

import dagster as dg

from spine_assets.alerts.ongoing import FILES, USABLE
from spine_assets.core.settings import load_settings
from spine_assets.core.sql import identifier
from spine_assets.defs.otc.specs import files_spec, view_specs
from spine_assets.defs.resources import Spine
from spine_assets.lake.opening import open_lake
from spine_assets.orchestration.asset_specs import check_description
from spine_assets.orchestration.landing_events import report_delivered, report_usable, usable
from spine_assets.orchestration.site import our_key, our_name, our_resource, ours
from spine_assets.otc.delivery.week_contents import USABLE_HOLDS, USABLE_REMEDY
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect

# A range of weeks is one look, as it is one run of the tables.
_ONE_LOOK = dg.BackfillPolicy.single_run()


@dg.definitions
def sources() -> dg.Definitions:
    """Files and views."""
    # dagster 1.13.27 marks the decorator as beta; `observable_source_asset` takes no spec.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*multi_observable_source_asset.*", dg.BetaWarning)
        files = dg.multi_observable_source_asset(
            name=our_name(FILES),
            specs=[files_spec()],
            required_resource_keys={our_name("spine")},
        )
        views = dg.multi_observable_source_asset(
            name=our_name("otc_views"), specs=view_specs(), can_subset=True
        )
    looks = [files(ours(look_at_files)), views(ours(look_at_views))]
    files_usable = dg.asset_check(
        asset=our_key(FILES),
        name=USABLE,
        description=check_description(USABLE_HOLDS, USABLE_REMEDY),
        required_resource_keys={our_name("spine")},
    )(ours(are_files_usable))
    return dg.Definitions(
        [look.with_attributes(backfill_policy=_ONE_LOOK) for look in looks],
        asset_checks=[files_usable],
    )


def look_at_files(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
    """Read what is new in the landing folder, and report what has changed of any week."""
    spine: Spine = our_resource(context, "spine")
    landing = spine.workplace().landing
    report_delivered(context.instance, landing)
    report_usable(context.instance, landing)
    # Without a result Dagster would skip the tables that are downstream in the same run.
    yield dg.ObserveResult(our_key(FILES), metadata={"unusable": len(landing.refused())})


def look_at_views(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
    """Ask DuckDB for the columns of each view, which fails where its SELECT does not fit."""
    with connect(open_lake(load_settings().lake_place), TABLES) as warehouse:
        for key in sorted(context.selected_asset_keys):
            columns = warehouse.execute(f"DESCRIBE {identifier(key.path[-1])}").fetchall()
            yield dg.ObserveResult(asset_key=key, metadata={"columns": len(columns)})


def are_files_usable(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """The landing folder as of now."""
    spine: Spine = our_resource(context, "spine")
    return usable(spine.workplace().landing)
