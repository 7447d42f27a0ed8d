"""Views of the tables that pipelines declare, made from what their own files tell.

The lake holds them beside ours; nothing else need be known to read them. Does not belong here:
which pipelines there are.
"""

from __future__ import annotations

from spine_assets import warehouse
from spine_assets.lake import Lake
from spine_assets.otc import pins
from spine_assets.otc.tables import TABLES


def declared_names(lake: Lake) -> list[str]:
    """Tables in a lake that pipelines declare: all that tell their columns and are not ours."""
    ours = {*(table.name for table in TABLES), pins.TABLE.name}
    found = (name for name in lake.entries() if not name.startswith(("_", ".")))
    return sorted(name for name in found if name not in ours and lake.empty_part(name).exists())


def declared_views(lake: Lake) -> list[str]:
    """CREATE VIEW statements for the tables that pipelines declare, from their own files."""
    return [
        f"CREATE OR REPLACE VIEW {warehouse.identifier(name)} "
        f"AS {warehouse.files_of(lake, name, weekly=not lake.is_whole(name))}"
        for name in declared_names(lake)
    ]
