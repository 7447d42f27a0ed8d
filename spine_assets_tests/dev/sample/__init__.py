"""Tests of the synthetic sample, and what they share."""

from __future__ import annotations

import gzip
from datetime import date

from spine_assets.core.weeks import Tier

WEEK = date(2025, 11, 21)
SMALL = {Tier.NMS_TIER_1: 120, Tier.NMS_TIER_2: 120, Tier.OTC: 130}


def text_of(content: bytes) -> str:
    return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("ascii")


def fields_of(content: bytes) -> list[list[str]]:
    return [line.split("|") for line in text_of(content).removesuffix("\n").split("\n")]
