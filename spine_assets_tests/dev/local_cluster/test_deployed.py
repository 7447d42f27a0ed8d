"""What stands in deploy/: the container topology, the image and the values of Dagster's chart."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster_k8s import K8sRunLauncher

from spine_assets.core.alert_settings import AlertSettings
from spine_assets.core.settings import FinraSettings, Settings
from spine_assets.dev.local_cluster.topology import CELERY

DEPLOY = Path(__file__).parents[3] / "deploy"
SECRETS = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY")


def loaded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text("utf-8"))
    return found


def test_compose_yaml_is_what_the_compose_specification_says() -> None:
    program = str(Path(sys.executable).with_name("check-jsonschema"))
    command = [program, "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_compose_yaml_has_every_piece_each_with_a_sign_of_health() -> None:
    services = loaded("compose.yaml")["services"]
    assert set(services) == {
        *("postgres", "redis", "s3", "bucket"),
        *("code-server", "webserver", "daemon", "worker"),
    }
    assert [n for n, told in services.items() if "healthcheck" not in told] == ["bucket"]
    assert services["worker"]["deploy"]["replicas"] == 2


def test_each_piece_waits_for_pieces_that_exist() -> None:
    services = loaded("compose.yaml")["services"]
    awaited = {name for told in services.values() for name in told.get("depends_on", {})}
    assert awaited <= set(services)


def test_only_the_webserver_is_reachable_and_only_on_loopback() -> None:
    services = loaded("compose.yaml")["services"]
    ports = {name: told["ports"] for name, told in services.items() if "ports" in told}
    assert ports == {"webserver": ["127.0.0.1:3000:3000"]}


def test_no_password_stands_in_a_file_and_each_is_demanded() -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    asked = set(re.findall(r"(?<!\$)\$\{(\w+):\?", text))
    assert asked == set(SECRETS)
    assert set(re.findall(r"(?<!\$)\$\{(\w+)", text)) == {*SECRETS, "LANDING_DIR"}
    example = (DEPLOY / "cluster.env.example").read_text("utf-8").splitlines()
    given = dict(row.split("=", 1) for row in example if row and not row.startswith("#"))
    assert given == {**dict.fromkeys(SECRETS, ""), "LANDING_DIR": "../data/landing"}


def test_workers_of_containers_and_of_this_machine_are_the_same_command() -> None:
    assert tuple(loaded("compose.yaml")["services"]["worker"]["command"]) == CELERY


def test_as_many_runs_at_once_as_the_workers_have_slots() -> None:
    limit = loaded("dagster-postgres.yaml")["concurrency"]["runs"]["max_concurrent_runs"]
    assert limit == loaded("compose.yaml")["services"]["worker"]["deploy"]["replicas"]


def test_every_variable_that_dagster_yaml_reads_is_given() -> None:
    text = (DEPLOY / "dagster-postgres.yaml").read_text("utf-8")
    wanted = set(re.findall(r"env: (\w+)", text))
    services = loaded("compose.yaml")["services"]
    for name in ("code-server", "webserver", "daemon", "worker"):
        assert wanted <= set(services[name]["environment"])


@pytest.mark.parametrize("name", ["compose.yaml", "helm/values.yaml"])
def test_settings_that_are_given_exist(name: str) -> None:
    told = set(re.findall(r"\bSPINE_[A-Z_]+", (DEPLOY / name).read_text("utf-8")))
    known = {
        f"{model.model_config['env_prefix']}{field}".upper()
        for model in (Settings, AlertSettings, FinraSettings)
        for field in model.model_fields
    }
    assert told
    assert told <= known


def test_files_that_the_image_takes_exist_and_reach_its_context() -> None:
    root = DEPLOY.parent
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", text, re.M)
    kept = set(re.findall(r"^!(\S+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.M))
    for name in " ".join(copied).split():
        assert (root / name.rstrip("/")).exists(), name
        assert name.removeprefix("./") in kept


# What the chart takes, by the schema it is published with; Helm refuses any other key.
LAUNCHER_KEYS = {
    *("image", "imagePullPolicy", "jobNamespace", "loadInclusterConfig", "kubeconfigFile"),
    *("envConfigMaps", "envSecrets", "envVars", "volumeMounts", "volumes", "labels"),
    *("resources", "schedulerName", "securityContext", "runK8sConfig", "failPodOnRunFailure"),
}


def launcher_values() -> dict[str, Any]:
    found: dict[str, Any] = loaded("helm/values.yaml")["runLauncher"]["config"]["k8sRunLauncher"]
    return found


def launcher_config() -> dict[str, Any]:
    """The chart's `k8sRunLauncher` as the chart hands it to the launcher."""
    values = loaded("helm/values.yaml")
    given = launcher_values()
    return {
        "dagster_home": values["global"]["dagsterHome"],
        "instance_config_map": "spine-dagster-instance",
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "service_account_name": "spine-dagster",
        "load_incluster_config": True,
        "image_pull_policy": given["imagePullPolicy"],
        "resources": given["resources"],
        "run_k8s_config": {"job_spec_config": given["runK8sConfig"]["jobSpecConfig"]},
    }


def test_the_charts_run_launcher_is_given_only_what_the_chart_takes() -> None:
    assert set(launcher_values()) <= LAUNCHER_KEYS


def test_the_charts_run_launcher_is_configured_as_dagster_k8s_wants_it() -> None:
    schema = resolve_to_config_type(dg.Shape(K8sRunLauncher.config_type()))  # type: ignore[no-untyped-call]
    done = process_config(schema, launcher_config())
    assert done.success, done.errors


def test_runs_on_kubernetes_have_what_the_code_server_has() -> None:
    (server,) = loaded("helm/values.yaml")["dagster-user-deployments"]["deployments"]
    assert server["includeConfigInLaunchedRuns"] == {"enabled": True}
    # A deployment's resources would take the place of the launcher's.
    assert "resources" not in server
    (mount,), (volume,) = server["volumeMounts"], server["volumes"]
    assert mount["name"] == volume["name"]
    assert mount["mountPath"] == f"{server['env']['SPINE_DATA_DIR']}/landing"


def test_all_pieces_of_the_chart_have_one_image_and_no_password() -> None:
    values = loaded("helm/values.yaml")
    images = [
        values["dagsterWebserver"]["image"],
        values["dagsterDaemon"]["image"],
        values["dagster-user-deployments"]["deployments"][0]["image"],
    ]
    assert all(image == images[0] for image in images)
    assert "postgresqlPassword" not in values["postgresql"]
    assert not values["generatePostgresqlPasswordSecret"]
