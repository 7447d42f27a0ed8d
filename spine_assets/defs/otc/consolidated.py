"""The asset `otc_consolidated_volume`: a user's own files of all trading, loaded as a whole.

It has no partitions and no week is built from it, so the jobs of weeks leave it out: the job
`otc_consolidated` makes it. Belongs here: the asset and its job. Does not belong here: reading and
checking (`otc.build.consolidated`).
"""

from collections.abc import Iterator

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import AssetGroup
from spine_assets.lake.base import LakeError
from spine_assets.lake.format import lake_id
from spine_assets.orchestration.asset_events import Event, check_outputs, events_of
from spine_assets.orchestration.asset_specs import (
    OWNER,
    TABLE_KINDS,
    check_description,
    check_spec,
    description_of,
    table_metadata,
)
from spine_assets.orchestration.database import declared_lake, refresh_database
from spine_assets.orchestration.run_config import logged
from spine_assets.orchestration.site import our_key, our_name, ours
from spine_assets.otc.build.consolidated import load
from spine_assets.otc.state.results import CheckResult
from spine_assets.otc.tables.consolidated import TABLE

JOB = "otc_consolidated"


def _spec() -> dg.AssetSpec:
    return dg.AssetSpec(
        our_key(TABLE.name),
        description=description_of(TABLE),
        group_name=our_name(AssetGroup.LANDING.value),
        kinds=TABLE_KINDS,
        owners=[OWNER],
        code_version=TABLE.code_version,
        skippable=True,
        metadata=table_metadata(TABLE),
    )


def _checks() -> list[dg.AssetCheckSpec]:
    return [
        check_spec(
            check.name,
            our_key(TABLE.name),
            description=check_description(check.description, check.remedy),
            blocking=check.blocking,
            weekly=False,
        )
        for check in TABLE.checks
    ]


def load_consolidated(context: dg.AssetExecutionContext) -> Iterator[Event | dg.Output[None]]:
    """Load the files, or keep what was loaded before where they cannot be used."""
    lake, place = declared_lake(), load_settings().consolidated_path
    try:
        found = load(lake, place)
    except LakeError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    yield from events_of(context, found, None, our_key, lake_id(lake))
    failed = [item for item in found if isinstance(item, CheckResult) and not item.passed]
    if failed:
        raise dg.Failure("\n".join(item.summary for item in failed), allow_retries=False)
    context.log.info(f"{TABLE.name} holds what is in {place}")
    refresh_database(context.instance, lake, context.log)
    yield from check_outputs(context)


@dg.definitions
def consolidated_definitions() -> dg.Definitions:
    """The asset with its check, and its job."""
    made = dg.multi_asset(
        name=our_name("otc_consolidated_files"),
        specs=[_spec()],
        check_specs=_checks(),
        backfill_policy=dg.BackfillPolicy.single_run(),  # a range of weeks may be asked with it
    )
    job = dg.define_asset_job(
        our_name(JOB),
        dg.AssetSelection.assets(our_key(TABLE.name)),
        config=logged(),
        description="Load your own files of consolidated volume.",
    )
    return dg.Definitions([made(ours(load_consolidated))], jobs=[job])
