"""The chat model keeps its weights and its vocabulary in the format that processors read quickly."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize, quantize

from sandbox.quantized import convert

TOKENS = ["<s>", "é", "light", "house"]


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    """A model as in the package: matrices in blocks of four bits, a norm in full, a vocabulary."""
    path = tmp_path / "packaged.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_1)
    writer.add_context_length(8192)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 1, 1, 1])
    weights = np.random.default_rng(1).normal(size=(4, 64)).astype(np.float32)
    for name, kind in (("q", GGMLQuantizationType.Q4_1), ("embedding", GGMLQuantizationType.Q8_0)):
        writer.add_tensor(name, quantize(weights, kind), raw_dtype=kind)
    writer.add_tensor("norm", weights[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_weights_are_the_same_within_eight_bits(packaged: Path, tmp_path: Path) -> None:
    """Other weights would be another model, whose answers nobody measured."""
    convert(packaged, tmp_path / "converted.gguf")
    before, after = GGUFReader(packaged).tensors, GGUFReader(tmp_path / "converted.gguf").tensors
    assert [(one.name, one.tensor_type.name) for one in after] == [
        ("q", "Q8_0"),
        ("embedding", "Q8_0"),
        ("norm", "F32"),
    ]
    for old, new in zip(before, after, strict=True):
        expected = dequantize(old.data, old.tensor_type)
        step = np.abs(expected).max() / 127
        assert np.abs(dequantize(new.data, new.tensor_type) - expected).max() <= step


def test_what_ollama_reads_of_the_model_is_the_same(packaged: Path, tmp_path: Path) -> None:
    """Only the name of the format differs: Ollama shows it."""
    convert(packaged, tmp_path / "converted.gguf")
    before, after = (
        {name: field.contents() for name, field in GGUFReader(path).fields.items()}
        for path in (packaged, tmp_path / "converted.gguf")
    )
    assert {name for name in before | after if before.get(name) != after.get(name)} == {"general.file_type"}
    assert after["general.file_type"] == gguf.LlamaFileType.MOSTLY_Q8_0
    assert after["tokenizer.ggml.tokens"] == TOKENS


def test_the_same_bytes_come_out_each_time(packaged: Path, tmp_path: Path) -> None:
    """The file's hash is pinned."""
    for name in ("one", "two"):
        convert(packaged, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
