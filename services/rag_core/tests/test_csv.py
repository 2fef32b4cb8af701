"""Delimited text as programs export it and people edit it: its delimiter, and its header in every part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_core.extract import Block, BlockKind, Limits, Parser, delimited
from rag_core.extract.chunk import Chunker
from rag_core.extract.sniff import sniff
from rag_core.models import DocumentKind

LIMITS = Limits(stall_seconds=60, cpu_seconds=60, memory_mib=1024, max_pages=50)


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def read(parser: Parser, path: Path, content: str) -> list[Block]:
    path.write_text(content, encoding="utf-8", newline="")
    assert sniff(path, path.name) is DocumentKind.CSV
    return [one for one in parser.parse(path, DocumentKind.CSV) if isinstance(one, Block)]


def first_rows(block: Block) -> list[str]:
    return block.text.splitlines()[:3]


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\nQuay;Fee\nNorth;1,5\n",
        '"sep=,"\r\nQuay,Fee\r\nNorth,"1,5"\r\n',
        "\ufeffSEP=|\nQuay|Fee\nNorth|1,5\n",
        "Quay|Fee\nNorth|1,5\n",
        "Quay\tFee\nNorth\t1,5\n",
        "Quay;Fee\nNorth;1,5\n",
        'Quay,Fee\nNorth,"1,5"\n',
    ],
)
def test_every_mark_gives_the_same_table(parser: Parser, tmp_path: Path, content: str) -> None:
    [block] = read(parser, tmp_path / "t.csv", content)
    assert block.text == "| Quay | Fee |\n| --- | --- |\n| North | 1,5 |"


@pytest.mark.parametrize(
    "above",
    [
        "Harbour dues\nMade on 3 November\n\n",
        "Harbour dues\n",
        "Harbour dues, by quay\n\n",
        "Report:,Harbour dues\n\n",
    ],
)
def test_lines_above_the_head_are_no_part_of_the_table(parser: Parser, tmp_path: Path, above: str) -> None:
    body = "".join(f"2025-01-{day:02},Abernathy,paid,{day * 100}\n" for day in range(1, 20))
    blocks = read(parser, tmp_path / "t.csv", f"{above}Date,Payer,State,Crowns\n{body}")
    assert "Harbour dues" in blocks[0].text
    assert first_rows(blocks[-1])[0] == "| Date | Payer | State | Crowns |"
    assert first_rows(blocks[-1])[2] == "| 2025-01-01 | Abernathy | paid | 100 |"


@pytest.mark.parametrize("gap", ["\n", "\n\n", ";;\n"])
def test_lines_above_that_are_as_wide_as_the_table_are_not_its_head(
    parser: Parser, tmp_path: Path, gap: str
) -> None:
    table = "Date;Payer;Amount\n2025-01-01;Ada;5\n\n2025-01-02;Bo;6\n"
    blocks = read(parser, tmp_path / "p.csv", f"Export of dues;;\nCreated;3 March;\n{gap}{table}")
    assert first_rows(blocks[-1])[0] == "| Date | Payer | Amount |"
    assert blocks[-1].text.endswith("| 2025-01-01 | Ada | 5 |\n| 2025-01-02 | Bo | 6 |")


@pytest.mark.parametrize(
    "row", ["North,Heron", "North,Heron,5,", "North,Heron,5,late,very", "North", "North,,5"]
)
def test_a_row_of_another_length_costs_no_other_row(parser: Parser, tmp_path: Path, row: str) -> None:
    body = "".join(f"Quay {n},Ship {n},{n}\n" for n in range(10))
    text = "\n".join(b.text for b in read(parser, tmp_path / "t.csv", f"Quay,Ship,Fee\n{row}\n{body}"))
    assert all(cell in text for cell in row.split(","))
    assert "| Quay 9 | Ship 9 | 9 |" in text.replace(" |  |", " |")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_breaks_in_a_quoted_cell_part_no_row(parser: Parser, tmp_path: Path, end: str) -> None:
    body = "".join(f'T-{n},"Water enters.{end}The pump was set.",Crew {n}\n' for n in range(60))
    blocks = read(parser, tmp_path / "t.csv", f"Ticket,Text,Owner\n{body}")
    lines = "\n".join(block.text for block in blocks).splitlines()
    assert "| T-59 | Water enters. The pump was set. | Crew 59 |" in lines
    assert all(block.kind is BlockKind.TABLE for block in blocks)


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ('5" pipe,North,3', ["5", "pipe", "North", "3"]),
        ('"5 pipe,North,3', ['"5 pipe', "North", "3"]),
        ('North,"Big" Jim,3', ["North", "Big", "Jim", "3"]),
        ('North,"The ""Heron""",3', ["North", 'The "Heron"', "3"]),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_quotation_marks_in_odd_places_swallow_no_rows(
    parser: Parser, tmp_path: Path, row: str, cells: list[str], times: int
) -> None:
    plain = "".join(f"Part {n},East,{n}\n" for n in range(30))
    [*blocks] = read(parser, tmp_path / "t.csv", "Part,Quay,Count\n" + f"{plain}{row}\n" * times + plain)
    lines = "\n".join(block.text for block in blocks).splitlines()
    assert lines.count("| Part 29 | East | 29 |") == times + 1
    assert sum(all(cell in line for cell in cells) for line in lines) == times


def test_every_chunk_has_the_head(parser: Parser, tmp_path: Path) -> None:
    """Blank lines between rows do not end the table."""
    body = "".join(f"Quay {n};Ship {n};{n}\n" + "\n" * (n % 50 == 0) for n in range(400))
    blocks = read(parser, tmp_path / "t.csv", f"sep=;\nQuay;Ship;Fee\n{body}")
    chunks = list(Chunker(254).chunks(blocks))
    assert len(chunks) > 5
    assert all(chunk.text.startswith("| Quay | Ship | Fee |") for chunk in chunks)


def test_a_blank_corner_of_a_table_keeps_names_over_their_columns(parser: Parser, tmp_path: Path) -> None:
    [block] = read(parser, tmp_path / "t.csv", ",Mon,Tue\nHeron,4,5\nIbis,6,7\n")
    assert block.text.splitlines() == ["|  | Mon | Tue |", "| --- | --- | --- |", "| Heron | 4 | 5 |",
                                       "| Ibis | 6 | 7 |"]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        "| a | b |\n| --- | --- |\n| 1 | 2 |\n",
        "The ferry leaves at nine.\nIt carries 40 people.\nDogs may come, too.\n",
        "Heron\nIbis\nEgret\n",
    ],
)
def test_what_is_no_table_is_text_whatever_its_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.csv").write_text(content, encoding="utf-8")
    assert sniff(tmp_path / "t.csv", "t.csv") is DocumentKind.TEXT


@pytest.mark.parametrize(
    "content", ["a|b|c\n" * 6, "One, two, three\nand four, five\n" * 4, "a,b,c\nd,e,f\n", "a;b\n" * 9]
)
def test_other_names_need_every_line_to_agree(content: str) -> None:
    assert not delimited.is_table(content)
