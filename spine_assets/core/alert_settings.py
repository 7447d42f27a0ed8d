"""`SPINE_ALERT_*` settings and the address of the UI: who is alerted, and how.

Nothing is read at import: call `load_alert_settings()`.
"""

from __future__ import annotations

import re

from pydantic import SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from spine_assets.core.settings import ProjectSettings, http_url, shown_http_url, validated
from spine_assets.core.smtp_url import SmtpServer, parse_smtp

# Good enough to catch a mistake; the mail server knows which addresses exist.
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+", re.ASCII)


class AlertSettings(ProjectSettings):
    """Who is alerted, and how; without a destination nobody is.

    Apart from `Settings`, so that a mistake in an address stops no week from being built.

    Attributes:
        ui_url: Where people reach the Dagster UI, for links to runs (`SPINE_UI_URL`).
        alert_on_success: Also alert of weeks that were built (`SPINE_ALERT_ON_SUCCESS`).
        alert_webhook: URL of a Slack-compatible incoming webhook (`SPINE_ALERT_WEBHOOK`).
        alert_from: Sender of mails (`SPINE_ALERT_FROM`).
        alert_to: Recipients of mails, separated by commas (`SPINE_ALERT_TO`).
        alert_smtp: URL of the mail server (`SPINE_ALERT_SMTP`).
        heartbeat_url: URL that is requested about once a minute while the daemon works
            (`SPINE_HEARTBEAT_URL`).
    """

    model_config = SettingsConfigDict(
        env_prefix="SPINE_", extra="ignore", hide_input_in_errors=True
    )

    ui_url: str = "http://127.0.0.1:3000"
    alert_on_success: bool = False
    alert_webhook: SecretStr | None = None
    alert_from: str = ""
    alert_to: str = ""
    alert_smtp: SecretStr | None = None
    heartbeat_url: SecretStr | None = None

    @field_validator("alert_webhook", "alert_smtp", "heartbeat_url", mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("ui_url")
    @classmethod
    def _is_link(cls, value: str) -> str:
        return shown_http_url(value, "leave it out; people log in by themselves")

    @field_validator("alert_webhook", "heartbeat_url")
    @classmethod
    def _is_webhook(cls, value: SecretStr | None) -> SecretStr | None:
        return value and SecretStr(http_url(value.get_secret_value()))

    @field_validator("alert_from", "alert_to")
    @classmethod
    def _are_addresses(cls, value: str, info: ValidationInfo) -> str:
        addresses = _addresses(value)
        if problem := address_problem(value):
            raise ValueError(problem)
        if info.field_name == "alert_from" and len(addresses) > 1:
            raise ValueError("a mail has one sender")
        return ",".join(addresses)

    @field_validator("alert_smtp")
    @classmethod
    def _is_complete(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """A mail needs a sender and recipients besides the server."""
        if value is None:
            return None
        parse_smtp(value.get_secret_value())
        for name, meaning in (("alert_to", "the recipients"), ("alert_from", "the sender")):
            if not _addresses(info.data.get(name, "-")):  # "-": it has an error itself
                raise ValueError(f"needs SPINE_{name.upper()}: {meaning}")
        return value

    @property
    def smtp_server(self) -> SmtpServer | None:
        """The mail server, if one is set."""
        return parse_smtp(self.alert_smtp.get_secret_value()) if self.alert_smtp else None

    @property
    def recipients(self) -> tuple[str, ...]:
        """Addresses of `alert_to`."""
        return _addresses(self.alert_to)


def load_alert_settings(alert_to: str | None = None) -> AlertSettings:
    """Read the settings of alerts now; raises as `settings.validated`.

    Args:
        alert_to: Recipients of mails in place of those that are set.
    """
    if alert_to is None:
        return validated(AlertSettings)
    return validated(lambda: AlertSettings(alert_to=alert_to))


def address_problem(text: str) -> str | None:
    """Why a text is not a list of mail addresses separated by commas, or None."""
    wrong = [address for address in _addresses(text) if not _ADDRESS.fullmatch(address)]
    return f"{wrong[0]!r} is not a mail address such as desk@example.org" if wrong else None


def _addresses(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
