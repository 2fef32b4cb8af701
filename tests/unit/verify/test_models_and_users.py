"""What is compared before models or users are changed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail

from ansible_collections.ragdock.host.plugins.action.ollama_models import hash_of, tree_of
from ansible_collections.ragdock.host.plugins.module_utils.ollama import Puller, full_name
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.security import Cluster
from ansible_collections.ragdock.host.plugins.modules.ollama_models import Record, fingerprint, missing_models
from ansible_collections.ragdock.host.plugins.modules.opensearch_users import (
    Reconciler,
    mapping_of,
    rights,
    same_mapping,
)

ROLES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[3] / "roles/stack/files/opensearch_roles.yml").read_text()
)
MODEL: dict[str, Any] = {"name": "tiny", "source": "files", "files": {"m.gguf": {"sha256": "a" * 64}}}


def test_a_model_is_known_by_what_it_is_made_from() -> None:
    """A different file, name in the tree, parameter or source makes another model; key order does not."""
    others = [
        MODEL | {"files": {"m.gguf": {"sha256": "b" * 64}}},
        MODEL | {"files": {"n.gguf": {"sha256": "a" * 64}}},
        MODEL | {"parameters": {"num_ctx": 4096}},
        {"name": "tiny", "source": "library"},
    ]
    prints = {fingerprint(one) for one in others}
    assert len(prints) == len(others)
    assert fingerprint(MODEL) not in prints
    assert fingerprint(dict(reversed(MODEL.items()))) == fingerprint(MODEL)


def test_only_what_drifted_is_missing(tmp_path: Path) -> None:
    """Recorded and served is fine; recorded but gone or replaced is missing."""
    record = Record(str(tmp_path / "models.json"))
    record.remember(MODEL, "digest-1")
    again = Record(str(tmp_path / "models.json"))
    assert missing_models([MODEL], {"tiny": "digest-1"}, again) == []
    assert missing_models([MODEL], {}, again) == [MODEL]
    assert missing_models([MODEL], {"tiny": "digest-2"}, again) == [MODEL]


def test_a_tree_is_taken_whole_and_without_hidden_files(tmp_path: Path) -> None:
    """Names are relative to the given directory; a single file keeps its own name."""
    (tmp_path / "tree" / "1_Pooling").mkdir(parents=True)
    for name in ("config.json", "1_Pooling/config.json", ".gitattributes"):
        (tmp_path / "tree" / name).write_text(name)
    (tmp_path / "one.gguf").write_bytes(b"gguf")
    found = tree_of({"name": "m", "files": [str(tmp_path / "tree"), str(tmp_path / "one.gguf")]})
    assert sorted(found) == ["1_Pooling/config.json", "config.json", "one.gguf"]
    assert hash_of(found["one.gguf"]).startswith("1cb1b7e")


@pytest.mark.parametrize(("files", "words"), [(["/nowhere/m.gguf"], "does not exist"), ([], "no files")])
def test_a_file_that_is_not_there_is_named(files: list[str], words: str) -> None:
    """It is found before anything is sent to the host."""
    with pytest.raises(AnsibleActionFail, match=words):
        tree_of({"name": "m", "files": files})


@pytest.mark.parametrize(
    ("name", "full"),
    [("a", "a:latest"), ("a:1", "a:1"), ("host:5000/a", "host:5000/a:latest"), ("h:1/a:2", "h:1/a:2")],
)
def test_the_default_tag_is_added(name: str, full: str) -> None:
    """A port is not a tag."""
    assert full_name(name) == full


def test_the_puller_is_as_locked_up_as_the_server() -> None:
    """Same image, user and directory; only the network differs."""
    serving = {
        "Image": "sha256:abc",
        "Config": {"User": "1001:1001", "Env": ["HOME=/var/lib/ollama"]},
        "HostConfig": {"Memory": 1 << 30, "Tmpfs": {"/tmp": "noexec"}},
        "Mounts": [{"Type": "bind", "Source": "/opt/ragdock/data/ollama", "Destination": "/var/lib/ollama"}],
    }
    command = Puller(lambda _: (0, "", ""), serving, "bridge").command()
    assert command[-1] == "sha256:abc"
    text = " ".join(command)
    for part in (
        "--network bridge", "--read-only", "--cap-drop ALL", "no-new-privileges", "--user 1001:1001",
        "--volume /opt/ragdock/data/ollama:/var/lib/ollama", "--env OLLAMA_NOPRUNE=1", f"--memory {1 << 30}",
    ):  # fmt: skip
        assert part in text
    assert "--publish" not in text


class Memory(Cluster):
    """OpenSearch's security API, in memory."""

    def __init__(self) -> None:
        names = [name for name in ROLES if name != "_meta"]
        self.kinds: dict[str, dict[str, Any]] = {
            "roles": {name: copy.deepcopy(ROLES[name]) for name in names},
            "internalusers": {name: {"password": f"{name}-secret"} for name in names},
            "rolesmapping": {name: mapping_of(name) for name in names},
        }

    def read(self, kind: str) -> dict[str, Any]:
        """Return all entries of a kind."""
        return copy.deepcopy(self.kinds[kind])

    def write(self, kind: str, name: str, value: dict[str, Any] | None) -> None:
        """Set or remove an entry."""
        if value is None:
            del self.kinds[kind][name]
        else:
            self.kinds[kind][name] = value

    def roles_of(self, user: str, password: str) -> list[str] | None:
        """Return the user's roles, or None for a wrong password."""
        if self.kinds["internalusers"].get(user, {}).get("password") != password:
            return None
        return sorted(name for name, one in self.kinds["rolesmapping"].items() if user in one["users"])


PASSWORDS = {name: f"{name}-secret" for name in ROLES if name != "_meta"}

DRIFT: dict[str, Any] = {
    "rights of role ragdock_app differed": lambda one: one["roles"]["ragdock_app"][
        "cluster_permissions"
    ].append("*"),
    "role ragdock_app was missing": lambda one: one["roles"].pop("ragdock_app"),
    "user ragdock_backup was missing": lambda one: one["internalusers"].pop("ragdock_backup"),
    "password of user ragdock_worker was another": lambda one: one["internalusers"].update(
        ragdock_worker={"password": "stolen"}
    ),
    "user ragdock_app held roles of its own": lambda one: one["internalusers"]["ragdock_app"].update(
        opendistro_security_roles=["all_access"]
    ),
    "role ragdock_health was not mapped to its user alone": lambda one: one["rolesmapping"][
        "ragdock_health"
    ].update(users=["ragdock_health", "ragdock_app"]),
    "role all_access was also mapped to ragdock_app": lambda one: one["rolesmapping"].update(
        all_access={"users": ["admin", "ragdock_app"]}
    ),
}


def test_what_is_as_written_is_left_alone() -> None:
    """A second run repairs nothing, even if rights are listed in another order."""
    cluster = Memory()
    cluster.kinds["roles"]["ragdock_worker"]["cluster_permissions"].reverse()
    reconciler = Reconciler(cluster, ROLES, PASSWORDS, dry=False)
    assert reconciler.run() == {user: [user] for user in PASSWORDS}
    assert reconciler.repaired == []


@pytest.mark.parametrize("drift", sorted(DRIFT))
def test_each_drift_is_named_and_repaired(drift: str) -> None:
    """A dry run names it and leaves it; a real run names it and repairs it."""
    cluster = Memory()
    DRIFT[drift](cluster.kinds)
    dry = Reconciler(cluster, ROLES, PASSWORDS, dry=True)
    dry.run()
    assert dry.repaired == [drift]
    wet = Reconciler(cluster, ROLES, PASSWORDS, dry=False)
    wet.run()
    assert wet.repaired == [drift]
    again = Reconciler(cluster, ROLES, PASSWORDS, dry=False)
    again.run()
    assert again.repaired == []


def test_the_app_may_not_write_and_no_user_may_do_everything() -> None:
    """Read from the file with which the cluster is kept in line."""
    app = rights(ROLES["ragdock_app"])
    actions = [action for one in app["indices"] for action in one[1]]
    assert not [action for action in actions if "write" in action or action in ("*", "indices:*")]
    for name, role in ROLES.items():
        if name != "_meta":
            assert "*" not in rights(role)["cluster"]
            assert all(one[0] == ["quest-research*"] for one in rights(role)["indices"])


def test_a_mapping_with_hosts_is_another_one() -> None:
    """A mapping by host name would admit anyone with that name."""
    assert same_mapping({"users": ["u"]}, mapping_of("u"))
    assert not same_mapping({"users": ["u"], "hosts": ["*"]}, mapping_of("u"))
