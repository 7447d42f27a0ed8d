"""The domain: FINRA's weekly OTC Transparency files and the tables made from them.

Nothing in this package knows Dagster; the wiring is in `spine_assets.defs`.
"""
