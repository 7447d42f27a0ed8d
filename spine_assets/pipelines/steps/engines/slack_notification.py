"""`shared.slack_notification`: a message to a Slack-compatible webhook."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field, SecretStr

from spine_assets.alerts.sending import ChannelError, post
from spine_assets.core.settings import http_url
from spine_assets.pipelines.steps.engine import (
    ActionEngine,
    EngineExecutionError,
    Nothing,
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
    slack_payload,
    tables_told,
    told,
)
from spine_assets.pipelines.steps.secret_values import is_set, secret_of, variable_faults


class SlackConfig(NoticeConfig):
    """What is sent, and where to."""

    webhook_env: str = Field(
        default="SPINE_ALERT_WEBHOOK",
        description="Name of the environment variable (or of .env) that holds the webhook's URL.",
    )


class SlackNotification(ActionEngine[NoticeSource, Nothing, SlackConfig]):
    """Sends a message to a Slack-compatible webhook, with the rows of a query as a table.

    Bold and other styles of the text stay; links, mentions and calls to everybody do not act.

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
    source = NoticeSource
    config = SlackConfig

    def faults(
        self,
        source: NoticeSource,
        destination: Nothing,
        config: SlackConfig,
        known: Collection[str],
    ) -> list[str]:
        """No text, a wrong query, a URL in place of a variable's name."""
        return notice_faults(source, config, known) + variable_faults(
            "config.webhook_env", config.webhook_env
        )

    def reads(self, source: NoticeSource) -> set[str]:
        """The tables of the query."""
        return tables_told(source)

    def act(self, work: Work[NoticeSource, Nothing, SlackConfig]) -> StepResult:
        """Send the message.

        Raises:
            EngineExecutionError: no webhook is set, it refused, or the query is wrong.
            TransientError: the webhook or the lake fails now.
        """
        if work.config.if_unset == "skip" and not is_set(work.config.webhook_env):
            return not_set(work.config.webhook_env)
        url = _webhook(work.config.webhook_env)
        answer = answered(work.source, work.config, work.context)
        if work.config.only_if_rows and answer is not None and not answer.total:
            return nothing_to_tell()
        try:
            post(url, slack_payload(notice_of(work.config.text, answer)))
        except ChannelError as error:
            raise not_taken("webhook", error) from None
        return told(answer, f"the webhook of {work.config.webhook_env}")


def _webhook(variable: str) -> SecretStr:
    value = secret_of("config.webhook_env", variable)
    try:
        return SecretStr(http_url(value.get_secret_value()))
    except ValueError as error:
        raise EngineExecutionError(f"config.webhook_env: {variable} {error}") from None


ENGINE = SlackNotification()
