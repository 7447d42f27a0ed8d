"""What README, CONTRIBUTING and docs show to be typed, and which of it no test can run.

Belongs here: finding blocks of code in the pages, splitting them into commands, and the list of
commands that are not run. Does not belong here: running (`test_shown_commands`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from spine_assets_tests.support.projects import SOURCE

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.M | re.S)
_SHELLS = {"bash", "sh", "shell", "console"}
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
_COMMENT = re.compile(r"\s+# .*$")

_ENDLESS = "runs until someone stops it; "
_PROXY = "needs nginx, htpasswd and openssl of the machine"
_SIM = "needs the server of the line before; finra_sim/test_steering.py asks the same"
_BROWSER = "starts the browser of the machine; defs/test_report.py gives it one of its own"
_WHOLE = "needs the whole project; declarative/test_tools.py runs it in a copy"
_CLUSTER = "needs the cluster that `make cluster` starts; tried there by hand"
_ENGINE = "needs a container engine; local_cluster/test_deployed.py reads the files"
_INSTALLS = "installs; project/test_installed.py installs the wheel so"
_ROOT = "changes the machine, as root"
_BUCKET = "needs a bucket; test_lake_copy.py copies to one and back"
NOT_RUN = {
    "spine lake copy data/lake s3://bucket/lake": _BUCKET,
    "spine lake copy s3://bucket/lake copies/back": _BUCKET,
    ".venv/bin/dg scaffold defs spine_assets.orchestration.components.DeclarativePipeline "
    "pipelines/large_venues": _WHOLE,
    ".venv/bin/dg check yaml": _WHOLE,
    ".venv/bin/dg check defs": _WHOLE,
    "spine demo": "minutes; project/test_installed.py runs it",
    "pip install build/wheel/spine_assets-0.1.0-py3-none-any.whl": _INSTALLS,
    "uvx --from . spine init otc": _INSTALLS,
    "spine ui": _ENDLESS + "browser/test_other_sites.py starts it",
    "make demo": "installs, and is run on a clean checkout by `.ci/run`",
    "make test": "would run this test again",
    "make ui": _ENDLESS + "defs/test_backfill.py and test_services.py start the same",
    "make cluster": _ENDLESS + "local_cluster/ starts the same",
    ". data/cluster/env.sh": _CLUSTER,
    "cp -R data/sample/later/. data/cluster/landing/synthetic/": _CLUSTER,
    "spine backfill --force --queue --wait": _CLUSTER,
    "cp deploy/cluster.env.example deploy/.env && chmod 600 deploy/.env": _ENGINE,
    "docker compose -f deploy/compose.yaml up -d --build": _ENGINE,
    "make notebook": _ENDLESS + "test_notebook.py runs the notebook",
    "cp notebooks/explore.py notebooks/mine.py": "the notebook is not in the copy of the project",
    ".venv/bin/marimo edit --skip-update-check notebooks/mine.py": _ENDLESS + "edits a file",
    "spine report --open": _BROWSER,
    ".venv/bin/spine report --open": _BROWSER,
    "spine report --index --open": _BROWSER,
    ".venv/bin/python -m aiosmtpd -n -l 127.0.0.1:8025": _ENDLESS + "alerts/ has this server",
    "SPINE_ALERT_SMTP=smtp://127.0.0.1:8025 SPINE_ALERT_FROM=a@example.org "
    "SPINE_ALERT_TO=b@example.org make ui": _ENDLESS + "alerts/test_sensor.py sends the mail",
    "DAGSTER_HOME=$PWD .venv/bin/dagster-webserver --read-only -h 127.0.0.1 -p 3001": _ENDLESS
    + "abuse/test_web.py starts it",
    "htpasswd -B proxy/operators.htpasswd olga": _PROXY,
    "htpasswd -B proxy/readers.htpasswd rita": _PROXY,
    "curl -s -o /dev/null -w '%{http_code}\\n' --cacert proxy/tls.crt "
    "https://127.0.0.1:8443/": _PROXY,
    "curl -s -o /dev/null -w '%{http_code}\\n' --cacert proxy/tls.crt "
    "-u olga https://127.0.0.1:8443/": _PROXY,
    "sudo cp deploy/spine-daemon.service deploy/spine-webserver.service /etc/systemd/system/": (
        _ROOT + "; test_services.py reads the files and runs what they start"
    ),
    "sudo systemctl daemon-reload": _ROOT,
    "sudo systemctl enable --now spine-daemon spine-webserver": _ROOT,
    "sudo systemctl stop spine-daemon spine-webserver": _ROOT,
    "sudo systemctl start spine-daemon spine-webserver": _ROOT,
    "journalctl -u spine-daemon -o cat -f": _ENDLESS + "needs the service",
    "spine finra-sim --today 2025-12-29 --log": _ENDLESS + "finra_sim/test_command.py starts it",
    "curl -s http://127.0.0.1:8713/partitions/group/otcMarket/name/weeklySummary": _SIM,
    'curl -s -X POST http://127.0.0.1:8713/sim/clock -d \'{"today": "2026-01-05"}\'': _SIM,
    "curl -s -X POST http://127.0.0.1:8713/sim/faults "
    '-d \'{"kind": "gateway_timeout", "count": 3}\'': _SIM,
    "curl -s http://127.0.0.1:8713/sim/requests": _SIM,
    **dict.fromkeys(
        (
            "spine compare --weeks 4",
            "spine compare --first 2025-10-03 --last 2025-11-21 "
            "--backends in_process,multiprocess --repeat 3",
        ),
        "minutes of whole processes; comparison/test_command.py runs shorter ones",
    ),
    "git pull": "needs the repository's server",
    "make setup": "installs, and is run on a clean checkout by `.ci/run`",
}
"""Commands that are shown and not run, each with the reason."""
_FINRA = "asks FINRA, which no test may; finra/ runs it against a local server"
NOT_RUN |= dict.fromkeys(
    (
        "spine fetch --week 2025-11-21",
        "spine fetch --since 2025-10-03 --tier T1 --class ats",
        "spine fetch --all",
        "spine fetch --restated",
        ".venv/bin/dagster job execute -m spine_assets.definitions -j finra_fetch "
        """--tags '{"dagster/partition": "2025-11-21"}'""",
        "DAGSTER_HOME=$PWD .venv/bin/dagster sensor start finra_offered -w workspace.yaml",
        "spine run finra.fetch -p week_ending=2025-11-21",
    ),
    _FINRA,
)
RUN_ELSEWHERE = {
    "from-outside.md": "needs nginx and running servers; outside/test_page.py types all of it",
    "reading.md": "needs a bucket; test_other_engines.py runs all but what was not tried",
}
"""Pages whose blocks, but for the commands of `NOT_RUN`, another test takes from the page."""
NEED_DAEMON = {
    "spine run otc.weekly -p week_ending=2025-11-21 --queue --wait": "test_services.py runs it",
}
"""Commands that a running daemon answers, run beside one."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """Page and line, as an editor opens them."""
        return f"{self.page.relative_to(SOURCE)}:{self.line}"

    @property
    def is_settings(self) -> bool:
        """Whether it shows the lines of an `.env` file."""
        lines = self.text.split("\n")
        return all(_ASSIGNMENT.fullmatch(line) for line in lines if line)

    @property
    def commands(self) -> list[str]:
        """Its commands, each on one line and without comments."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        lines = (_COMMENT.sub("", line).strip() for line in joined.split("\n"))
        return [line for line in lines if line and not line.startswith("#")]


def pages() -> list[Path]:
    """Everything that shows people what to type."""
    found = [*SOURCE.glob("*.md"), *(SOURCE / "docs").rglob("*.md")]
    return sorted([*found, *(SOURCE / "deploy").rglob("*.md")])


def blocks(*languages: str) -> list[Block]:
    """Blocks of these languages in all pages."""
    found = []
    for page in pages():
        text = page.read_text("utf-8")
        for match in _BLOCK.finditer(text):
            if match[2] in languages:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(page, line, match[2], dedent(match[3])))
    return found


def shell_blocks() -> list[Block]:
    """Blocks of shell commands."""
    return [block for block in blocks(*_SHELLS) if not block.is_settings]
