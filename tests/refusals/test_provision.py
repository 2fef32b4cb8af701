"""A run that cannot succeed says why, ends with an error, and has created nothing."""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from .conftest import Deployments, Run

PROVISION = "playbooks/provision.yml"
NO_KEYS = {"ragdock_aws_access_key_id": "", "ragdock_aws_secret_access_key": ""}
TINY = {
    "opensearch": 2048,
    "ollama": 8192,
    "models": 64,
    "rag-app": 640,
    "rag-worker": 640,
    "landing": 160,
    "edge": 128,
}


def assert_refused(result: Any, *texts: str) -> None:
    """Assert that a run failed with one message that has all TEXTS, and without a traceback."""
    output = " ".join((result.stdout + result.stderr).split())
    assert result.returncode != 0, output
    for text in texts:
        assert text in output
    assert "Traceback" not in output
    assert output.count("FAILED!") == 1


@pytest.mark.parametrize(
    ("settings", "texts"),
    [
        ({"ragdock_name": ""}, ["'ragdock_name' is empty: it must be 3 to 20 characters"]),
        (
            {"ragdock_regoin": "eu-west-1"},
            ["'ragdock_regoin' is not a setting; did you mean 'ragdock_region'?"],
        ),
        (
            {"ragdock_root_volume_gib": "big"},
            ["'ragdock_root_volume_gib' is 'big': it must be a whole number from 8"],
        ),
        (
            {"ragdock_upload_max_mib": 9000},
            ["'ragdock_upload_max_mib' is 9000: it must be a whole number from 1 to 2048"],
        ),
        (
            {"ragdock_upload_slots": 0, "ragdock_upload_reserve_mib": 20480, "ragdock_data_volume_gib": 20},
            [
                "'ragdock_upload_slots' is 0: it must be a whole number from 1 to 32",
                "'ragdock_upload_reserve_mib' is 20480: it must be a whole number from 1024 to 32768 (MiB),"
                " and less than ragdock_data_volume_gib holds",
            ],
        ),
        (
            {"ragdock_acme_ca_file": "/nowhere/ca.pem"},
            ["'ragdock_acme_ca_file' is '/nowhere/ca.pem': it cannot be read on this machine (No such file"],
        ),
        (
            {"ragdock_region": "us-esat-1"},
            ["ragdock_region is 'us-esat-1', which is no AWS region; near it:", "us-east-1"],
        ),
        (
            {"ragdock_aws_account_id": "999999999999"},
            ["belong to account 123456789012, but ragdock_aws_account_id is 999999999999"],
        ),
        (
            {"ragdock_instance_type": "t3.gigantic"},
            ["ragdock_instance_type is 't3.gigantic', which us-east-1 does not offer"],
        ),
        ({"ragdock_instance_type": "t4g.large"}, ["'t4g.large' is not x86_64"]),
        ({"ragdock_instance_type": "t2.large"}, ["'t2.large' is of an older generation (Xen)", "m6i.large"]),
        (
            {"ragdock_region": "us-gov-west-1"},
            ["ragdock_region is 'us-gov-west-1', which belongs to aws-us-gov, a partition of AWS"],
        ),
        ({"ragdock_region": "cn-north-1"}, ["'cn-north-1', which belongs to aws-cn"]),
        ({"ragdock_ami_id": "ami-00000000"}, ["image ami-00000000", "is not available to this account"]),
        (
            {"ragdock_aws_profile": "work"},
            ["Both a profile ('work'", "access keys (AWS_ACCESS_KEY_ID", "unset AWS_ACCESS_KEY_ID"],
        ),
        (
            {"ragdock_memory_limits": TINY},
            [
                "The stack needs 12896 MiB (ollama 8192, opensearch 2048",
                "a t3.large has 8192 MiB: 4704 too few",
            ],
        ),
        (
            {"ragdock_ami_ssm_parameter": "/aws/none"},
            ["ragdock_ami_ssm_parameter is '/aws/none', which does not exist"],
        ),
        (
            {"ragdock_domain": "rag.example.org", "ragdock_acme_email": "a@example.org"},
            ["ragdock_domain is 'rag.example.org', but no public Route 53 zone of this account contains it"],
        ),
        (
            {"ragdock_instance_type": "t3.gigantic", "ragdock_ami_ssm_parameter": "/aws/none"},
            ["t3.gigantic", "/aws/none"],
        ),
        ({"ragdock_aws_endpoint_url": "http://127.0.0.1:9"}, ["does not answer (EndpointConnectionError"]),
        (
            {"ragdock_aws_profile": "nobody"} | NO_KEYS,
            ["The config profile (nobody) could not be found", "ragdock_aws_profile"],
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_setting(aws: Deployments, playbook: Run, settings: dict[str, Any], texts: list[str]) -> None:
    """Each message names the value found and what to do."""
    assert_refused(playbook(PROVISION, **settings), *texts, "Nothing was changed")
    assert aws.made() == []


def test_a_key_that_was_pasted_into_the_settings_is_nowhere_in_the_output(playbook: Run) -> None:
    """Ansible itself could print it too, for example with the failed task."""
    model = {
        "name": "gpt",
        "use": ["chat"],
        "source": "openai",
        "base_url": "https://me:hunter2@api.example.org/v1",
    }
    models = [model | {"key": "sk-proj-SECRET"}, {"name": "e", "use": ["embed"], "source": "library"}]
    done = playbook(PROVISION, ragdock_models=models)
    assert_refused(done, "'ragdock_models' entry 1 ('gpt'), field '", "Nothing was changed")
    assert not re.search("SECRET|hunter2", done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("standins", "inspect", "registry", "text"),
    [
        (
            False,
            'echo \'"2026-01-01T00:00:00Z" "a1" []\'',
            "exit 1",
            "caddy:2.11.4 on this machine is a stand-in",
        ),
        (
            True,
            "exit 1",
            'echo "ERROR: $5: not found" >&2; exit 1',
            "The registry no longer has the base image caddy:2.11.4@",
        ),
    ],
    ids=["stand-in", "gone"],
)
def test_base_image_that_must_not_or_cannot_be_built_from(
    aws: Deployments, playbook: Run, tmp_path: Path, *, standins: bool, inspect: str, registry: str, text: str
) -> None:
    """Found before the first resource is created, not when the host waits for its release."""
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\nif [ $1 = image ]; then {inspect}; else {registry}; fi\n")
    program.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert_refused(playbook(PROVISION, path, ragdock_standin_images=standins), text, "Nothing was changed")
    assert aws.made() == []


def test_missing_credentials(aws: Deployments, playbook: Run, tmp_path: Path) -> None:
    """There is no profile, no environment variable and no instance role."""
    nowhere = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    result = playbook(PROVISION, nowhere, **NO_KEYS)
    assert_refused(result, "No AWS credentials were found", "aws sso login")
    assert aws.made() == []


def test_a_profile_that_asks_for_a_code(aws: Deployments, playbook: Run, tmp_path: Path) -> None:
    """Nobody can type a code into a module, and each module would ask for one."""
    config = tmp_path / "config"
    config.write_text(
        "[profile work]\nrole_arn = arn:aws:iam::123456789012:role/ops\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::123456789012:mfa/me\n[profile base]\naws_access_key_id = A\n"
        "aws_secret_access_key = B\n"
    )
    result = playbook(PROVISION, {"AWS_CONFIG_FILE": str(config)}, ragdock_aws_profile="work", **NO_KEYS)
    assert_refused(
        result, "'work' asks for a code of your MFA device", "aws configure export-credentials --profile work"
    )
    assert aws.made() == []


@pytest.mark.parametrize(
    ("fault", "settings", "texts"),
    [
        (
            "region-disabled",
            {"ragdock_region": "af-south-1"},
            ["which is not enabled in this account", "aws account enable-region --region-name af-south-1"],
        ),
        (
            "free-plan",
            {},
            ["on AWS's free plan, which launches no t3.large", "Set ragdock_instance_type to m7i-flex.large"],
        ),
        (
            "quota-used-up",
            {},
            [
                "no room for this deployment in us-east-1: Elastic IP addresses,",
                "--service-code ec2 --quota-code L-1216C47A --desired-value",
                "networks (VPCs)",
            ],
        ),
    ],
)
def test_an_account_that_would_refuse(
    aws: Deployments, playbook: Run, fault: str, settings: dict[str, Any], texts: list[str]
) -> None:
    """Checked before anything is created; each message says what to request from AWS."""
    with aws.fault(fault):
        assert_refused(playbook(PROVISION, **settings), *texts, "Nothing was changed")
    assert aws.made() == []


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Yield the address of a server that gives every request the same answer."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer every request alike."""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_expired_credentials(playbook: Run) -> None:
    """The most common failure of a morning: the error that STS documents for an expired session."""
    ended = b"<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>"
    with answering(HTTPStatus.FORBIDDEN, ended) as address:
        result = playbook(PROVISION, ragdock_aws_endpoint_url=address)
    assert_refused(result, "The AWS credentials have expired (ExpiredToken). Log in again")


def test_another_server_answers(playbook: Run) -> None:
    """For example a proxy that answers for an address where there is no AWS."""
    with answering(HTTPStatus.OK, b"") as address:
        result = playbook(PROVISION, ragdock_aws_endpoint_url=address)
    assert_refused(result, f"What answers at {address} is not AWS", "make up", "Nothing was changed")


def test_name_of_another_deployment(aws: Deployments, playbook: Run) -> None:
    """Two checkouts that use one name would undo each other's changes."""
    ec2 = aws.client("ec2")
    network = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    tags = {"ragdock:name": "taken", "ragdock:deployment": "0123abcd"}
    ec2.create_tags(Resources=[network], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    assert_refused(
        playbook(PROVISION, ragdock_name="taken"),
        "The name 'taken' is used by another deployment",
        "id 0123abcd",
        "-e adopt=true",
    )
    assert aws.made("taken") == [network]
    ec2.delete_vpc(VpcId=network)


def test_two_runs_at_once(aws: Deployments, playbook: Run) -> None:
    """The second is refused and names the first; the first keeps its lock."""
    ssm, name = aws.client("ssm"), "/ragdock/refused/lock"
    started = round(psutil.Process().create_time(), 2)
    first = {
        "who": getpass.getuser(),
        "machine": socket.gethostname(),
        "pid": os.getpid(),
        "started": started,
    }
    ssm.put_parameter(Name=name, Value=json.dumps(first | {"verb": "deploy", "since": "now"}), Type="String")
    result = playbook(PROVISION)
    assert_refused(
        result,
        f"Another run is working on this deployment: 'deploy' of {first['who']}",
        f"process {os.getpid()}",
    )
    assert aws.made() == [name]
    ssm.delete_parameter(Name=name)


def test_destroy_without_the_name(aws: Deployments, playbook: Run) -> None:
    """An answer that is not the deployment's name destroys nothing."""
    aws.client("ecr").create_repository(repositoryName="ragdock/refused/edge")
    assert_refused(playbook("playbooks/destroy.yml"), "Not confirmed: '' is not the deployment's name")
    assert_refused(playbook("playbooks/destroy.yml", confirm="refusd"), "Not confirmed: 'refusd'")
    assert aws.made() == ["ragdock/refused/edge"]
    aws.client("ecr").delete_repository(repositoryName="ragdock/refused/edge")


def test_no_host_yet(playbook: Run) -> None:
    """A playbook that needs a host says how to get one."""
    assert_refused(
        playbook("playbooks/status.yml"),
        "0 running hosts are tagged ragdock:name=refused",
        "playbooks/provision.yml",
    )


def test_a_machine_without_the_session_manager_plugin_is_refused(
    playbook: Run, aws: Deployments, tmp_path: Path
) -> None:
    """Without the plugin, everything would be created and then the host could not be reached."""
    (tmp_path / "aws").write_text("#!/bin/sh\necho aws-cli/1.45.11 Python/3.11\n")
    (tmp_path / "aws").chmod(0o755)
    result = playbook(PROVISION, ragdock_aws_cli_folder=str(tmp_path))
    assert_refused(
        result,
        "The AWS CLI on this machine is aws-cli/1.45.11: install version 2",
        "`session-manager-plugin` does not run on this machine: install it",
    )
    assert aws.made() == []


def test_the_plan_of_a_first_deployment_needs_nothing_and_makes_nothing(
    playbook: Run, aws: Deployments, tmp_path: Path
) -> None:
    """Before the first run, neither the deployment's folder nor its key exists."""
    folder = tmp_path / "not-yet"
    result = playbook("playbooks/plan.yml", state_dir=str(folder))
    assert result.returncode == 0, result.stdout
    assert "Nothing is known to be missing." in result.stdout
    assert "make    instance" in result.stdout
    assert aws.made() == []
    assert not folder.exists()
