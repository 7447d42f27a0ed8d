"""Synthetic data made by our own seeded generator, not FINRA's: its random numbers.

Every number is a hash of (seed, tier, class, week, symbol, venue), so that a week comes out the
same whichever other weeks are made. Belongs here: such hashes, and uniform and normal numbers from
them. Does not belong here: what is drawn.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def key_of(*parts: object) -> np.uint64:
    """A hash that names a series of numbers: other parts give other numbers."""
    digest = hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def hash_of(key: np.uint64, items: Ints) -> Hashes:
    """64 uniform bits per item (splitmix64); unlike numpy's generators, equal in all versions."""
    mixed = items.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def uniform(hashes: Hashes) -> Floats:
    """Uniform in (0, 1)."""
    return ((hashes >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(hashes: Hashes) -> Floats:
    """Nearly normal (mean 0, deviation 1, within 3.5): the sum of four uniform 16-bit parts."""
    low = np.uint64(0xFFFF)
    total = (hashes & low) + (hashes >> np.uint64(48))
    total += ((hashes >> np.uint64(16)) & low) + ((hashes >> np.uint64(32)) & low)
    return np.asarray((total.astype(np.float64) - 131070.0) * (3.0**0.5 / 65536))
