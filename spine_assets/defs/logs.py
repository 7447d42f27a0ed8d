"""The console logger of our jobs: lines with run, week and table, for people or as JSON."""

import logging

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.orchestration import console_logs


@dg.logger(
    {"level": dg.Field(str, is_required=False, description="Default: SPINE_LOG_LEVEL.")},
    description="Lines with run, week and table; SPINE_LOG_FORMAT=json makes each a JSON object.",
)
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Write to standard error in the format and from the level that the settings name."""
    settings = load_settings()
    level = context.logger_config.get("level") or settings.log_level
    return console_logs.console(level, settings.log_format)


@dg.definitions
def loggers() -> dg.Definitions:
    """`console` for every job of this location."""
    return dg.Definitions(loggers={"console": console})
