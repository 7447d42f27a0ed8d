"""`shared.slack_notification`: a message to a Slack-compatible webhook."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import Field, SecretStr

from spine_assets.alerts.sending import post
from spine_assets.core.settings import http_url
from spine_assets.pipelines import EngineExecutionError
from spine_assets.pipelines.steps.notification import (
    NoticeConfig,
    NoticeParts,
    NoticeWork,
    NotificationEngine,
    Send,
)
from spine_assets.pipelines.steps.notification_text import Notice, slack_payload
from spine_assets.pipelines.steps.secret_values import is_set, secret_of, variable_problems


class SlackConfig(NoticeConfig):
    """The message, and the webhook that it is sent to."""

    webhook_env: str = Field(
        default="SPINE_ALERT_WEBHOOK",
        description="Name of the environment variable (or of .env) that holds the webhook's URL.",
    )


class SlackNotification(NotificationEngine[SlackConfig]):
    """Sends a message to a Slack-compatible webhook, with the rows of a query as a table.

    Bold and other styles of the text are kept; links, mentions and @all have no effect.

    ```yaml
    step_id: tell_movers
    ps_type: shared.slack_notification
    source:
      query: |
        SELECT mpid, total_volume FROM otc_venue_share
        WHERE week_ending = {week_ending} AND market_share_pct > 10
        ORDER BY total_volume DESC
    config:
      text: "*Large venues* of the week ending {week_ending}"
      only_if_rows: true
    ```
    """

    ps_type = "shared.slack_notification"
    config = SlackConfig
    channel = "webhook"

    def problems(self, parts: NoticeParts[SlackConfig], known: Collection[str]) -> list[str]:
        """An empty text, a wrong query, a URL instead of a variable's name."""
        found = super().problems(parts, known)
        return found + variable_problems("config.webhook_env", parts.config.webhook_env)

    def unset(self, config: SlackConfig) -> str | None:
        """The variable of the webhook."""
        return None if is_set(config.webhook_env) else config.webhook_env

    def sender(self, work: NoticeWork[SlackConfig]) -> Send:
        """What posts to the webhook."""
        variable = work.config.webhook_env
        value = secret_of("config.webhook_env", variable)
        try:
            url = SecretStr(http_url(value.get_secret_value()))
        except ValueError as error:
            raise EngineExecutionError(f"config.webhook_env: {variable} {error}") from None

        def send(notice: Notice) -> tuple[str, dict[str, Any]]:
            post(url, slack_payload(notice))
            return f"the webhook of {variable}", {}

        return send


ENGINE = SlackNotification()
