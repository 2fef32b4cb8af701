"""Mail as people really get it: every part of the text, whatever stands in for it, and nothing twice."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest

from rag_core.extract import Block, Limits, Note, Parser
from rag_core.models import DocumentKind
from rag_core.sniff import sniff

LIMITS = Limits(stall_seconds=60, cpu_seconds=60, memory_mib=1024, max_pages=50)
HEADERS = (
    "From: Ada <ada@example.org>\nTo: bo@example.org\nDate: Mon, 3 Nov 2025 10:00:00 +0000\nSubject: Tides\n"
)
PLAIN = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n"


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def read(parser: Parser, path: Path, data: bytes) -> tuple[str, list[Note], int]:
    """Text, notes and pages of a mail."""
    path.write_bytes(data)
    assert sniff(path, path.name) is DocumentKind.EMAIL
    head, *items = parser.parse(path, DocumentKind.EMAIL)
    text = "\n".join(item.text for item in items if isinstance(item, Block))
    return text, [item for item in items if isinstance(item, Note)], head.pages  # type: ignore[union-attr]


def editions(plain: str, markup: str) -> bytes:
    message = MIMEMultipart("alternative")
    for name, value in (line.split(": ", 1) for line in HEADERS.splitlines()):
        message[name] = value
    message.attach(MIMEText(plain, "plain", "utf-8"))
    message.attach(MIMEText(markup, "html", "utf-8"))
    return message.as_bytes()


@pytest.mark.parametrize(
    "plain", ["", " \r\n\r\n", "Please view this message in a browser.", "[image: logo]"]
)
def test_a_placeholder_does_not_hide_the_html_edition(parser: Parser, tmp_path: Path, plain: str) -> None:
    text, _, _ = read(
        parser, tmp_path / "m.eml", editions(plain, "<p>Berth nine goes to the Nightingale.</p>")
    )
    assert "Berth nine goes to the Nightingale." in text


def test_of_two_equal_editions_one_is_read(parser: Parser, tmp_path: Path) -> None:
    data = editions(
        "Berth nine goes to the Nightingale.", "<p>Berth <b>nine</b> goes to the Nightingale.</p>"
    )
    assert read(parser, tmp_path / "m.eml", data)[0].count("Nightingale") == 1


def test_each_part_of_the_text_is_read_in_its_own_encoding(parser: Parser, tmp_path: Path) -> None:
    message = MIMEMultipart("mixed")
    for name, value in (line.split(": ", 1) for line in HEADERS.splitlines()):
        message[name] = value
    message.attach(MIMEText("First part.", "plain"))
    message.attach(MIMEText("<p>The sloop <b>Periwinkle</b> is sold.</p>", "html"))
    message.attach(MIMEText("Třetí část", "plain", "iso-8859-2"))
    text, _, _ = read(parser, tmp_path / "m.eml", message.as_bytes())
    for said in ("First part.", "The sloop Periwinkle is sold.", "Třetí část"):
        assert said in text


@pytest.mark.parametrize(
    "before",
    ["", "From ada@example.org Mon Nov  3 10:00:00 2025\n"],
    ids=["plain", "exported"],
)
def test_a_single_mail_may_begin_with_a_mailbox_line(parser: Parser, tmp_path: Path, before: str) -> None:
    encoded = base64.encodebytes(b"The crack was filled with puzzolana.").decode()
    body = f"MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\n{encoded}"
    text, _, pages = read(parser, tmp_path / "m.eml", (before + HEADERS + body).encode())
    assert "filled with puzzolana" in text
    assert pages == 1


def test_each_message_of_a_mailbox_is_a_page(parser: Parser, tmp_path: Path) -> None:
    letter = "From a@example.org Mon Nov  3 10:00:00 2025\n" + HEADERS + PLAIN
    box = letter + "One\n>From here it goes on.\n\n" + letter + "Two\n\n" + letter + "Three\n"
    text, _, pages = read(parser, tmp_path / "box.mbox", box.encode())
    assert pages == 3
    assert "One\nFrom here it goes on." in text
    assert "Three" in text


def test_mail_of_apple_is_read_without_its_notes(parser: Parser, tmp_path: Path) -> None:
    letter = (HEADERS + PLAIN + "The ferry leaves at nine.\n").encode()
    data = (
        f"{len(letter)}      \n".encode() + letter + b'<?xml version="1.0"?><plist><dict>flags</dict></plist>'
    )
    text, _, _ = read(parser, tmp_path / "m.emlx", data)
    assert "The ferry leaves at nine." in text
    assert "plist" not in text


def test_an_invitation_says_what_when_and_where(parser: Parser, tmp_path: Path) -> None:
    calendar = (
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20251121\n"
        "SUMMARY:Inspection of the dredger\nLOCATION:Guillemot quay\n"
        "ORGANIZER;CN=Ada Brunn:mailto:ada@example.org\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    body = f"MIME-Version: 1.0\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\n\n{calendar}"
    text, _, _ = read(parser, tmp_path / "m.eml", (HEADERS + body).encode())
    for said in ("Inspection of the dredger", "Guillemot quay", "21 Nov 2025", "Ada Brunn <ada@example.org>"):
        assert said in text


def test_an_encrypted_message_is_named(parser: Parser, tmp_path: Path) -> None:
    body = "MIME-Version: 1.0\nContent-Type: application/pkcs7-mime; name=smime.p7m\n\nMIIabc=\n"
    _, notes, _ = read(parser, tmp_path / "m.eml", (HEADERS + body).encode())
    assert [note.read for note in notes] == [False]
    assert "encrypted" in notes[0].message


def test_a_damaged_winmail_costs_only_itself(parser: Parser, tmp_path: Path) -> None:
    message = EmailMessage()
    for name, value in (line.split(": ", 1) for line in HEADERS.splitlines()):
        message[name] = value
    message.set_content("See the tally.")
    message.add_attachment(
        b"\x78\x9f\x3e\x22spoilt", maintype="application", subtype="ms-tnef", filename="winmail.dat"
    )
    text, notes, _ = read(parser, tmp_path / "m.eml", message.as_bytes())
    assert "See the tally." in text
    assert next(note.message for note in notes if not note.read).startswith(
        "attachment winmail.dat was not read"
    )


def test_an_archive_in_a_mail_is_named_and_not_unpacked(parser: Parser, tmp_path: Path) -> None:
    message = EmailMessage()
    for name, value in (line.split(": ", 1) for line in HEADERS.splitlines()):
        message[name] = value
    message.set_content("See the files.")
    message.add_attachment(
        b"\x1f\x8b\x08" + bytes(40), maintype="application", subtype="gzip", filename="all.tar.gz"
    )
    _, notes, _ = read(parser, tmp_path / "m.eml", message.as_bytes())
    assert "an archive; unpack it" in notes[0].message


def test_messages_within_messages_end_somewhere(parser: Parser, tmp_path: Path) -> None:
    data = (HEADERS + PLAIN + "innermost").encode()
    for depth in range(12):
        outer = EmailMessage()
        for name, value in (line.split(": ", 1) for line in HEADERS.splitlines()):
            outer[name] = value
        outer.set_content(f"depth {depth}")
        outer.add_attachment(data, maintype="application", subtype="octet-stream", filename="inner.eml")
        data = outer.as_bytes()
    text, notes, _ = read(parser, tmp_path / "m.eml", data)
    assert "depth 11" in text
    assert "innermost" not in text
    assert any("too deep" in note.message for note in notes if not note.read)
