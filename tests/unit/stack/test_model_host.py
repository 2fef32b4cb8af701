"""The model host's files, rendered by Ansible itself: only a proxy that requires a key can be reached."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from ansible_collections.ragdock.host.plugins.module_utils.docker import Container
from ansible_collections.ragdock.host.plugins.modules import model_host_check as checks
from ansible_collections.ragdock.host.plugins.modules import model_host_start as starting
from tests.unit.stack.rendering import certificate_of, rendered

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
ADDRESS = "10.20.1.254"
SECRETS = {
    "model_host_key": "OLD",
    "model_host_ca_key": "the authority's key\n",
    "model_host_ca_cert": certificate_of("models"),
}
MODELS = [
    {"name": "gemma3:1b", "use": ["fallback"], "source": "library"},
    {"name": "llama3.1:8b", "use": ["chat"], "source": "library", "model_host": True},
]
Render = Callable[..., dict[str, Any]]


def rendered_model_host(here: Path, secrets: dict[str, str], **settings: Any) -> dict[str, Any]:
    """Render the model host's files with the defaults and these changes."""
    variables = {
        "ragdock_name": "demo",
        "ragdock_model_host_type": "g6.xlarge",
        "ragdock_models": MODELS,
        "model_host_graphics": "",
        "model_host_images": {name: {"ref": f"registry/{name}@sha256:0"} for name in ("ollama", "proxy")},
        "model_host_secret_values": SECRETS | secrets,
        **settings,
        "out": str(here / "out.json"),
    }
    (here / "vars.json").write_text(json.dumps(variables))
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", HERE / "model_host.yml",
         "-e", f"@{here / 'vars.json'}", "-e", f"ansible_python_interpreter={sys.executable}"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((here / "out.json").read_text())
    return found


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Render:
    """A function that renders into a folder of its own."""

    def run(secrets: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
        return rendered_model_host(tmp_path_factory.mktemp("model-host"), secrets or {}, **settings)

    return run


@pytest.fixture(scope="module")
def plain(render: Render) -> dict[str, Any]:
    """The files for an instance type without GPUs."""
    return render()


def texts(rendered: dict[str, Any], kind: str = "files") -> dict[str, str]:
    """The contents of the files by name."""
    return {Path(one["path"]).name: one["content"] for one in rendered[kind]}


def compose(rendered: dict[str, Any]) -> Any:
    """The parsed compose file."""
    return yaml.safe_load(texts(rendered)["compose.yaml"])


@pytest.mark.parametrize("service", ["ollama", "proxy"])
def test_every_container_is_hardened(plain: dict[str, Any], service: str) -> None:
    one = compose(plain)["services"][service]
    assert one["read_only"] is True
    assert (one["cap_drop"], one.get("cap_add", [])) == (["ALL"], [])
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["user"].split(":")[0] not in ("0", "root")
    assert one["restart"] == "unless-stopped", "its hours start it with nobody there"


def test_only_the_proxy_is_reached_and_ollama_reaches_nothing(plain: dict[str, Any]) -> None:
    """The proxy listens on the one port that the security group opens."""
    found = compose(plain)
    assert {name: one.get("ports") for name, one in found["services"].items()} == {
        "ollama": None,
        "proxy": ["11443:11443"],
    }
    assert list(found["services"]["ollama"]["networks"]) == ["ollama"]
    assert found["networks"]["ollama"] == {"internal": True}


def test_graphics_cards_are_given_to_ollama_alone_and_only_where_there_are_some(
    plain: dict[str, Any], render: Render
) -> None:
    """Without GPUs, the engine would refuse to start the container."""
    assert not any("deploy" in one for one in compose(plain)["services"].values())
    found = compose(render(model_host_graphics="1 x L4, 22888 MiB each"))["services"]
    (device,) = found["ollama"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert "deploy" not in found["proxy"]


def test_only_processors_read_without_flash_attention(plain: dict[str, Any], render: Render) -> None:
    """Ollama knows whether a GPU gains by it; on processors its choice is the slower one."""
    chosen = "OLLAMA_FLASH_ATTENTION"
    assert compose(plain)["services"]["ollama"]["environment"][chosen] == "0"
    found = compose(render(model_host_graphics="1 x L4, 22888 MiB each"))["services"]
    assert chosen not in found["ollama"]["environment"]


def test_no_secret_is_in_what_others_may_read(plain: dict[str, Any]) -> None:
    """The key and the authority are files that only the proxy can read."""
    open_texts = "".join(texts(plain).values())
    assert [name for name, value in SECRETS.items() if value.strip() in open_texts] == []
    assert {(one["owner"], one["mode"]) for one in plain["secrets"]} == {("10004", "0400")}


def test_while_a_key_is_rotated_both_are_accepted_and_the_successor_issues(render: Render) -> None:
    """The main host trusts both authorities before the model host uses the new one."""
    new = certificate_of("successor")
    begun = render(
        secrets={"model_host_key_next": "NEW", "model_host_ca_key_next": "n", "model_host_ca_cert_next": new}
    )
    found = texts(begun, "secrets")
    assert (found["key"], found["key_next"]) == ("OLD", "NEW")
    assert (found["ca.pem"], found["ca.key"]) == (new, "n")
    settled = texts(render(secrets={"model_host_key": "NEW"}), "secrets")
    assert (settled["key"], settled["key_next"]) == ("NEW", "NEW")


def test_another_authority_starts_the_proxy_again(plain: dict[str, Any], render: Render) -> None:
    """The proxy reads its authority at its start, but a key for each request."""
    label = compose(plain)["services"]["proxy"]["labels"]
    assert compose(render(secrets={"model_host_key": "NEW"}))["services"]["proxy"]["labels"] == label
    other = render(secrets={"model_host_ca_cert": certificate_of("other")})
    assert compose(other)["services"]["proxy"]["labels"] != label


def test_only_its_own_models_are_installed(plain: dict[str, Any]) -> None:
    assert plain["models"] == [{"name": "llama3.1:8b", "use": ["chat"], "source": "library"}]


@pytest.mark.parametrize(
    ("loaded", "graphics", "passed", "said"),
    [
        ({"m": (4 << 30, 4 << 30)}, "1 x L4", True, "100% of 4.0 GiB on the GPUs (1 x L4)"),
        ({"m": (4 << 30, 3 << 30)}, "1 x L4", False, "75% of 4.0 GiB"),
        ({"m": (4 << 30, 0)}, "1 x L4", False, "0% of 4.0 GiB"),
        ({"m": (4 << 30, 0)}, "", True, "on the processors"),
        ({}, "1 x L4", False, "0% of 0.0 GiB"),
    ],
)
def test_layers_that_are_not_on_the_cards_are_said(
    loaded: dict[str, tuple[int, int]], graphics: str, passed: bool, said: str
) -> None:
    """With a broken driver, answers are slow but not wrong, so nobody would notice."""
    row = checks.placed("m", loaded, graphics)
    assert (row.passed, said in row.figure) == (passed, True)


def container(service: str, spec: str, health: str = "healthy") -> Container:
    """A container of the model host."""
    return Container(service, service, service, spec, "running", health, 0, False, 0, "image", "2026")


def test_only_what_is_not_as_its_file_says_is_started() -> None:
    """A second run changes nothing, and does not interrupt a question that is being answered."""
    specs = {"ollama": "a", "proxy": "b"}
    assert starting.stale(specs, [container("ollama", "a"), container("proxy", "b")]) == []
    assert starting.stale(specs, [container("ollama", "a"), container("proxy", "old")]) == ["proxy"]
    assert starting.stale(specs, [container("ollama", "a", "unhealthy")]) == ["ollama", "proxy"]


KEY, AUTHORITY = "the model host's key", certificate_of("models")


@pytest.fixture(scope="module")
def main_host(secret_values: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The main host's files for the model host, while the key is rotated."""
    more = {"model_host_key": KEY, "model_host_key_next": "the next one", "model_host_ca_cert": AUTHORITY}
    models = [*MODELS, {"name": "all-minilm", "use": ["embed"], "source": "library"}]
    cards = {"model_host_graphics": "1 x L4, 22888 MiB each"}
    settings = {"ragdock_model_host_type": "g6.xlarge", "ragdock_models": models, "preflight_aws": cards}
    return rendered(tmp_path_factory.mktemp("main"), secret_values | more, **settings)


def test_the_main_host_asks_it_as_a_remote_model(main_host: dict[str, Any]) -> None:
    """At its fixed address, with trust in its own authority only, and a key that only the proxy has."""
    (model,) = json.loads(dotenv_values(stream=StringIO(main_host["files"][".env"]))["REMOTE_MODELS"] or "")
    assert (model["name"], model["host"]) == ("llama3.1:8b", f"{ADDRESS}:11443")
    assert model["parallel"] == 4, "as many answers at a time as its Ollama writes with a GPU"
    files = main_host["files"]
    assert files[f"config/remote/{model['slug']}.pem"] == AUTHORITY
    assert f"reverse_proxy https://{ADDRESS}:11443" in files["config/remote/Caddyfile"]
    assert "rewrite * /v1/chat/completions" in files["config/remote/Caddyfile"]
    assert f"tls_trust_pool file /etc/caddy/{model['slug']}.pem" in files["config/remote/Caddyfile"]
    assert not any(KEY in text for text in files.values())


def test_the_main_host_sends_one_key_also_while_it_is_rotated(main_host: dict[str, Any]) -> None:
    """Two lines would not be a valid key."""
    (file,) = [one for one in main_host["secrets"] if one["path"].startswith("remote/")]
    assert file["from"] == "model_host_bearer"
