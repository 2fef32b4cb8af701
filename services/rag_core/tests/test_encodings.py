"""Text is read in its own encoding or refused; mojibake is never ready."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rag_core.errors import UploadRefused
from rag_core.extract import encoding
from rag_core.extract.sniff import sniff

SENTENCES = {
    "gb18030": "王小明的会议记录：十月三日在北京召开，讨论了预算问题。",
    "big5": "會議於十月三日在台北舉行，討論了預算問題。",
    "shift_jis": "会議は十月三日に東京で行われ、予算について話し合いました。",
    "euc_jp": "会議は十月三日に東京で行われ、予算について話し合いました。",
    "iso2022_jp": "会議は十月三日に東京で行われ、予算について話し合いました。",
    "euc_kr": "회의는 10월 3일 서울에서 열렸으며 예산 문제를 논의했습니다.",
    "cp1251": "Заседание состоялось третьего октября в Москве, обсуждали бюджет.",
    "koi8_r": "Заседание состоялось третьего октября в Москве, обсуждали бюджет.",
    "cp866": "Заседание состоялось третьего октября в Москве, обсуждали бюджет.",
    "cp1250": "Schůze se konala v říjnu v Brně a jednalo se o rozpočtu.",
    "cp1252": "It’s a “test” – the café costs 7 €, says Jörg.",
    "cp1253": "Η συνεδρίαση έγινε τον Οκτώβριο στην Αθήνα",
    "cp1254": "Toplantı ekim ayında İstanbul’da yapıldı, bütçe görüşüldü",
    "cp1255": "הישיבה התקיימה באוקטובר בתל אביב",
    "cp1256": "عقد الاجتماع في أكتوبر في القاهرة لمناقشة الميزانية",
    "mac_roman": "Café crème à la française",
    "utf-16-le": "The warden is Ferdinand Osgood.",
    "utf-16-be": "The warden is Ferdinand Osgood.",
    "utf-32-le": "Заседание состоялось в Москве",
    "utf-16": "The warden is Ferdinand Osgood.",
}
# Short or mixed texts: several encodings are plausible.
DOUBTFUL = [
    ("cp1250", "Zażółć gęślą jaźń"),
    ("iso8859_2", "Zażółć gęślą jaźń oraz łódź"),
    ("iso8859_15", "Prix: 7 € pour le cœur de bœuf"),
    ("cp437", "naïve Übung, ½ Stück"),
]


@pytest.mark.parametrize(("codec", "sentence"), SENTENCES.items(), ids=list(SENTENCES))
@pytest.mark.parametrize("times", [1, 4, 400])
def test_a_sentence_is_read_in_its_own_encoding(codec: str, sentence: str, times: int) -> None:
    text = (sentence + "\n") * times
    data = text.encode(codec)
    assert data.decode(encoding.of_bytes(data).codec) == text


@pytest.mark.parametrize(("codec", "sentence"), DOUBTFUL)
def test_what_is_not_certain_is_refused_with_what_to_do(tmp_path: Path, codec: str, sentence: str) -> None:
    path = tmp_path / "doubtful.txt"
    path.write_bytes(sentence.encode(codec))
    with pytest.raises(UploadRefused, match=r"'doubtful.txt' is text, but.*save it as UTF-8") as caught:
        sniff(path, path.name)
    assert caught.value.code == "upload_encoding"


def test_one_bad_byte_costs_one_sign(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes("Überschüsse fließen in die Förderung. ".encode() * 9 + b"\xff" + b" Ende")
    how = encoding.of_file(path)
    assert (how.codec, how.invalid) == ("utf-8", 1)
    assert path.read_bytes().decode(how.codec, "replace").count("ü") == 9
    assert "1 byte" in how.remark


def test_an_encoding_that_shows_late_in_a_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "late.txt"
    path.write_bytes(b"plain line\n" * 300_000 + (SENTENCES["cp1251"] + "\n").encode("cp1251"))
    assert encoding.of_file(path).codec.lower() == "windows-1251"


@pytest.mark.parametrize("data", [os.urandom(4096), b"\0\1" * 9, bytes(range(32)) * 40])
def test_bytes_that_are_no_text_are_none(data: bytes) -> None:
    with pytest.raises(encoding.NotText):
        encoding.of_bytes(data)


@pytest.mark.parametrize(
    ("label", "data", "text"),
    [
        ("us-ascii", "Jörg".encode(), "Jörg"),
        ("latin1", b"it\x92s 7 \x80", "it’s 7 €"),
        ("gb2312", "朱镕".encode("gb18030"), "朱镕"),
        ("iso-8859-2", "Třetí část".encode("iso8859_2"), "Třetí část"),
        ("x-unknown", "Übung".encode(), "Übung"),
        ("", "naïve".encode("cp1252"), "naïve"),
        ("utf-8", "naïve café".encode("cp1252"), "naïve café"),
        ("gbk", "联通".encode("gbk"), "联通"),
        ("shift_jis", "高橋①".encode("cp932"), "高橋①"),
    ],
)
def test_a_label_is_read_as_programs_mean_it(label: str, data: bytes, text: str) -> None:
    assert encoding.decoded(data, label)[0] == text
