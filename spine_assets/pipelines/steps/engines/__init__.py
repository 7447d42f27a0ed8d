"""Engines, a module each, which ends with `ENGINE = ...`; found by `finding`."""
