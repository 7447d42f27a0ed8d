"""`shared.email_notification`: a plain text mail."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from pydantic import Field

from spine_assets.alerts.render import plain_mail
from spine_assets.alerts.sending import ChannelError, hand_over
from spine_assets.core.alert_settings import AlertSettings, address_problem, load_alert_settings
from spine_assets.core.settings import WrongSetting
from spine_assets.pipelines.steps.engine import (
    ActionEngine,
    EngineExecutionError,
    Nothing,
    StepContext,
    StepResult,
    Work,
)
from spine_assets.pipelines.steps.notification import (
    NoticeConfig,
    NoticeSource,
    answered,
    not_set,
    not_taken,
    nothing_to_tell,
    notice_faults,
    notice_of,
    tables_told,
    told,
)

_ID_DIGITS = 32  # as many as a run's own id


class EmailConfig(NoticeConfig):
    """What is sent, and to whom."""

    subject: str = Field(description="The subject; a template. One line of 150 characters.")
    to: str = Field(
        default="",
        description="Recipients, with commas between; default: SPINE_ALERT_TO. Server and sender "
        "are SPINE_ALERT_SMTP and SPINE_ALERT_FROM.",
    )


class EmailNotification(ActionEngine[NoticeSource, Nothing, EmailConfig]):
    """Sends a plain text mail, with the rows of a query as a table.

    ```yaml
    step_id: mail_restated
    ps_type: shared.email_notification
    source:
      query: |
        SELECT symbol, total_volume FROM otc_symbol_summary
        WHERE week_ending = {week_ending} ORDER BY total_volume DESC
    config:
      subject: Top symbols of {week_ending}
      text: The symbols with the most shares off exchange.
      to: desk@example.org, night@example.org
      max_rows: 10
    ```
    """

    ps_type = "shared.email_notification"
    source = NoticeSource
    config = EmailConfig

    def faults(
        self,
        source: NoticeSource,
        destination: Nothing,
        config: EmailConfig,
        known: Collection[str],
    ) -> list[str]:
        """No text or subject, a wrong query, recipients that are no addresses."""
        found = notice_faults(source, config, known)
        if not config.subject.strip():
            found.append("config.subject: is empty")
        if "{" not in config.to and (fault := address_problem(config.to)):
            found.append(f"config.to: {fault}")
        return found

    def reads(self, source: NoticeSource) -> set[str]:
        """The tables of the query."""
        return tables_told(source)

    def act(self, work: Work[NoticeSource, Nothing, EmailConfig]) -> StepResult:
        """Send the mail.

        Raises:
            EngineExecutionError: no server is set, it refused, or the query is wrong.
            TransientError: the server or the lake fails now.
        """
        config, settings = work.config, _settings(work.config.to)
        server, recipients = settings.smtp_server, settings.recipients
        if server is None and config.if_unset == "skip":
            return not_set("SPINE_ALERT_SMTP")
        if server is None:
            raise EngineExecutionError(
                "no mail server is set: set SPINE_ALERT_SMTP and SPINE_ALERT_FROM in the "
                "environment of Dagster's processes or in .env (docs/alerts.md)"
            )
        answer = answered(work.source, config, work.context)
        if config.only_if_rows and answer is not None and not answer.total:
            return nothing_to_tell()
        lines = notice_of(config.text, answer).lines()
        message = plain_mail(
            config.subject, lines, settings.alert_from, recipients, _message_id(work.context)
        )
        try:
            refused = hand_over(message, server, settings.alert_from, recipients)
        except ChannelError as error:
            raise not_taken("mail", error) from None
        taken = len(recipients) - refused
        return told(answer, f"{taken} of {len(recipients)} recipients", recipients=taken)


def _settings(to: str) -> AlertSettings:
    try:
        return load_alert_settings(to.strip() or None)
    except WrongSetting as error:
        given = " (SPINE_ALERT_TO is config.to here)" if to.strip() else ""
        raise EngineExecutionError(f"{error}{given}") from None


def _message_id(context: StepContext) -> str:
    """The same for each attempt of a step, so that a mail that came twice is shown once."""
    known_by = f"{context.pipeline_logging_id}.{context.step_id}"
    return hashlib.sha256(known_by.encode()).hexdigest()[:_ID_DIGITS]


ENGINE = EmailNotification()
