"""Which lake Dagster's history is of, by the id in the newest materialization of each table.

Each data folder has its own history by default. But `dagster.yaml` may name one folder or one
database for several lakes. Then weeks of one would look done, and its warnings and failures would
be shown, in the other. So runs, and commands that read what was recorded of the tables, refuse a
history of another lake. A lake without an id is another one too: it was removed, or its disk is
not mounted. Records of earlier versions have no id and count as those of any lake.

Belongs here: finding out. Does not belong here: making the history one of this lake
(`orchestration.reconcile`).
"""

from __future__ import annotations

import dagster as dg

from spine_assets.core.errors import Explained
from spine_assets.lake.base import Lake
from spine_assets.lake.format import lake_id
from spine_assets.orchestration.site import our_key
from spine_assets.otc.tables.registry import TABLES

LAKE_ID = "lake_id"
"""Name of the id in the metadata of a materialization."""


class OtherLake(Explained):
    """Dagster's history is that of another lake; the message says what to do."""


def require_same_lake(instance: dg.DagsterInstance, lake: Lake) -> None:
    """Make sure that the tables that Dagster has recorded are those of a lake.

    Raises:
        OtherLake: the newest materialization of a table is of another one.
        LakeError: the lake cannot be read.
    """
    ours = lake_id(lake)
    here = f"is lake {ours}" if ours else "holds no lake with an id (is its disk mounted?)"
    for table in TABLES:
        made = instance.get_latest_materialization_event(our_key(table.name))
        found = made.asset_materialization if made else None
        theirs = found.metadata.get(LAKE_ID) if found else None
        if made and found and theirs and theirs.value != ours:
            raise OtherLake(
                f"Dagster's history is that of another lake: {table.name} of {found.partition} was "
                f"recorded last by run {made.run_id or '-'} for lake {theirs.value}, and "
                f"{lake.place} {here}. Let SPINE_DATA_DIR, SPINE_LAKE or DAGSTER_HOME name "
                "what belongs together; each data folder has its own history unless dagster.yaml "
                "names another place. Where the history is to follow this lake from now on: "
                "spine doctor --repair"
            )
