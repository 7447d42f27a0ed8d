"""`shared.email_notification`: a plain text mail."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from pydantic import Field

from spine_assets.alerts.render import plain_mail
from spine_assets.alerts.sending import hand_over
from spine_assets.core.alert_settings import AlertSettings, address_problem, load_alert_settings
from spine_assets.core.settings import WrongSetting
from spine_assets.pipelines import EngineExecutionError
from spine_assets.pipelines.steps.notification import (
    NoticeConfig,
    NoticeParts,
    NoticeWork,
    NotificationEngine,
    Send,
)
from spine_assets.pipelines.steps.notification_text import Notice

_ID_DIGITS = 32  # as many as a run's own id


class EmailConfig(NoticeConfig):
    """The mail, and its recipients."""

    subject: str = Field(description="The subject; a template. One line of 150 characters.")
    to: str = Field(
        default="",
        description="Recipients, with commas between; default: SPINE_ALERT_TO. Server and sender "
        "are SPINE_ALERT_SMTP and SPINE_ALERT_FROM.",
    )


class EmailNotification(NotificationEngine[EmailConfig]):
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
    config = EmailConfig
    channel = "mail"

    def problems(self, parts: NoticeParts[EmailConfig], known: Collection[str]) -> list[str]:
        """An empty text or subject, a wrong query, recipients that are not addresses."""
        found = super().problems(parts, known)
        if not parts.config.subject.strip():
            found.append("config.subject: is empty")
        if "{" not in parts.config.to and (problem := address_problem(parts.config.to)):
            found.append(f"config.to: {problem}")
        return found

    def unset(self, config: EmailConfig) -> str | None:
        """The setting of the mail server."""
        return None if _settings(config.to).smtp_server else "SPINE_ALERT_SMTP"

    def sender(self, work: NoticeWork[EmailConfig]) -> Send:
        """What hands the mail to the server."""
        settings = _settings(work.config.to)
        server, recipients = settings.smtp_server, settings.recipients
        if server is None:
            raise EngineExecutionError(
                "no mail server is set: set SPINE_ALERT_SMTP and SPINE_ALERT_FROM in the "
                "environment of Dagster's processes or in .env (docs/alerts.md)"
            )

        def send(notice: Notice) -> tuple[str, dict[str, Any]]:
            sender, subject = settings.alert_from, work.config.subject
            known_by = f"{work.context.pipeline_logging_id}.{work.context.step_id}"
            # The same for each attempt, so that a mail that came twice is shown once.
            message_id = hashlib.sha256(known_by.encode()).hexdigest()[:_ID_DIGITS]
            message = plain_mail(subject, notice.lines(), sender, recipients, message_id)
            accepted = len(recipients) - hand_over(message, server, sender, recipients)
            return f"{accepted} of {len(recipients)} recipients", {"recipients": accepted}

        return send


def _settings(to: str) -> AlertSettings:
    try:
        return load_alert_settings(to.strip() or None)
    except WrongSetting as error:
        given = " (SPINE_ALERT_TO is config.to here)" if to.strip() else ""
        raise EngineExecutionError(f"{error}{given}") from None


ENGINE = EmailNotification()
