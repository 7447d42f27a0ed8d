"""What the notification engines have in common: source, config, rows, and the result of sending.

An engine adds its channel: which setting names it, and how a notice is sent through
`spine_assets.alerts.sending`. How the text looks is in `notification_text`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from spine_assets.alerts.sending import ChannelError
from spine_assets.pipelines.steps.engine import (
    ActionEngine,
    EngineExecutionError,
    Nothing,
    Parts,
    Sql,
    StepPart,
    StepResult,
    TransientError,
    Work,
)
from spine_assets.pipelines.steps.notification_text import Notice, notice_of
from spine_assets.pipelines.steps.queries import Answer, open_database, query_problems
from spine_assets.pipelines.yaml.sql_inspection import tables_read

_MOST_ROWS = 100  # more belong into a file: `lake.export`


class NoticeSource(StepPart):
    """The rows of a notification."""

    query: Sql = Field(
        default="",
        description="One SELECT whose rows follow the text as a table; {names} in it are bound as "
        "parameters.",
    )


class NoticeConfig(StepPart):
    """The text of a notification, and when it is sent."""

    text: str = Field(description="The text; a template.")
    max_rows: int = Field(
        default=20, ge=1, le=_MOST_ROWS, description="Rows that are shown; more are counted."
    )
    only_if_rows: bool = Field(
        default=False, description="Send nothing if the query returns no rows."
    )
    if_unset: Literal["fail", "skip"] = Field(
        default="fail",
        description="What to do if no webhook or mail server is set: `fail`, or `skip`, which "
        "sends nothing and logs that.",
    )


C = TypeVar("C", bound=NoticeConfig)
NoticeParts = Parts[NoticeSource, Nothing, C]
NoticeWork = Work[NoticeSource, Nothing, C]
Send = Callable[[Notice], tuple[str, dict[str, Any]]]
"""Sends a notice and returns the recipient, for the log, and facts for the step's result."""


class NotificationEngine(ActionEngine[NoticeSource, Nothing, C], Generic[C]):
    """Sends a text and the rows of a query through one channel.

    Attributes:
        channel: What accepts or refuses the message, for error messages.
    """

    source = NoticeSource
    channel: str

    @abstractmethod
    def unset(self, config: C) -> str | None:
        """The name of the setting that is missing, or None."""

    @abstractmethod
    def sender(self, work: NoticeWork[C]) -> Send:
        """What sends the notice; it may raise `ChannelError`.

        Raises:
            EngineExecutionError: a setting is missing or wrong.
        """

    def problems(self, parts: NoticeParts[C], known: Collection[str]) -> list[str]:
        """An empty text, a wrong query."""
        source, config = parts.source, parts.config
        found = [] if config.text.strip() else ["config.text: is empty"]
        if source.query.strip():
            found += query_problems(source.query, known)
        elif config.only_if_rows:
            found.append("config.only_if_rows: needs source.query")
        return found

    def reads(self, source: NoticeSource) -> set[str]:
        """The tables of the query."""
        return tables_read(source.query) if source.query.strip() else set()

    def act(self, work: NoticeWork[C]) -> StepResult:
        """Send the message.

        Raises:
            EngineExecutionError: no channel is set, it refused the message, or the query is wrong.
            TransientError: the channel or the lake fails now.
        """
        config = work.config
        if config.if_unset == "skip" and (name := self.unset(config)):
            return _nothing_sent(f"{name} is not set, and if_unset is skip")
        send = self.sender(work)
        answer = _answer(work)
        rows = {} if answer is None else {"rows": answer.total}
        if config.only_if_rows and answer is not None and not answer.total:
            return _nothing_sent("the query has no rows", rows)
        try:
            recipient, facts = send(notice_of(config.text, answer))
        except ChannelError as error:
            raise self._refused(error) from None
        shown = {} if answer is None else {"rows_shown": len(answer.rows)}
        return StepResult(
            rows_processed=rows.get("rows"),
            result={"sent": True, **rows, **shown, **facts},
            log_lines=(f"sent to {recipient}",),
        )

    def _refused(self, error: ChannelError) -> EngineExecutionError | TransientError:
        if error.transient:
            return TransientError(f"{self.channel}: {error}; it may be accepted later")
        return EngineExecutionError(
            f"{self.channel}: {error}; nothing was sent: check the settings (docs/alerts.md)"
        )


def _answer(work: NoticeWork[Any]) -> Answer | None:
    """The rows of the query; None without one."""
    if not work.source.query.strip():
        return None
    with open_database(work.context) as database:
        return database.answer(*work.context.bind(work.source.query), work.config.max_rows)


def _nothing_sent(reason: str, rows: dict[str, int] | None = None) -> StepResult:
    return StepResult(
        rows_processed=(rows or {}).get("rows"),
        result={"sent": False, **(rows or {}), "reason": reason},
        log_lines=(f"nothing sent: {reason}",),
    )
