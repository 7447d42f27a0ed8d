"""Settings of alerts: wrong ones are named, and none shows its secret."""

from __future__ import annotations

import pytest

from spine_assets.alerts.channels import destinations
from spine_assets.core.alert_settings import load_alert_settings
from spine_assets.core.settings import WrongSetting

SECRET = "s3cr3t"
WHOLE = {
    "SMTP": f"smtp+starttls://olga:{SECRET}@mail.example.org",
    "FROM": "spine@example.org",
    "TO": "desk@example.org, night@example.org",
}


def set_all(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"SPINE_ALERT_{name}", value)


def test_by_default_nothing_is_sent() -> None:
    settings = load_alert_settings()
    assert destinations(settings) == []
    assert not settings.alert_on_success
    assert settings.ui_url == "http://127.0.0.1:3000"


def test_an_empty_variable_is_no_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, WEBHOOK="", SMTP=" ", FROM="", TO="")
    assert destinations(load_alert_settings()) == []


def test_both_channels_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, WEBHOOK=f"https://hooks.example.org/{SECRET}", **WHOLE)
    settings = load_alert_settings()
    assert [item.name for item in destinations(settings)] == ["webhook", "mail"]
    assert settings.recipients == ("desk@example.org", "night@example.org")
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"TO": ""}, "SPINE_ALERT_SMTP: needs SPINE_ALERT_TO"),
        ({"FROM": ""}, "SPINE_ALERT_SMTP: needs SPINE_ALERT_FROM"),
        ({"TO": "desk"}, "SPINE_ALERT_TO: 'desk' is not a mail address"),
        ({"TO": "a@b.org\nBcc: c@d.org"}, "is not a mail address"),
        ({"FROM": "a@b.org, c@d.org"}, "SPINE_ALERT_FROM: a mail has one sender"),
        ({"SMTP": f"mail.example.org:{SECRET}"}, "SPINE_ALERT_SMTP: is not a mail server's URL"),
        ({"SMTP": f"https://olga:{SECRET}@mail.example.org"}, "use smtp://"),
        ({"SMTP": f"smtps://olga:{SECRET}/x@mail.example.org"}, "%2F"),
        ({"SMTP": f"smtps://olga:{SECRET}#x@mail.example.org"}, "%23"),
        ({"SMTP": f"smtp://olga:{SECRET}@mail.example.org"}, "unencrypted"),
        ({"SMTP": f"smtps://:{SECRET}@mail.example.org"}, "a user without a password"),
        ({"SMTP": f"smtps://olga:{SECRET}%C3%BC@mail.example.org"}, "not plain ASCII"),
        ({"WEBHOOK": f"hooks.example.org/{SECRET}"}, "SPINE_ALERT_WEBHOOK: is no URL"),
        ({"WEBHOOK": f"https:///{SECRET}"}, "SPINE_ALERT_WEBHOOK: is no URL"),
        ({"WEBHOOK": f"https://h.example.org:{SECRET}/"}, "SPINE_ALERT_WEBHOOK: is no URL"),
        ({"ON_SUCCESS": "perhaps"}, "SPINE_ALERT_ON_SUCCESS"),
    ],
)
def test_a_wrong_setting_is_named_without_a_secret(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], message: str
) -> None:
    set_all(monkeypatch, **(WHOLE | changed))
    with pytest.raises(WrongSetting) as error:
        load_alert_settings()
    assert message in str(error.value)
    assert SECRET not in str(error.value)
    assert error.value.__context__ is None
