"""Synthetic data made by our own seeded generator, not FINRA's: weekly files of the real shape.

`names` has participants and symbols, `market` who trades what and how much, `week` one week of it,
`rare_lines` what few weeks have, `figures` how shares and dollars are written, and `draws` the
random numbers. `files` makes a week's files, and `committed` the folder
`data/sample` with its intended defects. The same seed gives the same bytes.
"""

from spine_assets.dev.sample.committed import (
    COMMITTED_WEEKS,
    committed_week,
    write_committed_sample,
)
from spine_assets.dev.sample.files import (
    ATS_HEADER,
    NON_ATS_HEADER,
    SAMPLE_SEED,
    Rows,
    SampleFile,
    ats_name,
    generate_week,
    write_sample,
)
from spine_assets.dev.sample.market import ROWS_PER_WEEK

__all__ = [
    "ATS_HEADER",
    "COMMITTED_WEEKS",
    "NON_ATS_HEADER",
    "ROWS_PER_WEEK",
    "SAMPLE_SEED",
    "Rows",
    "SampleFile",
    "ats_name",
    "committed_week",
    "generate_week",
    "write_committed_sample",
    "write_sample",
]
