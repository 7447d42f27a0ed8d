"""`otc_venues`: every venue that was ever seen, under one identity.

Stored rows identify a firm as its file did: by CRD, or by name alone. Here a firm is one venue. The
views of venues over the weeks (`venue_views`, `structure_view`) use the same identities. How they
are found is in `sql/otc_venue_id.sql`.
"""

from __future__ import annotations

from spine_assets.core.tables import Column, Type
from spine_assets.core.views import View
from spine_assets.otc.tables import columns as c

_SHARES = "otc_venue_share"

VENUES = View(
    name="otc_venues",
    description="Every venue of all loaded weeks. A firm that some files have by name alone and "
    "others by CRD is one venue if its name, compared without case, punctuation and repeated "
    "spaces, belongs to one CRD. Buckets have a row too.",
    grain="venue",
    key=("venue_id",),
    deps=(_SHARES,),
    columns=(
        Column(
            "venue_id",
            Type.TEXT,
            "The venue in all views of venues, where it is called mpid: MPID of an ATS, CRD and "
            "its number, else FIRM: and the name as first seen; buckets as in otc_venue_share",
        ),
        Column("venue_name", Type.TEXT, "Latest name; the identity where no name was delivered"),
        Column("names", Type.TEXT_LIST, "Every name it had, sorted"),
        Column("crd", Type.TEXT, "CRD number, null where none is known", nullable=True),
        c.VENUE_CLASS,
        Column("first_week", Type.DATE, "First loaded week with a row of it"),
        Column("last_week", Type.DATE, "Last loaded week with a row of it"),
    ),
    formulas={"venue_id": "otc_name_key(name) of FIRM: rows equals that of one CRD's names"},
    lineage={
        "venue_id": ((_SHARES, "mpid"), (_SHARES, "venue_name")),
        "venue_name": ((_SHARES, "venue_name"),),
        "names": ((_SHARES, "venue_name"),),
        "crd": ((_SHARES, "mpid"),),
        "venue_class": ((_SHARES, "venue_class"),),
        "first_week": ((_SHARES, "week_ending"),),
        "last_week": ((_SHARES, "week_ending"),),
    },
    by_week=False,
)
