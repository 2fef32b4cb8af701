"""Measure how fast Ollama reads prompts and writes answers with each of its options.

    make bench BENCH=runner [ARGS=busy]

Starts one Ollama container for each pair of flash attention and cache type, with the limits of the
deployment's ollama container. In each, the chat model reads and writes with one thread up to as many as the
machine has. With `busy` another container keeps a processor busy, as the worker does. Each figure is a median
of three.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import ollama

from bench.measuring import Figure, machine, show
from bench.measuring.stores import limits
from services.conftest import CHAT_MODEL, MODELS, OLLAMA_IMAGE, container, create_model

# Flash attention and cache type; the smaller (quantized) cache types need flash attention.
OPTIONS = (("0", "f16"), ("1", "f16"), ("1", "q8_0"), ("1", "q4_0"))
TIMES = 3
NANO = 1e-9
WORDS = "The keeper of lamp {n} climbs the tower each night and writes down how much oil has burnt. " * 40


@contextmanager
def busy(*, really: bool) -> Iterator[None]:
    """Keep a processor busy inside the block if `really` is set; in a container, so that weights apply."""
    if not really:
        yield
        return
    name = f"bench-busy-{uuid.uuid4().hex[:6]}"
    options = ["--detach", "--rm", "--name", name, *limits("rag-worker"), "--entrypoint", "sh"]
    subprocess.run(["docker", "run", *options, OLLAMA_IMAGE, "-c", "while :; do :; done"], check=True)
    try:
        yield
    finally:
        subprocess.run(["docker", "kill", name], check=True)


def asked(client: ollama.Client, threads: int, number: int) -> ollama.GenerateResponse:
    """Return one answer to a prompt that the model has not read before."""
    options = {"num_ctx": 4096, "num_predict": 40, "num_thread": threads, "temperature": 0.0, "seed": 7}
    return client.generate(CHAT_MODEL, f"Night {number}. " + WORDS.format(n=number), options=options)


def measured(address: str, threads: int, name: str) -> list[Figure]:
    """Measure the seconds to read 600 tokens, and the tokens written per second."""
    client = ollama.Client(host=address, timeout=600)
    asked(client, threads, 0)  # a change of the thread count reloads the model
    answers = [asked(client, threads, number) for number in range(1, TIMES + 1)]
    read = statistics.median(
        600 * (one.prompt_eval_duration or 0) * NANO / (one.prompt_eval_count or 1) for one in answers
    )
    written = statistics.median((one.eval_count or 0) / ((one.eval_duration or 1) * NANO) for one in answers)
    size = client.ps().models[0].size or 0
    note = f"model with its cache {size / 2**20:.0f} MiB"
    return [
        Figure(f"{name}, {threads} threads: 600 tokens read", read, "s", note=note),
        Figure(f"{name}, {threads} threads: written", written, "tokens/s"),
    ]


def main(*, under_load: bool) -> None:
    """Measure and show."""
    about = machine()
    figures: list[Figure] = []
    model = MODELS / "smollm2-135m-instruct.gguf"
    for attention, cache in OPTIONS:
        given = ["-e", f"OLLAMA_FLASH_ATTENTION={attention}", "-e", f"OLLAMA_KV_CACHE_TYPE={cache}"]
        with container(OLLAMA_IMAGE, 11434, [*given, *limits("ollama")]) as address:
            create_model(address, CHAT_MODEL, {model.name: model})
            with busy(really=under_load):
                for threads in range(1, (os.cpu_count() or 1) + 1):
                    name = f"flash attention {attention}, cache {cache}"
                    figures += measured(address, threads, name)
    show("runner", "Ollama's options", figures, about)


if __name__ == "__main__":
    main(under_load=sys.argv[1:] == ["busy"])
