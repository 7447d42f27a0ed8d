"""Which texts are addresses of buckets, and what is wrong with one that cannot serve."""

from __future__ import annotations

import pytest

from spine_assets.core.bucket_url import bucket_name_problem, is_bucket_url, prefix_problem


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("s3://bucket", True),
        ("gs://", True),
        ("az://container/a", True),
        ("s3", False),
        ("/s3://bucket", False),
        ("ftp://host/lake", False),
    ],
)
def test_an_address_is_known_by_its_scheme(text: str, meant: bool) -> None:
    assert is_bucket_url(text) is meant


@pytest.mark.parametrize("url", ["s3://bucket", "gs://b.u_c-k", "az://container/a/b c/"])
def test_a_sound_address_has_no_problem(url: str) -> None:
    assert bucket_name_problem(url) is None
    assert prefix_problem(url) is None


@pytest.mark.parametrize(
    ("url", "named"),
    [("ftp://host", "s3://, gs://, az://"), ("s3://", "''"), ("s3://b\n/lake", "'b'")],
)
def test_a_bucket_that_cannot_be_one_is_named(url: str, named: str) -> None:
    assert named in (bucket_name_problem(url) or "")


@pytest.mark.parametrize(
    ("url", "named"),
    [("s3://b/a//b", "'a//b'"), ("s3://b/../x", "'../x'"), ("s3://b/la*k?e", "* ?")],
)
def test_a_prefix_that_cannot_hold_a_lake_is_named(url: str, named: str) -> None:
    assert named in (prefix_problem(url) or "")
