"""Engines, one per module, which ends with `ENGINE = ...`; `registry` finds them."""
