"""The filters for remote models, and what a release with remote models looks like."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values
from pydantic import TypeAdapter

from ansible_collections.ragdock.host.plugins.filter.remote import (
    remote_library,
    remote_local,
    remote_memory,
    remote_minted,
    remote_missing,
    remote_models,
    remote_notice,
    remote_slug,
    remote_unreadable,
    remote_variable,
)
from ansible_collections.ragdock.host.plugins.module_utils.remote import identities
from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import Deployment, parse_env
from ansible_collections.ragdock.host.plugins.module_utils.verify.networks import LAYOUT, LAYOUT_WITH_REMOTE
from ansible_collections.ragdock.host.plugins.modules.release_stage import unused_secrets
from rag_app.settings import AppSettings
from rag_core.remote.model import RemoteModel
from rag_core.settings import RagSettings
from rag_worker.settings import WorkerSettings
from tests.unit.stack.rendering import Render, Rendered

HERE = {"name": "local", "use": ["fallback", "embed"], "source": "library"}
OPENAI = {
    "name": "gpt-4o-mini",
    "use": ["chat"],
    "source": "openai",
    "base_url": "https://api.openai.com/v1",
    "key": {"parameter": "remote_openai"},
    "tokens_per_day": 200000,
}
BEDROCK = {
    "name": "openai.gpt-oss-20b-1:0",
    "use": ["large"],
    "source": "openai",
    "base_url": "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1",
    "key": "bedrock",
}
VECTORS = {
    "name": "vectors",
    "model": "BAAI/bge-m3",
    "use": ["embed"],
    "source": "openai",
    "base_url": "https://gpu.example.org:8443/v1",
    "key": "none",
    "window": 8192,
}

# An embedder from before, whose index still serves.
KEPT = VECTORS | {"name": "kept", "use": []}


def test_a_slug_is_plain_and_no_two_names_have_the_same() -> None:
    names = ["gpt-4o-mini", "gpt.4o.mini", "gpt_4o_mini", "GPT-4o-mini", "openai.gpt-oss-20b-1:0"]
    slugs = [remote_slug(name) for name in names]
    assert slugs[0] == "gpt-4o-mini"
    assert len(set(slugs)) == len(names)
    assert all(set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for slug in slugs)


def test_the_services_learn_what_they_need_and_nothing_of_keys() -> None:
    found = json.loads(remote_variable([HERE, OPENAI, VECTORS]))
    assert found == [
        {"name": "gpt-4o-mini", "slug": "gpt-4o-mini", "model": "gpt-4o-mini", "host": "api.openai.com",
         "tokens_per_day": 200000, "window": 4096, "parallel": 8},
        {"name": "vectors", "slug": "vectors", "model": "BAAI/bge-m3", "host": "gpu.example.org:8443",
         "tokens_per_day": 0, "window": 8192, "parallel": 8},
    ]  # fmt: skip


def test_local_and_remote_models_are_told_apart() -> None:
    assert remote_local([HERE, OPENAI]) == [HERE]
    assert [one["name"] for one in remote_models([HERE, OPENAI])] == ["gpt-4o-mini"]
    assert remote_variable([HERE]) == "[]"


def test_a_key_of_bedrock_is_made_for_the_region_of_its_address() -> None:
    assert remote_minted([HERE, OPENAI, BEDROCK]) == [
        {"path": f"remote/{remote_slug(str(BEDROCK['name']))}", "region": "eu-west-1"}
    ]


def test_the_proxy_has_memory_only_when_there_is_one() -> None:
    assert remote_memory({"edge": 128}, [HERE]) == {"edge": 128}
    assert remote_memory({"edge": 128, "remote": 99}, [HERE]) == {"edge": 128}
    assert remote_memory({"edge": 128}, [OPENAI]) == {"edge": 128, "remote": 64}
    assert remote_memory({"edge": 128, "remote": 99}, [OPENAI]) == {"edge": 128, "remote": 99}


@pytest.mark.parametrize("there", [{}, {"remote_openai": " \n"}])
def test_a_missing_key_is_named_with_the_command_that_puts_it_there(there: dict[str, str]) -> None:
    (found,) = remote_missing([HERE, OPENAI, BEDROCK, VECTORS], there, "/ragdock/demo/")
    assert "--name /ragdock/demo/remote_openai --value file://" in found
    assert remote_missing([OPENAI], {"remote_openai": "sk"}, "/ragdock/demo/") == []


def test_who_reads_it_learns_which_text_goes_where() -> None:
    notice = remote_notice([HERE, OPENAI, VECTORS, OPENAI | {"name": "large", "model_host": True}])
    asked = "questions, the passages found for them and the earlier turns of the conversation to "
    assert asked + "api.openai.com (gpt-4o-mini)" in notice
    assert asked + "the model host (large)" in notice
    assert (
        "the text of every document, every question, and the sentences of answers and passages that are"
        " compared to check an answer to gpu.example.org:8443 (vectors)" in notice
    )
    assert "local" not in notice


def test_a_model_without_a_use_may_still_embed(with_remote: Rendered) -> None:
    """It may have made the index that serves until another embedder's is built."""
    old = OPENAI | {"name": "old", "use": []}
    (kept,) = remote_models([HERE, old])
    assert (kept["embed"], kept["chat"], kept["kept"]) == (True, False, True)
    assert "new documents, while its index serves, to api.openai.com (old)" in remote_notice([old])
    caddyfile = with_remote["files"]["config/remote/Caddyfile"]
    assert "orig_uri} /kept/embeddings" in caddyfile
    assert "orig_uri} /kept/chat" not in caddyfile


def test_the_library_that_makes_keys_goes_to_the_host_only_when_there_is_one_to_make() -> None:
    assert remote_library([HERE, OPENAI], "python") == {}
    found = remote_library([BEDROCK], "python")
    assert "def provide_token" in found["python/aws_bedrock_token_generator/__init__.py"]


def test_a_key_that_the_host_made_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    for name in ("minted", "old"):
        (tmp_path / "remote" / name).write_text("key")
    assert unused_secrets(tmp_path, [], ["remote/minted"]) == ["remote/old"]


@pytest.fixture(scope="module")
def plain(render: Render) -> Rendered:
    """A release without remote models."""
    return render()


@pytest.fixture(scope="module")
def with_remote(
    render: Render, secret_values: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Rendered:
    """A release with remote models."""
    authority = tmp_path_factory.mktemp("ca") / "root.pem"
    authority.write_text("the authority's root\n")
    return render(
        secret_values=secret_values | {"remote_openai": "sk-the-key-of-openai"},
        ragdock_models=[HERE, OPENAI, BEDROCK, VECTORS | {"use": ["embed"], "ca_file": str(authority)}, KEPT],
    )


def compose(rendered: Rendered) -> Any:
    """The parsed compose file."""
    return yaml.safe_load(rendered["files"]["compose.yaml"])


def test_without_a_model_elsewhere_nothing_of_it_is_in_a_release(plain: Rendered) -> None:
    found = compose(plain)
    assert "remote" not in found["services"]
    assert "remote" not in found["networks"]
    assert not [path for path in plain["files"] if "remote" in path]
    assert "REMOTE" not in plain["files"][".env"]


def test_the_proxy_is_hardened_as_the_other_is(with_remote: Rendered) -> None:
    services = compose(with_remote)["services"]
    same = (
        "cap_drop",
        "healthcheck",
        "logging",
        "read_only",
        "restart",
        "security_opt",
        "pids_limit",
        "tmpfs",
    )
    assert {key: services["remote"][key] for key in same} == {key: services["models"][key] for key in same}
    assert services["remote"]["user"] == "10005:10005"
    assert services["remote"]["mem_limit"] == services["remote"]["memswap_limit"] == "64m"
    assert 0 < float(services["remote"]["cpus"]) <= 0.5
    assert "ports" not in services["remote"]
    assert "secrets" not in services["remote"]


def test_only_the_proxy_gets_out_beside_the_edge(with_remote: Rendered) -> None:
    """`verify` tries these connections from inside each container."""
    found = compose(with_remote)
    outward = {name for name, one in found["networks"].items() if not (one or {}).get("internal")}
    assert outward == set(LAYOUT_WITH_REMOTE.ways_out)
    on = {name: set(one["networks"]) for name, one in found["services"].items()}
    assert on == LAYOUT_WITH_REMOTE.networks
    assert {name for name, networks in on.items() if networks & outward} == {"edge", "remote"}
    assert all(on[asker] & on[asked] for asker, asked in LAYOUT_WITH_REMOTE.needs)


def test_a_layout_without_the_proxy_is_that_of_every_release_before() -> None:
    assert LAYOUT.ways_out == ("edge",)
    assert "remote" not in {*LAYOUT.networks, *LAYOUT.ports}


def test_the_services_that_use_models_learn_of_them(with_remote: Rendered) -> None:
    services = compose(with_remote)["services"]
    informed = {name for name, one in services.items() if "REMOTE_MODELS" in one.get("environment", {})}
    assert informed == {"rag-app", "rag-worker"}
    env = dotenv_values(stream=StringIO(with_remote["files"][".env"]))
    assert env["REMOTE_BASE_URL"] == "http://remote:11435"
    models: list[dict[str, Any]] = [OPENAI, BEDROCK, VECTORS, KEPT]
    assert json.loads(env["REMOTE_MODELS"] or "") == json.loads(remote_variable(models))
    # Parsed as `verify` does on the host.
    assert (
        len(Deployment(Path(), "", "", env=dict(parse_env(with_remote["files"][".env"]))).remote_models) == 4
    )


def test_a_key_is_in_its_file_and_nowhere_in_a_release(with_remote: Rendered) -> None:
    assert "sk-the-key-of-openai" not in json.dumps(with_remote["files"])
    assert [one for one in with_remote["secrets"] if one["path"].startswith("remote/")] == [
        {"path": "remote/gpt-4o-mini", "uid": 10005, "from": "remote_openai", "live": True}
    ]
    (mount,) = [one for one in compose(with_remote)["services"]["remote"]["volumes"] if "/secrets/" in one]
    assert mount == "/opt/ragdock/secrets/remote:/etc/remote-keys:ro"


def test_a_new_key_restarts_nothing(render: Render, secret_values: dict[str, str]) -> None:
    settings = {"ragdock_models": [HERE, OPENAI, BEDROCK, VECTORS]}
    before, after = (
        render(secret_values=secret_values | {"remote_openai": key}, **settings) for key in ("one", "two")
    )
    assert before["files"] == after["files"]


def test_a_private_authority_goes_to_the_proxy(with_remote: Rendered) -> None:
    assert with_remote["files"]["config/remote/vectors.pem"] == "the authority's root\n"
    caddyfile = with_remote["files"]["config/remote/Caddyfile"]
    assert caddyfile.count("tls_trust_pool file /etc/caddy/vectors.pem") == 1
    assert caddyfile.count("tls_trust_pool") == 1


@pytest.mark.parametrize("reader", [AppSettings, WorkerSettings])
def test_the_services_read_what_a_release_says_of_them(reader: type[RagSettings]) -> None:
    """Both variables, every field of a model, and the identity that is written into an index."""
    assert {"remote_base_url", "remote_models"} <= set(reader.model_fields)
    text = remote_variable([OPENAI, BEDROCK, VECTORS])
    read = TypeAdapter(tuple[RemoteModel, ...]).validate_json(text)
    assert [one.model_dump() for one in read] == json.loads(text)
    assert {one.name: one.identity for one in read} == identities(json.loads(text))


def test_a_file_of_an_authority_that_is_not_there_is_named_before_anything_is_built(tmp_path: Path) -> None:
    """Otherwise a lookup fails, after minutes and without the setting's name."""
    good, other = tmp_path / "ca.pem", tmp_path / "key.pem"
    good.write_text("-----BEGIN CERTIFICATE-----\n")
    other.write_text("-----BEGIN PRIVATE KEY-----\n")

    def said(ca_file: Path | str) -> list[str]:
        return remote_unreadable([HERE, OPENAI | {"ca_file": str(ca_file)}], {"ragdock_acme_ca_file": ""})

    assert said(good) == said("") == []
    field = "'ca_file' of gpt-4o-mini in 'ragdock_models'"
    missing = tmp_path / "missing.pem"
    assert said(missing) == [
        f"{field} is '{missing}': it cannot be read on this machine (No such file or directory)."
    ]
    assert said(other) == [f"{field} is '{other}': it has no certificate (PEM, BEGIN CERTIFICATE)."]
    assert said("ca.pem") == [f"{field} is 'ca.pem': it must be an absolute path."]
    (of_the_endpoint,) = remote_unreadable([HERE], {"ragdock_acme_ca_file": str(missing)})
    assert of_the_endpoint.startswith(f"'ragdock_acme_ca_file' is '{missing}'")
