"""What may go wrong when FINRA is asked; each error says what FINRA said."""

from __future__ import annotations


class FinraError(Exception):
    """FINRA's answer cannot be used; the message says why and what to do.

    Attributes:
        is_passing: The same question may be answered later.
    """

    is_passing = False


class FinraUnavailable(FinraError):
    """FINRA could not be reached or was busy, also after retries: ask again later.

    Attributes:
        wait_seconds: How long FINRA asked to wait (`Retry-After`), where it did.
    """

    is_passing = True

    def __init__(self, said: str, wait_seconds: float | None = None) -> None:
        super().__init__(said)
        self.wait_seconds = wait_seconds


class FinraRefused(FinraError):
    """FINRA refused the question (400, 401, 403 and the like): asking again changes nothing."""


class FinraContradicts(FinraError):
    """An answer is not what was asked for, or does not fit the others: nothing of it is kept."""


class AnswerChanged(FinraContradicts):
    """What FINRA holds changed while it was fetched: begin again."""

    is_passing = True
