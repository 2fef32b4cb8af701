"""An image's tag is a hash of exactly the files that the builder receives."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.images.build import (
    BuildError,
    build_command,
    context_tar,
    inputs,
    sources,
    tag,
)

ROLE = Path(__file__).parents[3] / "roles" / "stack"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A services/ directory with one image and a shared library."""
    for name, text in {
        "app/Dockerfile": "FROM x\nCOPY core/src app/src /srv/\n",
        "app/src/main.py": "main",
        "app/tests/test_main.py": "test",
        "core/src/core/__init__.py": "core",
        "core/src/core/__pycache__/a.pyc": "junk",
        "other/src/other.py": "other",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def name(context: Path) -> str:
    """The tag of the image."""
    made: str = tag(inputs(context, context / "app/Dockerfile"))
    return made


def test_only_what_is_copied_is_sent(context: Path) -> None:
    sent = context_tar(inputs(context, context / "app/Dockerfile"))
    with tarfile.open(fileobj=io.BytesIO(sent)) as tar:
        assert tar.getnames() == ["Dockerfile.build", "app/src/main.py", "core/src/core/__init__.py"]


@pytest.mark.parametrize("path", ["app/Dockerfile", "app/src/main.py", "core/src/core/__init__.py"])
def test_a_change_of_an_input_is_another_image(context: Path, path: str) -> None:
    before = name(context)
    (context / path).write_text((context / path).read_text() + "\n# changed\n")
    assert name(context) != before


@pytest.mark.parametrize(
    "path", ["other/src/other.py", "app/tests/test_main.py", "core/src/core/__pycache__/a.pyc"]
)
def test_a_change_of_anything_else_builds_nothing(context: Path, path: str) -> None:
    before = name(context)
    (context / path).write_text("changed")
    assert name(context) == before


def test_a_file_that_becomes_executable_is_another_image(context: Path) -> None:
    before = name(context)
    (context / "app/src/main.py").chmod(0o755)
    assert name(context) != before


def test_a_new_epoch_is_another_image(context: Path) -> None:
    files = inputs(context, context / "app/Dockerfile")
    assert tag(files, "1") != tag(files, "2")


def test_equal_inputs_give_equal_bytes(context: Path) -> None:
    files = inputs(context, context / "app/Dockerfile")
    assert context_tar(files) == context_tar(inputs(context, context / "app/Dockerfile"))


def test_a_copied_file_that_is_missing_is_named(context: Path) -> None:
    (context / "app/Dockerfile").write_text("FROM x\nCOPY app/nothing /srv/\n")
    with pytest.raises(BuildError, match=r"copies app/nothing, and there is no such file"):
        inputs(context, context / "app/Dockerfile")


@pytest.mark.parametrize(
    ("dockerfile", "found"),
    [
        ("FROM x\nCOPY a b /c/", ["a", "b"]),
        ("COPY --from=build /venv /venv", []),
        ("COPY --chown=1:1 a /b", ["a"]),
        ('COPY ["a b", "c", "/d/"]', ["a b", "c"]),
        ("COPY a \\\n  # why b\n  b \\\n  /c/", ["a", "b"]),
        ("# COPY a /b\nRUN echo 'COPY x /y'", []),
        ("ADD https://example.org/file /file\nADD a /a", ["a"]),
    ],
)
def test_the_sources_of_copy_and_add_are_read(dockerfile: str, found: list[str]) -> None:
    assert sources(dockerfile) == found


def test_the_build_command() -> None:
    assert build_command("r/app:1", "/ca.pem") == [
        *("buildx", "build", "--load", "--provenance=false", "--progress=plain"),
        *("--file", "Dockerfile.build", "--tag", "r/app:1", "--secret", "id=ca,src=/ca.pem", "-"),
    ]
    assert "--secret" not in build_command("r/app:1", "")


def test_every_dockerfile_of_the_project_names_files_that_exist() -> None:
    services = Path(__file__).parents[3] / "services"
    for dockerfile in sorted(services.glob("*/Dockerfile")):
        shared = dockerfile.parent.name in ("landing", "rag-app", "rag-worker")
        assert inputs(services if shared else dockerfile.parent, dockerfile)


@pytest.mark.parametrize("named", ["", "/of/our/own.pem"])
def test_builds_trust_what_this_machine_trusts(named: str, tmp_path: Path) -> None:
    """Even if no variable names a file: behind a proxy that inspects TLS, every build would fail."""
    environment = {key: found for key, found in os.environ.items() if key != "SSL_CERT_FILE"}
    shown = subprocess.run(
        [
            Path(sys.executable).parent / "ansible", "localhost",
            "--inventory", "localhost,", "--connection", "local", "--module-name", "ansible.builtin.copy",
            "--args", f"dest={tmp_path}/shown content={{{{ stack_build_ca_file }}}}",
            "--extra-vars", f"@{ROLE}/defaults/main.yml", "--extra-vars", f"@{ROLE}/vars/main.yml",
        ],
        env={**environment, **({"SSL_CERT_FILE": named} if named else {})},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stdout + shown.stderr
    systems = "/etc/ssl/certs/ca-certificates.crt"
    assert (tmp_path / "shown").read_text().strip() == (named or (systems if Path(systems).is_file() else ""))
