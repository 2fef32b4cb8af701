"""Mail as people really get it: every part of the text or its substitute is read, and nothing twice."""

from __future__ import annotations

import base64
import quopri
import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest

from rag_core.extract import Block, Limits, Note, Parser
from rag_core.extract.sniff import sniff
from rag_core.models import DocumentKind

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
    for content in ("First part.", "The sloop Periwinkle is sold.", "Třetí část"):
        assert content in text


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
    for content in (
        "Inspection of the dredger",
        "Guillemot quay",
        "21 Nov 2025",
        "Ada Brunn <ada@example.org>",
    ):
        assert content in text


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


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (
            'access-type=URL; URL="https://files.example.org/tally.pdf"',
            "attachment kept elsewhere was not read: it is not in the message but elsewhere"
            " (access-type URL, url https://files.example.org/tally.pdf); fetch it and add it by itself",
        ),
        (
            'access-type=local-file; name="/run/secrets/key"',
            "attachment /run/secrets/key was not read: it is not in the message but elsewhere"
            " (access-type local-file); fetch it and add it by itself",
        ),
        (
            'access-type=anon-ftp; site="ftp.example.org"; directory="pub"; name="tally.zip"',
            "attachment tally.zip was not read: it is not in the message but elsewhere"
            " (access-type anon-ftp, site ftp.example.org, directory pub); fetch it and add it by itself",
        ),
        (
            "",
            "attachment kept elsewhere was not read: it is not in the message but elsewhere;"
            " fetch it and add it by itself",
        ),
    ],
)
def test_a_body_that_is_elsewhere_is_named_and_not_fetched(
    parser: Parser, tmp_path: Path, parameters: str, expected: str
) -> None:
    kind = f"message/external-body; {parameters}".rstrip("; ")
    data = f"{HEADERS}MIME-Version: 1.0\nContent-Type: {kind}\n\nContent-Type: text/plain\n\nSee there.\n"
    text, notes, _ = read(parser, tmp_path / "m.eml", data.encode())
    assert "See there." in text
    assert [(note.message, note.read) for note in notes] == [(expected, False)]


def test_a_piece_of_a_message_says_that_the_others_are_missing(parser: Parser, tmp_path: Path) -> None:
    kind = 'message/partial; id="a@example.org"; number=2; total=3'
    data = f"{HEADERS}MIME-Version: 1.0\nContent-Type: {kind}\n\n\nthe second piece\n"
    text, notes, _ = read(parser, tmp_path / "m.eml", data.encode())
    assert "the second piece" in text
    assert [(note.read, note.message.partition(";")[0]) for note in notes] == [
        (False, "only piece 2 of 3 of the message is here")
    ]


def test_what_a_mail_server_reports_of_a_delivery_is_read(parser: Parser, tmp_path: Path) -> None:
    """The report consists of fields for the message and for each recipient."""
    report = MIMEMultipart("report")
    for name, value in (line.split(": ", 1) for line in HEADERS.splitlines()):
        report[name] = value
    report.attach(MIMEText("Your message was not delivered."))
    fields = (
        "Reporting-MTA: dns; mail.example.org\n\n"
        "Final-Recipient: rfc822; bo@example.org\nDiagnostic-Code: smtp; 550 the box is full\n"
    )
    data = report.as_bytes()
    boundary = report.get_boundary() or ""
    for kind in ("delivery-status", "disposition-notification", "feedback-report"):
        part = f"--{boundary}\nContent-Type: message/{kind}\n\n{fields}\n--{boundary}--".encode()
        text, notes, _ = read(parser, tmp_path / "m.eml", data.replace(f"--{boundary}--".encode(), part))
        assert "Your message was not delivered." in text
        assert "Reporting-MTA: dns; mail.example.org" in text, kind
        assert "550 the box is full" in text, kind
        assert notes == []


@pytest.mark.parametrize("kind", ["message/rfc822", "message/global", "message/news"])
def test_a_forwarded_message_is_read_with_its_headers(parser: Parser, tmp_path: Path, kind: str) -> None:
    inner = f"From: Eve <eve@example.org>\nSubject: High tide\n{PLAIN}At noon."
    data = f"{HEADERS}MIME-Version: 1.0\nContent-Type: {kind}\n\n{inner}\n"
    text, notes, _ = read(parser, tmp_path / "m.eml", data.encode())
    assert "From: Eve" in text
    assert "At noon." in text
    assert [note.read for note in notes] == [True]


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


def parted(kind: str, body: str, more: str = "") -> bytes:
    """A message with a text and a part of this content type."""
    return (
        f"{HEADERS}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: text/plain\n\n"
        f"See below.\n--b\nContent-Type: {kind}\n{more}\n{body}\n--b--\n"
    ).encode()


LETTER = HEADERS + PLAIN + "The barge Sandpiper sinks, 12 ° off Ärmelkanal=Süd.\n"


@pytest.mark.parametrize("kind", ["message/rfc822", "message/global", "message/news"])
@pytest.mark.parametrize(
    ("stored", "body"),
    [
        ("8bit", LETTER),
        ("base64", base64.encodebytes(LETTER.encode()).decode()),
        ("quoted-printable", quopri.encodestring(LETTER.encode(), header=False).decode()),
    ],
    ids=["plain", "base64", "quoted-printable"],
)
def test_a_message_within_is_read_however_it_is_stored(
    parser: Parser, tmp_path: Path, kind: str, stored: str, body: str
) -> None:
    data = parted(kind, body, f"Content-Transfer-Encoding: {stored}\n")
    text, notes, _ = read(parser, tmp_path / "m.eml", data)
    assert "12 ° off Ärmelkanal=Süd." in text
    assert text.count("Subject: Tides") == 2
    assert all(note.read for note in notes)


@pytest.mark.parametrize("kind", ["message/delivery-status", "message/disposition-notification"])
def test_a_report_of_delivery_says_what_became_of_the_message(
    parser: Parser, tmp_path: Path, kind: str
) -> None:
    body = "Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; bo@example.org\nStatus: 5.1.1\n"
    text, _, _ = read(parser, tmp_path / "m.eml", parted(kind, body))
    assert "mx.example.org" in text
    assert kind.endswith("notification") or "Status: 5.1.1" in text


@pytest.mark.parametrize(
    ("plain", "markup"),
    [
        ("Total: 655 crowns\n\nYours, Ada", "<p>Total: 1,284 crowns</p><p>Yours, Ada</p>"),
        ("Yours, Ada", "<p>The whole of the order, in full</p><p>Yours, Ada</p>"),
        ("The whole of the order, in full\n\nYours, Ada", "<p>Yours, Ada</p>"),
        ("The order goes out on Monday.\n\nYours, Ada", "<p>The order goes out.</p><p>Yours, Ada, Bo</p>"),
    ],
)
def test_where_editions_differ_no_word_of_either_is_lost(
    parser: Parser, tmp_path: Path, plain: str, markup: str
) -> None:
    text, _, _ = read(parser, tmp_path / "m.eml", editions(plain, markup))
    for word in re.findall(r"\w+", plain + re.sub(r"<[^>]+>", " ", markup)):
        assert word in text
    assert text.count("Yours, Ada") <= 2


def test_editions_that_differ_in_links_alone_are_one(parser: Parser, tmp_path: Path) -> None:
    plain = "Read the log [1] of the *harbour*: https://example.org/a?b=77\n\n[1] https://example.org/1"
    markup = "<p>Read the <a href='x'>log</a> of the <b>harbour</b>:</p>"
    text, notes, _ = read(parser, tmp_path / "m.eml", editions(plain, markup))
    assert text.count("Read the log") == 1
    assert not [note.message for note in notes if "differ" in note.message]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/rtf", r"{\rtf1\ansi The {\b barge} Sandpiper.\par}"),
        ("text/enriched", "<bold>The barge</bold> <italic>Sandpiper</italic>."),
        ("text/richtext", "<bold>The barge</bold> Sandpiper."),
        ("text/html", "<p>The <b>barge</b> Sandpiper.</p>"),
        ("text/markdown", "The barge Sandpiper."),
    ],
)
def test_text_of_another_kind_is_read_without_its_marks(
    parser: Parser, tmp_path: Path, kind: str, body: str
) -> None:
    text, _, _ = read(parser, tmp_path / "m.eml", parted(kind, body))
    assert "The barge Sandpiper" in text
    assert not re.search(r"[\\<>{]|bold", text.partition("See below.")[2])


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("; smime-type=enveloped-data", "it is encrypted"),
        ("; smime-type=signed-data", "within a signature"),
        ("", "it is encrypted"),
    ],
)
def test_a_message_that_cannot_be_opened_says_why(
    parser: Parser, tmp_path: Path, more: str, expected: str
) -> None:
    data = parted(f"application/pkcs7-mime{more}; name=smime.p7m", "MIIabc=")
    _, notes, _ = read(parser, tmp_path / "m.eml", data)
    assert [expected in note.message for note in notes if not note.read] == [True]
