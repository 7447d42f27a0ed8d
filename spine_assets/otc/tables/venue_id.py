"""What identifies a venue, and which tier a delivered text means.

The columns `tier`, `mpid`, `firm_crd` and `venue_name` of `otc_raw` are as FINRA delivered them.
Here its rows gain `tier_name` and `venue_id`; `otc_venue_volume` and what is made of it publish
these as `tier` and `mpid`. Does not belong here: which rows are rejects (`row_rules`).
"""

from __future__ import annotations

import polars as pl

from spine_assets.core.weeks import VenueClass, tier_of

DE_MINIMIS = "DE_MINIMIS"
"""Identity of FINRA's pool of firms below the reporting threshold; not a venue."""

_DE_MINIMIS_NAME = "de minimis firms"


def identified(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `tier_name` and `venue_id` to rows of `otc_raw`.

    A venue is the MPID of an ATS; of a firm outside an ATS `CRD` and its number, else `FIRM:` and
    its name; FINRA's pool of small firms is `DE_MINIMIS`. It is null where the row names none.
    """
    firm = pl.col("venue_name")
    pooled = firm.str.to_lowercase().str.replace_all(r"\s+", " ") == _DE_MINIMIS_NAME
    venue_id = (
        pl.when(pl.col("venue_class") == VenueClass.ATS.value)
        .then(pl.col("mpid"))
        .when(pooled)
        .then(pl.lit(DE_MINIMIS))
        .when(pl.col("firm_crd").is_not_null())
        .then(pl.lit("CRD") + pl.col("firm_crd"))
        .when(firm != "")
        .then(pl.lit("FIRM:") + firm)
    )
    # Many rows have few different texts, so each is looked up once.
    texts = rows["tier"].unique().to_list()
    names = {text: tier.value for text in texts if (tier := tier_of(text)) is not None}
    tier_name = pl.col("tier").replace_strict(names, return_dtype=pl.String)
    return rows.with_columns(venue_id=venue_id, tier_name=tier_name)


def participant() -> pl.Expr:
    """The delivered identity: who executed a row of `otc_raw` by MPID, else CRD, else name.

    It tells participants of one delivered file apart, also in rows that break a rule.
    """
    return pl.coalesce("mpid", "firm_crd", "venue_name")
