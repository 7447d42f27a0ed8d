"""Notifications reach a real webhook and mail server; nothing in them acts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from spine_assets.pipelines import ActionEngine, EngineExecutionError, TransientError
from spine_assets.pipelines.steps.engines.email_notification import ENGINE as EMAIL
from spine_assets.pipelines.steps.engines.slack_notification import ENGINE as SLACK
from spine_assets.pipelines.steps.notification_text import Notice, aligned, slack_payload
from spine_assets_tests.alerts.conftest import (
    PASSWORD,
    TOKEN,
    Mailbox,
    Receiver,
    body,
    free_port,
    logins,
    mailing,
)
from spine_assets_tests.pipelines.steps.engines.steps import act, context_of, problems

QUERY = (
    "SELECT symbol, mpid, share_volume FROM otc_venue_volume "
    "WHERE week_ending = {week_ending} ORDER BY ALL"
)
TABLE = [
    "symbol   mpid   share_volume",
    "─" * 28,
    "AAPL     UBSA          1,000",
    "AAPL     XSTM          250.5",
    "MSFT     UBSA             40",
]
BOTH = pytest.mark.parametrize("engine", [SLACK, EMAIL], ids=["slack", "email"])
AnyAct = ActionEngine[Any, Any, Any]


def step(query: str = QUERY, **config: Any) -> dict[str, Any]:
    """A notification with a subject, which Slack's schema refuses."""
    return {"source": {"query": query}, "config": {"text": "Week {week_ending}", **config}}


def mail_step(query: str = QUERY, **config: Any) -> dict[str, Any]:
    return step(query, **{"subject": "Volumes of {week_ending}", **config})


@pytest.fixture
def slack(webhook: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """A webhook that is set."""
    monkeypatch.setenv("SPINE_ALERT_WEBHOOK", webhook.url)
    return webhook


@pytest.fixture
def mails(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    """A mail server that is set."""
    set_mail(monkeypatch, f"smtp://127.0.0.1:{mailbox.port}")
    return mailbox


def set_mail(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SPINE_ALERT_SMTP", url)
    monkeypatch.setenv("SPINE_ALERT_FROM", "spine@example.org")
    monkeypatch.setenv("SPINE_ALERT_TO", "desk@example.org")


def test_slack_is_told_the_text_and_the_rows(slack: Receiver, root: Path) -> None:
    done = act(SLACK, step(), context_of(root))
    (payload,) = slack.payloads
    assert payload["text"].splitlines() == ["Week 2025-11-21", "```", *TABLE, "```"]
    assert [block["text"]["verbatim"] for block in payload["blocks"]] == [True, True]
    assert "\n".join(block["text"]["text"] for block in payload["blocks"]) == payload["text"]
    assert done.rows_processed == 3
    assert done.result == {"sent": True, "rows": 3, "rows_shown": 3}


def test_a_mail_says_the_same(mails: Mailbox, root: Path) -> None:
    done = act(EMAIL, mail_step(), context_of(root))
    (mail,) = mails.mails
    assert body(mail).splitlines() == ["Week 2025-11-21", "", *TABLE]
    assert (mail["Subject"], mail["To"]) == ("Volumes of 2025-11-21", "desk@example.org")
    assert done.rows_processed == 3
    assert done.result == {"sent": True, "rows": 3, "rows_shown": 3, "recipients": 1}


def test_a_mail_of_its_own_recipients_is_known_by_run_and_step(mails: Mailbox, root: Path) -> None:
    one = mail_step("", to="{who}, night@example.org")
    for _ in range(2):
        done = act(EMAIL, one, context_of(root, who="olga@example.org"))
    assert mails.envelopes[0].rcpt_tos == ["olga@example.org", "night@example.org"]
    assert len({mail["Message-ID"] for mail in mails.mails}) == 1
    assert done.rows_processed is None
    assert done.result == {"sent": True, "recipients": 2}


def test_rows_beyond_the_most_are_counted(slack: Receiver, mails: Mailbox, root: Path) -> None:
    done = act(SLACK, step(max_rows=1), context_of(root))
    act(EMAIL, mail_step(max_rows=2), context_of(root))
    assert slack.texts[0].splitlines()[-1] == "and 2 more rows"
    assert body(mails.mails[0]).splitlines()[-1] == "and 1 more row"
    assert done.rows_processed == 3
    assert done.result["rows_shown"] == 1


@pytest.mark.parametrize("only", [True, False])
def test_without_rows_nothing_is_sent_where_that_is_wanted(
    slack: Receiver, mails: Mailbox, root: Path, only: bool
) -> None:
    query = "SELECT 1 AS n WHERE false"
    done = act(SLACK, step(query, only_if_rows=only), context_of(root))
    told = act(EMAIL, mail_step(query, only_if_rows=only), context_of(root))
    assert done.result["sent"] is told.result["sent"] is not only
    assert done.rows_processed == told.rows_processed == 0
    assert [text.splitlines()[-2] for text in slack.texts] == ([] if only else ["(no rows)"])
    assert [body(mail).splitlines()[-1] for mail in mails.mails] == ([] if only else ["(no rows)"])


HOSTILE = "<!channel> <http://evil|x> @here & `x` ```\n*b*\u202e\x1b[31m"


def test_no_markup_of_values_or_rows_acts(slack: Receiver, mails: Mailbox, root: Path) -> None:
    query = "SELECT {bad} AS name, {bad} AS again"
    act(SLACK, step(query, text="About {bad}"), context_of(root, bad=HOSTILE))
    act(EMAIL, mail_step(query, text="About {bad}"), context_of(root, bad=HOSTILE))
    (text,) = slack.texts
    for acting in ("<", ">", "@here", "\u202e", "\x1b"):
        assert acting not in text
    table = slack.payloads[0]["blocks"][1]["text"]["text"]
    assert table.count("`") == 6  # its own marks
    assert "&lt;!channel&gt;" in table
    for acting in ("\u202e", "\x1b"):
        assert acting not in body(mails.mails[0])


def test_no_header_can_be_slipped_into_a_mail(mails: Mailbox, root: Path) -> None:
    bad = "x\r\nBcc: evil@example.org\r\n\r\nbody"
    act(EMAIL, mail_step(subject="About {bad}", text="{bad}"), context_of(root, bad=bad))
    (mail,) = mails.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "About x Bcc: evil@example.org body"
    assert mails.envelopes[0].rcpt_tos == ["desk@example.org"]
    with pytest.raises(EngineExecutionError, match="not a mail address"):
        act(EMAIL, mail_step(to="{bad}"), context_of(root, bad="a@b.org\r\nBcc: c@d.org"))


def test_a_message_is_as_long_as_slack_takes() -> None:
    wide = aligned(["name"], [("<" * 60,)] * 100)
    payload = slack_payload(Notice(["&" * 9_000], wide, 5))
    parts = [block["text"]["text"] for block in payload["blocks"]]
    assert all(len(part) <= 3_000 for part in parts)
    shown = parts[1].count("\n") - 3  # two marks and the header's two lines
    assert parts[2] == f"and {105 - shown} more rows"


def test_values_are_shown_as_people_read_them() -> None:
    rows = [(None, True, 1.5, [1, 2], "x" * 99), ("日本", False, 2.0, None, "y")]
    lines = aligned(["a", "b", "c", "d", "e"], rows)
    assert lines[2] == f"       yes   1.5000   1, 2   {'x' * 57}..."
    assert lines[3] == "日本   no    2.0000          y"
    assert aligned([f"c{n}" for n in range(25)], [tuple(range(25))])[-1] == "(5 more columns)"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, EngineExecutionError),
        (403, EngineExecutionError),
        (302, EngineExecutionError),
        (408, TransientError),
        (429, TransientError),
        (500, TransientError),
    ],
)
def test_what_a_webhook_answers_is_told_by_whether_it_may_pass(
    slack: Receiver, root: Path, status: int, kind: type[Exception]
) -> None:
    slack.status = status
    with pytest.raises(kind, match=f"webhook: HTTP {status}"):
        act(SLACK, step(""), context_of(root))


@pytest.mark.parametrize(
    ("answer", "kind"), [("554 no", EngineExecutionError), ("451 later", TransientError)]
)
def test_what_a_mail_server_answers_is_told_by_whether_it_may_pass(
    mails: Mailbox, root: Path, answer: str, kind: type[Exception]
) -> None:
    mails.refuse_data = answer
    with pytest.raises(kind, match=f"the mail was refused \\({answer[:3]}\\)"):
        act(EMAIL, mail_step(""), context_of(root))


def test_servers_that_are_not_there_may_come_back(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_ALERT_WEBHOOK", f"http://127.0.0.1:{free_port()}/{TOKEN}")
    set_mail(monkeypatch, f"smtp://127.0.0.1:{free_port()}")
    with pytest.raises(TransientError, match="webhook: ConnectError"):
        act(SLACK, step(""), context_of(root))
    with pytest.raises(TransientError, match="mail: ConnectionRefusedError"):
        act(EMAIL, mail_step(""), context_of(root))


def test_a_login_that_is_refused_is_final(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mailing(**logins(), auth_require_tls=False) as mailbox:
        set_mail(monkeypatch, f"smtp://olga:s3cr3t-wrong@127.0.0.1:{mailbox.port}")
        with pytest.raises(EngineExecutionError, match=r"login was refused \(535\)") as told:
            act(EMAIL, mail_step(""), context_of(root))
    assert "s3cr3t" not in str(told.value)


def test_a_webhook_may_have_a_variable_of_its_own(
    webhook: Receiver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = step("", webhook_env="DESK_WEBHOOK")
    with pytest.raises(EngineExecutionError, match="DESK_WEBHOOK is not set"):
        act(SLACK, one, context_of(root))
    Path(".env").write_text(f"DESK_WEBHOOK={webhook.url}\n")  # of the working folder
    act(SLACK, one, context_of(root))
    assert webhook.texts == ["Week 2025-11-21"]
    monkeypatch.setenv("DESK_WEBHOOK", f"no-url-{TOKEN}")
    with pytest.raises(EngineExecutionError, match="DESK_WEBHOOK is not a URL") as told:
        act(SLACK, one, context_of(root))
    assert TOKEN not in str(told.value)


def test_no_destination_is_told_with_the_settings(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineExecutionError, match="SPINE_ALERT_WEBHOOK is not set"):
        act(SLACK, step(""), context_of(root))
    with pytest.raises(EngineExecutionError, match="set SPINE_ALERT_SMTP and SPINE_ALERT_FROM"):
        act(EMAIL, mail_step(""), context_of(root))
    monkeypatch.setenv("SPINE_ALERT_SMTP", f"smtp://olga:{PASSWORD}@127.0.0.1")
    with pytest.raises(EngineExecutionError, match="SPINE_ALERT_SMTP") as told:
        act(EMAIL, mail_step(""), context_of(root))
    assert PASSWORD not in str(told.value)


def test_no_secret_is_told(
    slack: Receiver,
    root: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    done = act(SLACK, step(""), context_of(root))
    slack.status, slack.answer = 500, slack.url.encode()
    with pytest.raises(TransientError) as told:
        act(SLACK, step(""), context_of(root))
    captured = capfd.readouterr()
    assert TOKEN not in f"{done}{told.value!r}{caplog.text}{captured.out}{captured.err}"
    assert told.value.__suppress_context__


@BOTH
def test_a_wrong_query_is_told(engine: AnyAct, slack: Receiver, mails: Mailbox, root: Path) -> None:
    one = (step if engine is SLACK else mail_step)("SELECT nothing FROM otc_raw")
    with pytest.raises(EngineExecutionError, match="nothing"):
        act(engine, one, context_of(root))
    assert (slack.payloads, mails.mails) == ([], [])


@BOTH
@pytest.mark.parametrize(
    ("query", "config", "said"),
    [
        ("", {"text": " "}, "config.text"),
        ("", {"only_if_rows": True}, "needs source.query"),
        ("DROP VIEW otc_raw", {}, "one SELECT"),
    ],
)
def test_what_no_schema_says_is_told_when_it_is_loaded(
    engine: AnyAct, query: str, config: dict[str, Any], said: str
) -> None:
    one = (step if engine is SLACK else mail_step)(query, **config)
    (found,) = problems(engine, one, "week_ending")
    assert said in found


def test_addresses_and_variables_are_looked_at_when_it_is_loaded() -> None:
    assert problems(EMAIL, mail_step(to="desk"), "week_ending") == [
        "config.to: 'desk' is not a mail address such as desk@example.org"
    ]
    assert problems(EMAIL, mail_step(subject=" "), "week_ending") == ["config.subject: is empty"]
    assert problems(EMAIL, mail_step(to="{who}"), "week_ending", "who") == []
    (found,) = problems(SLACK, step(webhook_env=f"https://h/{TOKEN}"), "week_ending")
    assert "config.webhook_env" in found
    assert TOKEN not in found
