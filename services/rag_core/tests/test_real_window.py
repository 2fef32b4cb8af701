"""Our token count of a prompt matches that of a real Ollama, whatever the text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rag_core.answering import prompt
from rag_core.answering.chat import Chat
from rag_core.answering.threads import Threads
from rag_core.errors import InputTooLong
from services.conftest import CHAT_MODEL
from services.rag_core.tests.test_window import HOSTILE, passage

pytestmark = pytest.mark.real
PROSE = "The keeper of the lamp climbs 212 steps each night. Visitors wear a helmet and wait in the hall. "
TEXTS = {
    **HOSTILE,
    "prose": PROSE * 5,
    "German": "Die Überprüfung der Kündigungsfrist für Liegeplätze beginnt im März. " * 5,
    "Russian": "Маяк построен на севере. " * 9,
    "Thai": "ภาษาไทยไม่มีช่องว่าง" * 9,
    "Arabic": "بنى المهندس منارة الساحل. " * 9,
    "code": "df <- read.table('f1.txt', sep=',', header=TRUE); x[[1]] <- NULL  # --no-ff\n" * 9,
    "hexadecimal": "d41d8cd98f00b204e9800998ecf8427e " * 12,
    "table": "| Berth | 1,234.50 | 15.3 % | 2026-03-09 |\n" * 12,
    "one sign": "=" * 500 + "-" * 500,
}


@pytest.fixture(scope="module")
def chat(ollama_address: str) -> Iterator[Chat]:
    one = Chat(address=ollama_address, timeout=120, num_ctx=2048, max_tokens=2, threads=Threads([1]))
    yield one
    one.close()


@pytest.mark.parametrize("name", TEXTS)
def test_no_real_prompt_has_more_tokens_than_counted(chat: Chat, name: str) -> None:
    given = prompt.fitting([passage(TEXTS[name][:300])], 600)
    messages = prompt.messages("How high?", given, "c0ffee42")
    before = chat.miscounts.total()
    stream = chat.stream(CHAT_MODEL, messages)
    while True:
        try:
            next(stream)
        except StopIteration as end:
            read = end.value.prompt_tokens
            break
    size = prompt.size(messages)
    assert size.least <= read <= size.most
    assert chat.miscounts.total() == before


def test_prompt_asked_again_is_counted_whole(chat: Chat) -> None:
    """Ollama caches the previous prompt; its count must not cover only the rest."""
    messages = [{"role": "user", "content": PROSE * 4}]
    before = chat.miscounts.total()
    for _ in range(2):
        list(chat.stream(CHAT_MODEL, messages))
    assert chat.miscounts.total() == before


def test_follow_up_reads_only_what_is_new(chat: Chat) -> None:
    """Rules and conversation come first and stay the same: the runner has them cached."""
    turns = [(f"What of lamp {n}?", PROSE * 2) for n in range(5)]
    given = [passage(PROSE * 3)]
    chat.warm(CHAT_MODEL, [{"role": "user", "content": "Something else."}])
    first = chat.warm(CHAT_MODEL, prompt.messages("How high?", given, "c0ffee42", turns))
    again = chat.warm(CHAT_MODEL, prompt.messages("And how old?", given, "beef1234", turns))
    assert first.read_tokens > 0.9 * first.prompt_tokens
    assert again.read_tokens < 0.5 * again.prompt_tokens
    assert again.read_seconds < 0.7 * first.read_seconds


def test_ollama_refuses_what_it_would_have_cut(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "window", 10_000)
    with pytest.raises(InputTooLong):
        list(chat.stream(CHAT_MODEL, [{"role": "user", "content": "word " * 4000}]))
    assert chat.miscounts[CHAT_MODEL, "refused"] == 1
