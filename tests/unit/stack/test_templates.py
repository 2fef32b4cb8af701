"""A release as Ansible itself renders it, with the defaults and with settings that change a line."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values
from pydantic_settings import BaseSettings

from ansible_collections.ragdock.host.plugins.module_utils.verify.networks import NEEDS, NETWORKS, WAY_OUT
from landing.settings import LandingSettings
from rag_app.settings import AppSettings
from rag_worker.settings import WorkerSettings
from tests.unit.stack.rendering import SERVICES, Render, Rendered, certificate_of

ROOT = Path(__file__).parents[3]
# Each service's settings class and its fields that no deployment sets: measured numbers, and settings of
# other services.
RAG = {
    "OPENSEARCH_TIMEOUT", "OLLAMA_NUM_CTX", "OLLAMA_NUM_THREAD", "EMBEDDING_TIMEOUT", "EMBEDDING_BATCH",
    "EMBEDDING_NUM_THREAD", "INGESTION_MAX_ATTEMPTS", "PARSE_STALL_SECONDS", "PARSE_CPU_SECONDS",
    "PARSE_MAX_PAGES", "OCR_PAGE_SECONDS", "CHUNK_TOKENS", "TOP_K", "RELEVANCE_THRESHOLD",
    "RELEVANCE_UNKNOWN_RAISE", "ANSWER_MAX_TOKENS", "ANSWER_CONTEXT_TOKENS", "ANSWER_HISTORY_TOKENS",
    "ANSWER_CACHE_SIZE", "QUESTION_MAX_CHARS", "LOG_LEVEL", "REMOTE_BASE_URL", "REMOTE_MODELS",
}  # fmt: skip
OF_THE_APP = {"SESSION_HOURS", "EDGE_HOST", "ASK_SLOTS", "ASK_WAITING", "SHUTDOWN_SECONDS"}
READERS: dict[str, tuple[type[BaseSettings], set[str]]] = {
    "landing": (
        LandingSettings,
        {"COUNT_LAUNCHES", "ANALYTICS_MAX_BYTES", "ANALYTICS_KEEP_FILES", "EDGE_HOST", "LOG_LEVEL"},
    ),
    "rag-app": (
        AppSettings,
        RAG | OF_THE_APP | {"INGESTION_POLL_SECONDS", "PARSE_MEMORY_MIB", "OCR_LANGUAGES"},
    ),
    "rag-worker": (
        WorkerSettings,
        RAG | {"HEARTBEAT_PATH", "HEARTBEAT_MAX_AGE"},
    ),
}


@pytest.fixture(scope="module")
def plain(render: Render) -> Rendered:
    """A release with every default."""
    return render()


@pytest.fixture(scope="module")
def other(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """A release with as many other settings as possible."""
    authority = tmp_path_factory.mktemp("ca") / "root.pem"
    authority.write_text("the authority's root\n")
    return render(
        ragdock_domain="rag.example.org",
        ragdock_acme_email="you@example.org",
        ragdock_acme_directory="https://acme.example.org/dir",
        ragdock_acme_ca_file=str(authority),
        ragdock_allowed_cidrs=["203.0.113.0/24", "2001:db8::/32"],
        ragdock_upload_max_mib=250,
        ragdock_upload_slots=3,
        ragdock_upload_reserve_mib=4096,
        ragdock_ocr_languages="eng+deu",
        ragdock_analytics_enabled=True,
        ragdock_analytics_provider="google",
        ragdock_analytics_id="G-AB12CD34EF",
        ragdock_analytics_whole_address=True,
        ragdock_memory_limits=dict.fromkeys(SERVICES, 1000),
        ragdock_models=[
            {"name": "talker", "use": ["chat"], "source": "library"},
            {"name": "spare", "use": ["fallback"], "source": "library"},
            {"name": "thinker", "use": ["large"], "source": "library"},
            {"name": "vectors", "use": ["embed"], "source": "library"},
        ],
    )


def compose(rendered: Rendered) -> Any:
    """The parsed compose file."""
    return yaml.safe_load(rendered["files"]["compose.yaml"])


def env(rendered: Rendered) -> dict[str, str]:
    """The parsed .env file."""
    lines = [line for line in rendered["files"][".env"].splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_is_hardened(plain: Rendered, service: str) -> None:
    one = compose(plain)["services"][service]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one.get("cap_add", []) == (["NET_BIND_SERVICE"] if service == "edge" else [])
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["user"].split(":")[0] not in ("0", "root")
    assert one["mem_limit"] == one["memswap_limit"]
    assert one["pids_limit"] > 0
    assert 0 < float(one["cpus"]) <= 2
    assert one["healthcheck"]["start_interval"]
    assert one["logging"]["options"]["max-size"]
    assert one["restart"] == "unless-stopped"
    assert "privileged" not in one
    assert not any("docker.sock" in volume for volume in one.get("volumes", []))


def test_the_models_may_use_all_processors(plain: Rendered) -> None:
    """Their threads wait for each other, so a limit costs them more than its share."""
    assert compose(plain)["services"]["ollama"]["cpus"] == 2


def test_reading_documents_weighs_less_than_what_people_wait_for(plain: Rendered) -> None:
    weights = {name: one["cpu_shares"] for name, one in compose(plain)["services"].items()}
    assert 2 * weights.pop("rag-worker") == min(weights.values())


def test_the_models_read_without_flash_attention(plain: Rendered) -> None:
    """Ollama would choose it by itself, and processors read prompts more slowly with it."""
    assert compose(plain)["services"]["ollama"]["environment"]["OLLAMA_FLASH_ATTENTION"] == "0"


def test_only_the_edge_is_published_and_only_on_80_and_443(plain: Rendered) -> None:
    published = {name: one["ports"] for name, one in compose(plain)["services"].items() if "ports" in one}
    assert published == {"edge": ["80:80", "443:443"]}


def test_only_the_edge_has_a_way_out(plain: Rendered) -> None:
    """`verify` tries these connections from inside each container."""
    found = compose(plain)
    outward = {name for name, one in found["networks"].items() if not one.get("internal")}
    assert outward == {WAY_OUT}
    on = {name: set(one["networks"]) for name, one in found["services"].items()}
    assert {name for name, networks in on.items() if networks & outward} == {"edge"}
    assert on == NETWORKS


def test_only_connected_services_share_a_network_and_only_the_proxy_reaches_ollama() -> None:
    assert all(NETWORKS[asker] & NETWORKS[asked] for asker, asked in NEEDS)
    assert {name for name in NETWORKS if NETWORKS[name] & NETWORKS["ollama"]} == {"ollama", "models"}


def test_every_line_of_env_is_given_to_a_container_and_every_wish_is_in_env(plain: Rendered) -> None:
    wanted = set(re.findall(r"\$\{(\w+)\?", plain["files"]["compose.yaml"]))
    assert wanted == set(env(plain))


@pytest.mark.parametrize("service", READERS)
def test_every_variable_has_a_source_and_a_reader(plain: Rendered, service: str) -> None:
    """A variable without a reader has no effect; a field that nothing sets is listed as fixed."""
    one = compose(plain)["services"][service]
    reader, fixed = READERS[service]
    fields = {name.upper() for name in reader.model_fields}
    given = {*one["environment"], *(secret["target"].upper() for secret in one.get("secrets", []))}
    assert given - fields == set()
    assert fields - given == fixed


def test_a_service_is_given_the_settings_that_the_schema_says_under_their_own_names(plain: Rendered) -> None:
    settings = yaml.safe_load((ROOT / "inventory/schema.yml").read_text())["properties"]
    wanted = {
        (service, name.removeprefix("ragdock_").upper())
        for name, one in settings.items()
        for service in one.get("x-services", [])
    }
    found = {
        (service, name) for service in READERS for name in compose(plain)["services"][service]["environment"]
    }
    assert wanted <= found
    of_settings = {name.removeprefix("ragdock_").upper() for name in settings}
    assert {(service, name) for service, name in found if name in of_settings} == wanted


def test_every_image_is_named_by_digest(plain: Rendered) -> None:
    assert all("@sha256:" in one["image"] for one in compose(plain)["services"].values())


def test_no_secret_is_in_a_release(plain: Rendered, secret_values: dict[str, str]) -> None:
    text = json.dumps(plain["files"])
    assert [name for name, value in secret_values.items() if value in text] == []


def test_a_container_gets_its_own_secrets_and_no_other(plain: Rendered) -> None:
    for service, one in compose(plain)["services"].items():
        mine = {
            path["path"].replace("/", ".")
            for path in plain["secrets"]
            if path["path"].startswith(f"{service}/") and not path.get("live")
        }
        assert {secret["source"] for secret in one.get("secrets", [])} == mine
        directories = [volume for volume in one.get("volumes", []) if "/secrets" in str(volume)]
        live = any(path.get("live") for path in plain["secrets"] if path["path"].startswith(f"{service}/"))
        assert [one.split(":")[0] for one in directories] == [f"/opt/ragdock/secrets/{service}"] * live


def test_what_opensearch_reads_while_it_runs_restarts_nothing(
    render: Render, plain: Rendered, secret_values: dict[str, str]
) -> None:
    new = dict(secret_values)
    for name in ("opensearch_ca", "opensearch_node", "opensearch_admin"):
        new |= {f"{name}_cert": certificate_of(name), f"{name}_key": "another"}
    new["opensearch_health_password"] = "another"
    before, after = (compose(one)["services"] for one in (plain, render(secret_values=new)))
    assert after["opensearch"] == before["opensearch"]
    assert after["rag-app"] != before["rag-app"]


def test_the_users_file_holds_hashes_only(plain: Rendered, secret_values: dict[str, str]) -> None:
    users = yaml.safe_load(plain["users"])
    assert {name for name in users if name != "_meta"} == {
        "ragdock_app", "ragdock_worker", "ragdock_backup", "ragdock_health"
    }  # fmt: skip
    assert not any(value in plain["users"] for value in secret_values.values())


def test_each_role_is_mapped_to_one_user_only(plain: Rendered) -> None:
    mapping = yaml.safe_load(plain["files"]["config/opensearch/security/roles_mapping.yml"])
    assert all(one == {"users": [name]} for name, one in mapping.items() if name != "_meta")


def test_opensearch_knows_its_certificates_by_subject(plain: Rendered) -> None:
    found = yaml.safe_load(plain["files"]["config/opensearch/opensearch.yml"])
    assert found["plugins.security.nodes_dn"] == ["CN=opensearch_node,O=Ragdock"]
    assert found["plugins.security.authcz.admin_dn"] == ["CN=opensearch_admin,O=Ragdock"]


@pytest.mark.parametrize(
    ("path", "by_default", "when_set"),
    [
        ("config/edge/Caddyfile", "https://203.0.113.5 {", "https://rag.example.org {"),
        ("config/edge/Caddyfile", "\t\tissuer internal {\n", "issuer acme https://acme.example.org/dir {"),
        ("config/edge/Caddyfile", "default_sni 203.0.113.5", "trusted_roots /etc/caddy/acme-ca.pem"),
        ("config/edge/Caddyfile", "cert /etc/edge-ca/edge_ca_cert", "email you@example.org"),
        ("config/edge/Caddyfile", "profile shortlived", "abort @outside"),
        ("config/edge/Caddyfile", "max_size 101MiB", "max_size 251MiB"),
        ("config/opensearch/jvm.options", "-Xmx1024m\n", "-Xmx500m\n"),
        (".env", "OLLAMA_MODEL=gemma3:1b\n", "OLLAMA_MODEL=talker\n"),
        (".env", "OLLAMA_FALLBACK_MODEL=phi3:mini\n", "OLLAMA_FALLBACK_MODEL=spare\n"),
        (".env", "OLLAMA_LARGE_MODEL=\n", "OLLAMA_LARGE_MODEL=thinker\n"),
        (".env", "OCR_LANGUAGES=eng\n", "OCR_LANGUAGES=eng+deu\n"),
        (".env", "EMBEDDING_MODEL_NAME=all-minilm\n", "EMBEDDING_MODEL_NAME=vectors\n"),
        (".env", "ANALYTICS_ENABLED=false\n", "ANALYTICS_ENABLED=true\n"),
        (".env", "ANALYTICS_PROVIDER=plausible\n", "ANALYTICS_PROVIDER=google\n"),
        (".env", "ANALYTICS_ID=\n", "ANALYTICS_ID=G-AB12CD34EF\n"),
        (".env", "ANALYTICS_WHOLE_ADDRESS=false\n", "ANALYTICS_WHOLE_ADDRESS=true\n"),
        (".env", "UPLOAD_MAX_MIB=100\n", "UPLOAD_MAX_MIB=250\n"),
        (".env", "UPLOAD_SLOTS=6\n", "UPLOAD_SLOTS=3\n"),
        (".env", "UPLOAD_RESERVE_MIB=2048\n", "UPLOAD_RESERVE_MIB=4096\n"),
        ("compose.yaml", "mem_limit: 2048m", "mem_limit: 1000m"),
        ("compose.yaml", "/opt/ragdock/secrets/edge:/etc/edge-ca:ro", ""),
    ],
)
def test_a_setting_changes_its_line(
    plain: Rendered, other: Rendered, path: str, by_default: str, when_set: str
) -> None:
    assert by_default in plain["files"][path]
    assert by_default not in other["files"][path]
    assert when_set in other["files"][path]


@pytest.mark.parametrize(
    ("settings", "issuers"),
    [
        ({}, ["acme", "internal"]),
        ({"ragdock_certificate": "own"}, ["internal"]),
        ({"ragdock_domain": "rag.example.org"}, ["acme"]),
        ({"ragdock_domain": "rag.example.org", "ragdock_certificate": "own"}, ["internal"]),
    ],
)
def test_the_own_ca_issues_for_an_address_that_the_authority_refuses(
    render: Render, settings: dict[str, str], issuers: list[str]
) -> None:
    """Caddy tries the issuers in order. Without its own CA, the CA's key is not in the container."""
    rendered = render(**settings)
    caddyfile = rendered["files"]["config/edge/Caddyfile"]
    assert re.findall(r"^\t\tissuer (\w+)", caddyfile, re.MULTILINE) == issuers
    own = "internal" in issuers
    assert ("/etc/edge-ca" in rendered["files"]["compose.yaml"]) is own


@pytest.mark.parametrize(("certificate", "starts_again"), [("auto", True), ("own", False)])
def test_the_edge_starts_again_with_a_new_ca_unless_a_reload_is_enough(
    render: Render, secret_values: dict[str, str], certificate: str, starts_again: bool
) -> None:
    """If an authority comes first, a reload would keep the certificate that the old CA signed."""
    labels = [
        compose(render(ragdock_certificate=certificate, secret_values=values))["services"]["edge"]["labels"]
        for values in (secret_values, secret_values | {"edge_ca_cert": certificate_of("another")})
    ]
    assert (labels[0] != labels[1]) is starts_again


def test_a_private_authoritys_root_goes_to_the_edge(plain: Rendered, other: Rendered) -> None:
    assert other["files"]["config/edge/acme-ca.pem"] == "the authority's root\n"
    assert "config/edge/acme-ca.pem" not in plain["files"]


def test_values_that_preflight_accepts_are_read_back_as_they_were(render: Render) -> None:
    """The strangest valid values: the reader of each file returns what was set, on one line."""
    name = "hf.co/bartowski/Llama-3.2-1B-Instruct_x:Q4_K.M"
    rendered = render(
        ragdock_domain="xn--e1afmkfd.a-b.example.org",
        ragdock_acme_email="o.p_s%+-1@a-b.example.org",
        ragdock_acme_directory="https://acme.example.org:8443/dir/~a_b-c.d",
        ragdock_analytics_enabled="true",
        ragdock_analytics_provider="google",
        ragdock_analytics_id="G-AB12CD34EF",
        ragdock_ollama_timeout_seconds="120",
        ragdock_models=[{"name": name, "use": ["chat", "embed"], "source": "library"}],
    )
    read = dotenv_values(stream=StringIO(rendered["files"][".env"]))
    assert read == env(rendered)
    assert (read["OLLAMA_MODEL"], read["OLLAMA_TIMEOUT_SECONDS"]) == (name, "120")
    assert read["ANALYTICS_ID"] == "G-AB12CD34EF"
    for path, text in rendered["files"].items():
        if path.endswith((".yml", ".yaml")):
            yaml.safe_load(text)
    lines = rendered["files"]["config/edge/Caddyfile"].splitlines()
    assert "\t\t\temail o.p_s%+-1@a-b.example.org" in lines
    assert "\t\tissuer acme https://acme.example.org:8443/dir/~a_b-c.d {" in lines
    assert "https://xn--e1afmkfd.a-b.example.org {" in lines


def test_rendering_again_gives_the_same_release(render: Render, plain: Rendered) -> None:
    assert render() == plain
