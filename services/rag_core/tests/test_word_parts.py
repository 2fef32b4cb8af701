"""Content of Word files besides plain paragraphs: each part is read once, where a person sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag_core.extract import Block, BlockKind, Note
from rag_core.extract.blocks import Part
from services.rag_core.tests.word_markup import Parts, items, p, r, texts, xml

# Equations


def m(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


def e(name: str, **parts: str) -> str:
    return (
        f"<m:{name}>"
        + "".join(f"<m:{key}>{value}</m:{key}>" for key, value in parts.items())
        + f"</m:{name}>"
    )


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        (e("f", num=m("a+b"), den=m("c")), "(a+b)/c"),
        (e("f", num=m("1"), den=e("f", num=m("x"), den=m("y"))), "1/(x/y)"),
        (e("rad", deg="", e=m("x+1")), "sqrt(x+1)"),
        (e("rad", deg=m("3"), e=m("headheight")), "root 3(headheight)"),
        (e("sSup", e=m("E"), sup=m("2")), "E^2"),
        (e("sSub", e=m("p"), sub=m("max")), "p_max"),
        (e("sSubSup", e=m("x"), sub=m("i"), sup=m("n+1")), "x_i^(n+1)"),
        (
            '<m:nary><m:naryPr><m:chr m:val="\u2211"/></m:naryPr>'
            f"<m:sub>{m('i=1')}</m:sub><m:sup>{m('n')}</m:sup><m:e>{m('x')}</m:e></m:nary>",
            "\u2211_(i=1)^(n) x",
        ),
        (
            f"<m:m><m:mr><m:e>{m('1')}</m:e><m:e>{m('2')}</m:e></m:mr>"
            f"<m:mr><m:e>{m('3')}</m:e><m:e>{m('4')}</m:e></m:mr></m:m>",
            "[1 2; 3 4]",
        ),
        (f"<m:d><m:e>{m('a')}</m:e><m:e>{m('b')}</m:e></m:d>", "(a|b)"),
        (
            '<m:d><m:dPr><m:begChr m:val="|"/><m:endChr m:val="|"/></m:dPr>'
            f"<m:e>{e('rad', deg='', e=m('v'))}</m:e></m:d>",
            "|sqrt(v)|",
        ),
        (e("func", fName=m("sin"), e=m("\u03b8")), "sin \u03b8"),
        (e("limLow", e=m("lim"), lim=m("n\u2192\u221e")), "lim_(n\u2192\u221e)"),
        (f'<m:acc><m:accPr><m:chr m:val="\u0302"/></m:accPr><m:e>{m("x")}</m:e></m:acc>', "x\u0302"),
        (f"<m:eqArr><m:e>{m('a=1')}</m:e><m:e>{m('b=2')}</m:e></m:eqArr>", "a=1; b=2"),
    ],
)
def test_an_equation_is_read_as_people_type_it(tmp_path: Path, equation: str, expected: str) -> None:
    inline = p(r("Where ") + f"<m:oMath>{equation}</m:oMath>" + r(" holds."))
    apart = p(f"<m:oMathPara><m:oMath>{equation}</m:oMath></m:oMathPara>")
    assert texts(items(tmp_path, inline + apart)) == [f"Where {expected} holds.", expected]


def test_an_equation_of_older_programs_is_the_code_of_a_field(tmp_path: Path) -> None:
    def code(text: str) -> str:
        return f"<w:r><w:instrText>{text}</w:instrText></w:r>"

    found = texts(
        items(tmp_path, p(r("v = ") + code(r" EQ \f(distance,time) ") + code(" PAGE ") + r(" m/s")))
    )
    assert found == ["v = (distance,time) m/s"]


# Automatic numbers


def levels(*forms: tuple[str, str], start: int = 1) -> str:
    return "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="{start}"/>'
        f'<w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for at, (form, text) in enumerate(forms)
    )


def numbered(text: str, level: int = 0, instance: int = 1) -> str:
    return p(r(text), f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{instance}"/></w:numPr>')


def numbering(definition: str, instances: str = "") -> Parts:
    whole = f'<w:abstractNum w:abstractNumId="0">{definition}</w:abstractNum>'
    usual = '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    return {"numbering.xml": ("numbering", xml("numbering", whole + usual + instances))}


_CHINESE = ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"]


@pytest.mark.parametrize(
    ("forms", "paragraphs", "expected"),
    [
        (
            [("decimal", "%1."), ("decimal", "%1.%2")],
            [("Aim", 0), ("Scope", 1), ("Term", 0), ("Fee", 1), ("End", 0), ("Law", 1), ("Court", 1)],
            ["1. Aim", "1.1 Scope", "2. Term", "2.1 Fee", "3. End", "3.1 Law", "3.2 Court"],
        ),
        ([("lowerLetter", "(%1)")], [("a", 0), ("b", 0), ("c", 0)], ["(a) a", "(b) b", "(c) c"]),
        ([("upperLetter", "%1.")], [(str(at), 0) for at in range(28)],
         [*(f"{chr(65 + at)}. {at}" for at in range(26)), "AA. 26", "BB. 27"]),
        ([("lowerRoman", "%1)")], [(str(at), 0) for at in range(4)], ["i) 0", "ii) 1", "iii) 2", "iv) 3"]),
        ([("upperRoman", "Article %1")], [("Peace", 0), ("Sea", 0)], ["Article I Peace", "Article II Sea"]),
        ([("decimalZero", "%1")], [("x", 0)], ["01 x"]),
        ([("ordinal", "%1")], [("x", 0), ("y", 0)], ["1st x", "2nd y"]),
        ([("bullet", "\uf0b7")], [("x", 0)], ["- x"]),
        ([("none", "")], [("x", 0)], ["x"]),
        ([("russianLower", "%1)")], [("x", 0), ("y", 0)], ["\u0430) x", "\u0431) y"]),
        ([("chineseCountingThousand", "第%1条")], [(str(at), 0) for at in range(12)],
         [f"第{figure}条 {at}" for at, figure in enumerate(_CHINESE)]),
        ([("decimalEnclosedParen", "%1")], [("x", 0)], ["(1) x"]),
        (
            [("upperRoman", "%1."), ("lowerLetter", "%1.%2)")],
            [("x", 0), ("y", 1), ("z", 1)],
            ["I. x", "I.a) y", "I.b) z"],
        ),
    ],
)  # fmt: skip
def test_a_paragraph_carries_its_number(
    tmp_path: Path, forms: list[tuple[str, str]], paragraphs: list[tuple[str, int]], expected: list[str]
) -> None:
    body = "".join(numbered(text, level) for text, level in paragraphs)
    assert texts(items(tmp_path, body, numbering(levels(*forms)))) == expected


def test_a_list_goes_on_or_starts_anew_as_its_instance_says(tmp_path: Path) -> None:
    again = (
        '<w:num w:numId="2"><w:abstractNumId w:val="0"/></w:num>'
        '<w:num w:numId="3"><w:abstractNumId w:val="0"/>'
        '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>'
    )
    body = numbered("a") + p(r("between")) + numbered("b", 0, 2) + numbered("c", 0, 3) + numbered("d", 0, 3)
    found = texts(items(tmp_path, body, numbering(levels(("decimal", "%1.")), again)))
    assert found == ["1. a", "between", "2. b", "7. c", "8. d"]


def test_a_level_may_go_on_through_the_levels_above_it(tmp_path: Path) -> None:
    never = (
        '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:lvlRestart w:val="0"/><w:lvlText w:val="Rule %2"/></w:lvl>'
    )
    body = numbered("Part") + numbered("x", 1) + numbered("Part") + numbered("y", 1)
    found = texts(items(tmp_path, body, numbering(levels(("decimal", "%1.")) + never)))
    assert found == ["1. Part", "Rule 1 x", "2. Part", "Rule 2 y"]


def test_a_list_keeps_a_level_for_a_style(tmp_path: Path) -> None:
    style = (
        '<w:style w:type="paragraph" w:styleId="H2"><w:name w:val="heading 2"/><w:pPr><w:numPr>'
        '<w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
    )
    second = '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:pStyle w:val="H2"/><w:lvlText w:val="%1.%2"/></w:lvl>'
    parts = numbering(levels(("decimal", "%1.")) + second)
    parts["styles.xml"] = ("styles", xml("styles", style))
    body = numbered("Part") + p(r("Scope"), '<w:pStyle w:val="H2"/>')
    assert texts(items(tmp_path, body, parts)) == ["1. Part", "1.1 Scope"]


def test_a_number_comes_from_the_style_and_counts_in_tables(tmp_path: Path) -> None:
    style = (
        '<w:style w:type="paragraph" w:styleId="Clause"><w:name w:val="Clause"/><w:pPr><w:numPr>'
        '<w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        '<w:style w:type="paragraph" w:styleId="Own"><w:name w:val="Own"/>'
        '<w:basedOn w:val="Clause"/></w:style>'
    )
    parts = numbering(levels(("decimal", "%1."), ("decimal", "%1.%2"))) | {
        "styles.xml": ("styles", xml("styles", style))
    }
    own, off = '<w:pStyle w:val="Own"/>', '<w:numPr><w:numId w:val="0"/></w:numPr>'
    body = (
        numbered("Part")
        + p(r("x"), own)
        + f"<w:tbl><w:tr><w:tc>{p(r('y'), own)}</w:tc></w:tr></w:tbl>"
        + p(r("no number"), own + off)
        + p(r("z"), own)
    )
    found = texts(items(tmp_path, body, parts))
    assert found == ["1. Part", "1.1 x", "| 1.2 y |\n| --- |", "no number", "1.3 z"]


# Comments


@pytest.mark.parametrize(
    ("author", "anchored", "expected"),
    [
        ("Bartholomew", True, 'Comment by Bartholomew on "the old windlass": Is it safe? Ask Ada.'),
        ("Bartholomew", False, "Comment by Bartholomew: Is it safe? Ask Ada."),
        ("", True, 'Comment on "the old windlass": Is it safe? Ask Ada.'),
    ],
)
def test_a_comment_has_its_author_and_the_words_it_is_on(
    tmp_path: Path, author: str, anchored: bool, expected: str
) -> None:
    who = f'w:author="{author}"' if author else ""
    comment = xml(
        "comments", f'<w:comment w:id="4" {who}>{p(r("Is it safe?"))}{p(r("Ask Ada."))}</w:comment>'
    )
    begin, end = (
        ('<w:commentRangeStart w:id="4"/>', '<w:commentRangeEnd w:id="4"/>') if anchored else ("", "")
    )
    body = p(
        r("Use ") + begin + r("the old ") + r("windlass") + end
        + '<w:r><w:commentReference w:id="4"/></w:r>' + r(" daily.")
    ) + p(r("Next."))  # fmt: skip
    found = items(tmp_path, body, {"comments.xml": ("comments", comment)})
    assert texts(found) == ["Use the old windlass daily.", expected, "Next."]
    assert [one.part for one in found if isinstance(one, Note)] == [Part.COMMENT]


def test_a_note_may_hold_boxes_and_pictures(tmp_path: Path) -> None:
    image = "<w:r><w:pict><v:shape><v:imagedata/></v:shape></w:pict></w:r>"
    note = f'<w:footnote w:id="4">{p(r("Seen at Brest.") + _TWICE + image)}</w:footnote>'
    body = p(r("Tides turn.") + '<w:r><w:footnoteReference w:id="4"/></w:r>')
    found = items(tmp_path, body, {"footnotes.xml": ("footnotes", xml("footnotes", note))})
    assert texts(found) == ["Tides turn.", "Footnote: Seen at Brest.", "Beware of the dog"]
    assert [one.message for one in found if isinstance(one, Note) and not one.read] == [
        "a picture without a description, not read"
    ]


# Forms


def legacy(kind: str) -> str:
    data = f'<w:ffData><w:name w:val="C"/>{kind}</w:ffData>'
    return f'<w:r><w:fldChar w:fldCharType="begin">{data}</w:fldChar></w:r>'


def box14(checked: int, sign: str) -> str:
    state = f'<w14:checkbox><w14:checked w14:val="{checked}"/></w14:checkbox>'
    return f"<w:sdt><w:sdtPr>{state}</w:sdtPr><w:sdtContent>{sign}</w:sdtContent></w:sdt>"


def sym(code: str, font: str = "Wingdings") -> str:
    return f'<w:r><w:sym w:font="{font}" w:char="{code}"/></w:r>'


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (box14(1, r("\u2612")), "\u2612 paid"),
        (box14(0, r("\u2610")), "\u2610 paid"),
        (box14(1, sym("F0FE")), "\u2611 paid"),
        (legacy('<w:checkBox><w:default w:val="0"/><w:checked/></w:checkBox>'), "\u2611 paid"),
        (legacy('<w:checkBox><w:default w:val="1"/></w:checkBox>'), "\u2611 paid"),
        (legacy('<w:checkBox><w:default w:val="1"/><w:checked w:val="0"/></w:checkBox>'), "\u2610 paid"),
        (sym("F0FE"), "\u2611 paid"),
        (sym("F0A8"), "\u2610 paid"),
        (sym("00FC"), "\u2713 paid"),
        (sym("F052", "Wingdings 2"), "\u2611 paid"),
        (sym("F063", "Webdings"), "\u2610 paid"),
        ('<w:r><w:rPr><w:rFonts w:ascii="Wingdings"/></w:rPr><w:t>\u00fe</w:t></w:r>', "\u2611 paid"),
        (r("\uf0a8"), "\u2610 paid"),
        (sym("F061", "Symbol"), "\u03b1 paid"),
        (
            legacy(
                '<w:ddList><w:result w:val="1"/><w:listEntry w:val="Oak"/>'
                '<w:listEntry w:val="Elm"/></w:ddList>'
            ),
            "Elm paid",
        ),
        (legacy('<w:ddList><w:listEntry w:val="Oak"/><w:listEntry w:val="Elm"/></w:ddList>'), "Oak paid"),
        (
            '<w:sdt><w:sdtPr><w:dropDownList><w:listItem w:displayText="Ochre" w:value="1"/>'
            '<w:listItem w:displayText="Vermilion" w:value="2"/></w:dropDownList></w:sdtPr>'
            f"<w:sdtContent>{r('Vermilion')}</w:sdtContent></w:sdt>",
            "Vermilion paid",
        ),
    ],
)
def test_what_a_form_shows_is_read(tmp_path: Path, field: str, expected: str) -> None:
    assert " ".join(texts(items(tmp_path, p(field + r(" paid"))))[0].split()) == expected


# Boxes and WordArt


def alternatives(choice: str, fallback: str) -> str:
    return (
        f'<w:r><mc:AlternateContent><mc:Choice Requires="wps">{choice}</mc:Choice>'
        f"<mc:Fallback>{fallback}</mc:Fallback></mc:AlternateContent></w:r>"
    )


_BOX = f"<w:txbxContent>{p(r('Beware of the dog'))}</w:txbxContent>"
_TWICE = alternatives(f"<wps:txbx>{_BOX}</wps:txbx>", f"<w:pict>{_BOX}</w:pict>")
_ART = '<w:pict><v:shape><v:textpath on="t" string="Grand Regatta"/></v:shape></w:pict>'


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (
            f"<w:r><w:pict><v:shape><v:textbox>{_BOX}</v:textbox></v:shape></w:pict></w:r>",
            ["Beware of the dog"],
        ),
        (_TWICE, ["Beware of the dog"]),
        (alternatives("", f"<w:pict>{_BOX}</w:pict>"), ["Beware of the dog"]),
        (f"<w:r>{_ART}</w:r>", ["Grand Regatta"]),
        (alternatives(f"<wps:txbx>{_BOX}</wps:txbx>", _ART), ["Beware of the dog"]),
        (
            f"<w:r><mc:AlternateContent><mc:Fallback>{_ART}</mc:Fallback></mc:AlternateContent></w:r>",
            ["Grand Regatta"],
        ),
    ],
)
def test_drawn_text_is_read_once(tmp_path: Path, drawn: str, expected: list[str]) -> None:
    assert texts(items(tmp_path, p(drawn))) == expected


def test_a_box_in_a_header_and_a_phonetic_guide_are_read(tmp_path: Path) -> None:
    ruby = f"<w:r><w:ruby><w:rt>{r('とうきょう')}</w:rt><w:rubyBase>{r('東京')}</w:rubyBase></w:ruby></w:r>"
    header = xml(
        "hdr",
        p(r("Harbour office") + alternatives(f"<wps:txbx>{_BOX}</wps:txbx>", f"<w:pict>{_BOX}</w:pict>")),
    )
    found = texts(items(tmp_path, p(ruby + r("に着く")), {"header1.xml": ("header", header)}))
    assert found == ["Harbour office", "Beware of the dog", "東京に着く", "Readings: 東京 (とうきょう)"]


# Headings


@pytest.mark.parametrize(
    ("styles", "properties", "level"),
    [
        ("", '<w:outlineLvl w:val="1"/>', 2),
        ('<w:style w:type="paragraph" w:styleId="H"><w:name w:val="heading 3"/></w:style>', "", 3),
        (
            '<w:style w:type="paragraph" w:styleId="B"><w:name w:val="heading 1"/></w:style>'
            '<w:style w:type="paragraph" w:styleId="H"><w:name w:val="Our clause"/>'
            '<w:basedOn w:val="B"/></w:style>',
            "",
            1,
        ),
        (
            '<w:style w:type="paragraph" w:styleId="H"><w:name w:val="Kapitel"/>'
            '<w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>',
            "",
            1,
        ),
        (
            '<w:style w:type="paragraph" w:styleId="H"><w:name w:val="heading 1"/></w:style>',
            '<w:outlineLvl w:val="9"/>',
            0,
        ),
        (
            '<w:style w:type="paragraph" w:styleId="H"><w:name w:val="H"/><w:basedOn w:val="H"/></w:style>',
            "",
            0,
        ),
    ],
)  # fmt: skip
def test_a_heading_is_known_by_style_base_or_level(
    tmp_path: Path, styles: str, properties: str, level: int
) -> None:
    parts = {"styles.xml": ("styles", xml("styles", styles))}
    found = items(tmp_path, p(r("The Quay"), '<w:pStyle w:val="H"/>' + properties), parts)
    (block,) = (one for one in found if isinstance(one, Block))
    assert (block.kind, block.level) == (BlockKind.HEADING if level else BlockKind.TEXT, level)
