"""A sample of a file's figures, by which two files are compared without reading their rows.

It has the keys (symbol and participant) whose hashes are the smallest, each with a hash of its
shares and trades. The smallest keys of two files are mostly the same keys, so the part of them with
equal figures is an estimate for all; of a file with few keys the sample has all of them, and the
answer is exact. Belongs here: making and comparing samples and rows. Does not belong here: what
follows for the week of a file (`captures.week_evidence`).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
import polars_hash as plh

from spine_assets.otc.delivery.line_schema import FIRM, MPID, SHARES, SYMBOL, TRADES
from spine_assets.otc.delivery.venue_id import name_key

# Rows of which so few agree only by another week; fewer may be chance.
_ENOUGH_SHARED = 20
_HARDLY_ANY = 0.1
_KEYS = 64  # an estimate of a half is off by a quarter in one of 10,000 comparisons
_DELIVERED = {SYMBOL: "symbol", MPID: "mpid", FIRM: "venue_name"} | {
    SHARES: "share_volume",
    TRADES: "trade_count",
}
COLUMNS = tuple(_DELIVERED.values())
"""The columns of `otc_raw` that a comparison needs."""
_STORED = np.dtype([("key", "<u8"), ("figures", "<u2")])


@dataclass(frozen=True)
class Likeness:
    """How far one file repeats another.

    Attributes:
        shared: Keys that both have.
        same: Of these, how many have the same shares and trades.
        keys: Keys of the file with fewer.
    """

    shared: int
    same: int
    keys: int

    @property
    def is_enough(self) -> bool:
        """Whether so many keys are shared that equal figures are no chance."""
        return self.shared >= _ENOUGH_SHARED

    @property
    def repeats(self) -> bool:
        """Whether one file repeats half or more of the other."""
        return self.is_enough and 2 * self.same >= self.keys

    @property
    def contradicts(self) -> bool:
        """Whether most keys are the same and hardly any figures: files of two weeks."""
        mostly = self.is_enough and 2 * self.shared >= self.keys
        return mostly and self.same < _HARDLY_ANY * self.shared

    @property
    def agrees(self) -> bool:
        """Whether half or more of the shared keys have the same figures: one week's files."""
        return self.is_enough and 2 * self.same >= self.shared


@dataclass(frozen=True)
class Sample:
    """The smallest keys of a file, in order, each with its figures, and how many keys it has."""

    figures: dict[int, int]
    keys: int

    def may_repeat(self, other: Sample) -> bool:
        """Whether the rows are worth a comparison: one file may repeat half of the other."""
        found = self.likeness(other)
        return found is None or 4 * found.same >= found.keys

    def may_share_enough(self, other: Sample) -> bool:
        """Whether both have so many keys that equal figures would be no chance."""
        return min(self.keys, other.keys) >= _ENOUGH_SHARED

    def agrees(self, other: Sample) -> bool:
        """Whether so many figures are the same that the rows need no comparison: one week's files.

        A file of few keys does not vouch for another.
        """
        found = self.likeness(other)
        return found is not None and found.is_enough and 4 * found.same >= found.shared

    def likeness(self, other: Sample) -> Likeness | None:
        """An estimate for all keys, exact where both files have few; None if it is too rough.

        Only keys below the greatest of either sample are compared: beyond it one has no answer.
        """
        bound = min(item._bound for item in (self, other))
        mine, theirs = (
            {key: made for key, made in item.figures.items() if key <= bound}
            for item in (self, other)
        )
        shared = mine.keys() & theirs.keys()
        same = sum(mine[key] == theirs[key] for key in shared)
        fewest = min(len(mine), len(theirs))
        keys = min(self.keys, other.keys)
        if fewest < keys and fewest < _ENOUGH_SHARED:
            return None
        scale = keys / fewest if fewest else 0.0
        return Likeness(round(len(shared) * scale), round(same * scale), keys)

    @property
    def _bound(self) -> int:
        """The greatest key up to which it has all keys of its file."""
        is_whole = len(self.figures) == self.keys
        return np.iinfo(np.uint64).max if is_whole else max(self.figures)

    def text(self) -> str:
        """As text, for metadata."""
        stored = np.array(list(self.figures.items()), dtype=_STORED)
        return f"{self.keys}:{base64.b64encode(stored.tobytes()).decode()}"

    @classmethod
    def of_text(cls, text: str) -> Self | None:
        """A sample from its text; None if there is none."""
        count, _, encoded = text.partition(":")
        try:
            stored = np.frombuffer(base64.b64decode(encoded, validate=True), dtype=_STORED)
            keys = int(count)
        except (ValueError, binascii.Error):
            return None
        return cls(dict(zip(stored["key"].tolist(), stored["figures"].tolist(), strict=True)), keys)


def sample(rows: pl.DataFrame) -> Sample:
    """The sample of a file.

    Args:
        rows: `COLUMNS`, as in `otc_raw` or under their delivered names.
    """
    keyed = _keyed(rows)
    keys = keyed["key"].unique()
    smallest = keys.bottom_k(_KEYS)
    bound = smallest.max()
    if bound is None:
        return Sample({}, 0)
    figures = pl.concat_str(
        pl.col("share_volume").cast(pl.String), pl.col("trade_count").cast(pl.String), separator="|"
    )
    # A key stands twice where a symbol has two issues: their figures in any order, and equal ones
    # once, as in `compare`.
    made = (
        keyed.filter(pl.col("key") <= bound)
        .select("key", figures=figures)
        .group_by("key")
        .agg(pl.col("figures").unique().sort().str.join(";"))
        .with_columns(_hash(pl.col("figures")) & 0xFFFF)
        .sort("key")
    )
    return Sample(dict(made.iter_rows()), keys.len())


def compare(one: pl.DataFrame, other: pl.DataFrame) -> Likeness:
    """How far one file repeats another, by all of their rows.

    Args:
        one: `COLUMNS`, as in `otc_raw` or under their delivered names.
        other: The same of the other file.
    """
    figures = ["share_volume", "trade_count"]
    mine, theirs = (_keyed(rows).select("key", *figures).unique() for rows in (one, other))
    keys = [frame.select("key").unique() for frame in (mine, theirs)]
    shared = keys[0].join(keys[1], on="key", how="semi").height
    same = mine.join(theirs, on=["key", *figures], how="semi")["key"].n_unique()
    return Likeness(shared, same, min(frame.height for frame in keys))


def _keyed(rows: pl.DataFrame) -> pl.DataFrame:
    """Shares and trades by `key`, the hash of symbol and participant.

    The participant is the MPID, else the firm's name: downloads have no CRD numbers.
    """
    frame = rows.rename(_DELIVERED) if SYMBOL in rows.columns else rows
    frame = frame.select(COLUMNS)
    participant: pl.Expr = pl.when(pl.col("mpid") != "").then("mpid")
    if frame["mpid"].null_count() or (frame["mpid"] == "").any():
        names = frame["venue_name"].unique().to_frame().with_columns(_named=name_key(pl.first()))
        frame = frame.join(names, on="venue_name", how="left", nulls_equal=True)
        participant = pl.coalesce(participant, "_named", pl.lit(""))
    text = pl.concat_str("symbol", participant, separator="|")
    return frame.select("share_volume", "trade_count", key=_hash(text))


def _hash(text: pl.Expr) -> pl.Expr:
    """A hash that is the same on every machine and with every version of Polars."""
    return plh.NonCryptographicHashingNameSpace(text).xxh3_64()
