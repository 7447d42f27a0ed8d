"""Messages are bounded, and nothing in them acts: no markup, no header, no mention."""

from __future__ import annotations

from datetime import date, timedelta
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.alerts import render
from spine_assets.alerts.alert import Alert, AlertKind
from spine_assets.alerts.problem import Problem, alerts_of

UI = "http://127.0.0.1:3000"
HOSTILE = (
    "week_ending=2025-11-21/a\nBcc: victim@example.org\r\n\r\n<!channel> <http://evil|ok> "
    "@all `spine db reset` \u202egpj.\x1b[2J*b*&amp;.csv"
)
DESK = ("desk@example.org",)


def unusable(name: str, reason: str = "is empty") -> Alert:
    (alert,) = alerts_of([Problem(AlertKind.UNUSABLE_FILE, reason, thing=name, table="files")])
    return alert


def test_a_hostile_file_name_is_text_in_slack() -> None:
    text = render.slack(unusable(HOSTILE, HOSTILE), UI)["text"]
    assert "<" not in text
    assert ">" not in text
    assert "&lt;!channel&gt; &lt;http://evil|ok&gt;" in text
    assert "&amp;amp;" in text
    assert "@all" not in text
    assert "\\u202e" in text
    assert "\\x1b[2J" in text
    assert len(text.splitlines()) == 4  # title, text, table, next
    assert text.splitlines()[-1] == "Next: `spine status`"


def test_a_hostile_file_name_makes_no_header_and_no_line_of_its_own() -> None:
    made = render.mail(unusable(HOSTILE, HOSTILE), UI, "spine@example.org", DESK)
    read = message_from_bytes(made.as_bytes(), policy=policy.default)
    assert "Bcc" not in read
    assert sorted(read.keys()) == sorted(
        [
            *("Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted"),
            *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
        ]
    )
    assert "\n" not in read["Subject"]
    lines = made.get_content().splitlines()
    assert [line for line in lines if line.startswith("Bcc")] == []
    assert lines[-1] == "Next: spine status"


def test_only_harmless_commands_are_taken_from_a_text() -> None:
    def next_of(text: str) -> str:
        week = date(2025, 11, 21)
        (alert,) = alerts_of([Problem(AlertKind.RUN_FAILED, text, week, run_id="r1")])
        return alert.next_command

    build = (
        "dagster asset materialize -m spine_assets.definitions --select 'otc_raw,otc_rejects' "
        "--partition 2025-11-21"
    )
    assert next_of(f"2025-11-21: otc_venue_share needs it; run {build}") == build
    assert next_of("look: spine week 2025-11-21; then") == "spine week 2025-11-21"
    for text in (
        "file run spine db reset.csv",
        "spine captures use 0123456789ab",
        build.replace("otc_raw,", "x' ; rm -rf ~ '"),
        "spine status-quo",
    ):
        assert next_of(text) == "spine runs show r1"


@given(st.text(max_size=6000), st.text(max_size=6000), st.integers(0, 700), st.integers(0, 40))
def test_any_message_is_bounded(name: str, text: str, weeks: int, numbers: int) -> None:
    alert = Alert(
        AlertKind.RUN_FAILED,
        text,
        "spine status",
        tuple(date(2014, 5, 16) + timedelta(weeks=2 * n) for n in range(weeks)),
        "otc_raw",
        about=name,
        numbers={f"{n}{name}": text for n in range(numbers)},
        run_id="r",
    )
    payload = render.slack(alert, UI)
    for block in payload["blocks"]:
        assert 0 < len(block["text"]["text"]) <= 3_000
    made = render.mail(alert, UI, "spine@example.org", DESK)
    assert len(made["Subject"]) <= render.SUBJECT_CHARS
    assert len(made.get_content()) <= 6_000
    assert made.as_bytes()


def test_cutting_never_leaves_half_of_a_written_out_character() -> None:
    text = render.slack(unusable("a.csv", "&" * 5000), UI)["text"]
    said = text.splitlines()[1].removeprefix("a.csv: ").removesuffix("...")
    assert said.replace("&amp;", "") == ""


@pytest.mark.parametrize(
    ("alert", "title"),
    [
        (Alert(AlertKind.RUN_FAILED, "x", "y", (date(2025, 11, 21),)), "Failed: week 2025-11-21"),
        (
            Alert(AlertKind.RUN_FAILED, "x", "y", (date(2025, 11, 14), date(2025, 11, 21))),
            "Failed: 2 weeks (2025-11-14 to 2025-11-21)",
        ),
        (Alert(AlertKind.RUN_FAILED, "x", "y", about="run of fetch"), "Failed: run of fetch"),
        (
            Alert(AlertKind.TIER_OVERDUE, "x", "y", (date(2025, 11, 21),), about="OTC"),
            "Overdue: OTC of week 2025-11-21",
        ),
        (Alert(AlertKind.WEEK_BUILT, "x", "y", (date(2025, 11, 21),)), "Built: week 2025-11-21"),
    ],
)
def test_the_title_names_what_happened_to_what(alert: Alert, title: str) -> None:
    assert alert.title == title
