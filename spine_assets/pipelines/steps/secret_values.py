"""Secrets of steps: YAML names an environment variable, whose value is read when it is used.

A value never becomes part of a message, a result or a log.
"""

from __future__ import annotations

import os
import re

from dotenv import dotenv_values
from pydantic import SecretStr

from spine_assets.pipelines.steps.engine import EngineExecutionError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def variable_problems(field: str, name: str) -> list[str]:
    """Whether a text cannot be the name of a variable; that often finds a secret itself."""
    problem = f"{field}: give the name of an environment variable, not its value"
    return [] if _NAME.fullmatch(name) else [problem]


def is_set(name: str) -> bool:
    """Whether a variable has a value, in the environment or in `.env`."""
    return bool(_value(name))


def secret_of(field: str, name: str) -> SecretStr:
    """The value of a variable of the environment, or else of `.env` in the working folder.

    Raises:
        EngineExecutionError: the variable is not set, or empty.
    """
    if problems := variable_problems(field, name):
        raise EngineExecutionError(problems[0])
    value = _value(name)
    if not value:
        raise EngineExecutionError(
            f"{field}: {name} is not set; set it in the environment of Dagster's processes or in "
            ".env of the project"
        )
    return SecretStr(value)


def _value(name: str) -> str:
    return (os.environ.get(name) or dotenv_values(".env").get(name) or "").strip()
