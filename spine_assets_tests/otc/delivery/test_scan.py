"""How much one scan reads, and what it leaves for the next."""

from __future__ import annotations

import math

from spine_assets.otc.delivery.scan import Limit, scan
from spine_assets_tests.conftest import House, delivered, line


def test_no_file_is_begun_after_so_many_bytes(house: House) -> None:
    """The first file takes exactly what is allowed; the next scan reads the second."""
    content = delivered(line())
    for name in ("a.csv", "b.csv"):
        house.drop(name, content)
    found = []
    for _ in range(2):
        limit = Limit(len(content), math.inf, 0.0)
        landing = scan(house.landing, house.index, limit)
        found.append(([item.name for item in landing.deliveries], landing.waiting, limit.reached))
    assert found == [(["a.csv"], ("b.csv",), True), (["a.csv", "b.csv"], (), False)]


def test_a_limit_that_all_files_fit_into_is_not_reached(house: House) -> None:
    content = delivered(line())
    for name in ("a.csv", "b.csv"):
        house.drop(name, content)
    limit = Limit(len(content) + 1, math.inf, 0.0)  # a file that is begun is read to its end
    assert len(scan(house.landing, house.index, limit).deliveries) == 2
    assert not limit.reached
