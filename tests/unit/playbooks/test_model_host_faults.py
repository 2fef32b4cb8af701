"""A model host that does not work: the main host is deployed without it, with a warning."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
# Port 1 refuses connections. The other one fails before it changes anything: its role lacks its arguments.
UNREACHABLE = {
    "ansible_host": "127.0.0.1",
    "ansible_port": 1,
    "ansible_ssh_retries": 0,
    "model_host_graphics": "",
    "model_host_images": {},
    "model_host_secret_values": {},
}
BROKEN = {"ansible_host": "127.0.0.1", "ansible_connection": "local"}
NEEDED = {
    "model_host_address": "10.20.1.254",
    "model_host_port": 11443,
    "model_host_reach_timeout": 1,
    "host_baseline_reach_timeout_seconds": 1,
    "host_baseline_hostname": "demo-models",
    "ragdock_region": "eu-central-1",
    "ansible_python_interpreter": sys.executable,
}


def play_of(playbook: str, name: str) -> dict[str, Any]:
    """One play of a playbook."""
    plays = yaml.safe_load((ROOT / f"playbooks/{playbook}.yml").read_text())
    return next(dict(play) for play in plays if play["name"] == name)


def asking() -> dict[str, Any]:
    """The play that comes next, on the main host: it shows whether models of the model host are asked."""
    tasks = yaml.safe_load((ROOT / "roles/stack/tasks/go_live.yml").read_text())[0]["block"]
    (runs,) = [
        one["ragdock.host.remote_ask"]["model_host_runs"] for one in tasks if "ragdock.host.remote_ask" in one
    ]
    task = {"name": "Show it", "ansible.builtin.debug": {"msg": f"asks its models: {runs}"}}
    return {"name": "Deploy", "hosts": "localhost", "gather_facts": False, "tasks": [task]}


def run(here: Path, play: dict[str, Any], host: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run a play against a model host, and then the one of the main host."""
    playbook, inventory = here / "play.yml", here / "hosts.json"
    playbook.write_text(yaml.safe_dump([play, asking()], sort_keys=False))
    hosts = {"demo-models": host | NEEDED}
    local = {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    inventory.write_text(
        json.dumps({"all": {"hosts": local, "children": {"ragdock_model_host": {"hosts": hosts}}}})
    )
    return subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", inventory, playbook],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("playbook", "name", "host", "failed"),
    [
        ("deploy", "Deploy to the model host", UNREACHABLE, "does not answer SSH within 1 seconds"),
        ("deploy", "Deploy to the model host", BROKEN, "Validating arguments"),
        ("configure", "Configure the model host", UNREACHABLE, "did not answer SSH"),
    ],
)
def test_the_main_host_is_deployed_without_a_model_host_that_does_not_work(
    tmp_path: Path, playbook: str, name: str, host: dict[str, Any], failed: str
) -> None:
    """It may be starting, stopping or broken; the fallback model on the main host answers."""
    done = run(tmp_path, play_of(playbook, name), host)
    said = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING: the model host could not be brought up to date." in said
    assert failed in said
    assert "playbooks/verify.yml fails until then" in said
    assert "asks its models: False" in said


def test_verify_fails_for_a_model_host_that_runs_but_does_not_answer(tmp_path: Path) -> None:
    """A deployment passes over it; the check must not."""
    done = run(tmp_path, play_of("verify", "Verify the model host"), UNREACHABLE)
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "The model host does not answer SSH within 1 seconds" in said
    assert "aws ec2 terminate-instances" in said


def test_the_models_of_a_model_host_that_works_are_asked(tmp_path: Path) -> None:
    """Only after this run has brought it up to date."""
    task = {"name": "Set it", "ansible.builtin.set_fact": {"model_host_works": True}}
    play = {"name": "Deploy", "hosts": "ragdock_model_host", "gather_facts": False, "tasks": [task]}
    assert "asks its models: True" in run(tmp_path, play, BROKEN).stdout
