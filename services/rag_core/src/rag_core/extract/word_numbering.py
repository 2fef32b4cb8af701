"""Automatic numbers of paragraphs ("3.2", "(a)", "IV."), as Word counts them.

ECMA-376 part 1, section 17.9: numbering.xml has definitions (abstractNum) of nine levels, instances (num) of
them that may override a level, and paragraphs or their styles name an instance and a level.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from docx.oxml.ns import qn

_PLACE = re.compile(r"%([1-9])")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
          (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_RUSSIAN = "абвгдежзиклмнопрстуфхцчшщэюя"
_CHINESE = "\u3007\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d"
_STEMS = "\u7532\u4e59\u4e19\u4e01\u620a\u5df1\u5e9a\u8f9b\u58ec\u7678"
_COUNTING = {"chineseCounting", "chineseCountingThousand", "taiwaneseCounting", "taiwaneseCountingThousand",
             "japaneseCounting", "ideographDigital"}  # fmt: skip
_LEVELS = 9
_BULLET = "- "


@dataclass(slots=True)
class _Level:
    start: int
    form: str
    text: str
    legal: bool = False  # every level in it is shown in Arabic numerals
    restart: int | None = (
        None  # after which levels (counted from 1) it starts again; 0: never; None: after any
    )
    style: str = ""  # the style of its paragraphs


@dataclass(slots=True)
class _List:
    """One sequence of numbers: instances of the same definition continue it, unless they restart it."""

    counts: list[int | None] = field(default_factory=lambda: [None] * _LEVELS)


class Numbering:
    """The numbers of one document; labels must be requested paragraph by paragraph, in order."""

    def __init__(self, root: Any | None) -> None:
        self._levels: dict[str, dict[int, _Level]] = {}
        self._definition: dict[str, str] = {}
        self._starts: dict[str, dict[int, int]] = {}
        self._lists: dict[str, _List] = {}
        self._started: set[str] = set()
        self._by_style: dict[str, str] = {}
        if root is not None:
            self._learn(root)

    def label(self, instance: str, level: int) -> str:
        """Return the label of the next paragraph of this list and level, with a blank, or an empty text."""
        definition = self._definition.get(instance)
        levels = self._levels.get(definition or "", {})
        if definition is None or level not in levels:
            return ""
        kept = self._lists.setdefault(definition, _List())
        if instance not in self._started:
            self._started.add(instance)
            for at, start in self._starts.get(instance, {}).items():
                kept.counts[at] = start - 1
        now = levels[level]
        before = kept.counts[level]
        kept.counts[level] = now.start if before is None else before + 1
        for deeper in range(level + 1, _LEVELS):
            its = levels.get(deeper)
            if its is None or its.restart is None or level < its.restart:
                kept.counts[deeper] = None
        if now.form in {"bullet", "none"} or not now.text:
            return _BULLET if now.form == "bullet" else ""

        def counted(found: re.Match[str]) -> str:
            at = int(found[1]) - 1
            its = levels.get(at, _Level(1, "decimal", ""))
            value = kept.counts[at]
            return _figure(value if value is not None else its.start, "decimal" if now.legal else its.form)

        return _PLACE.sub(counted, now.text).strip() + " "

    def level_of(self, instance: str, style: str) -> int:
        """Return the level that a list assigns to a style whose paragraphs name none."""
        levels = self._levels.get(self._definition.get(instance, ""), {})
        return next((at for at, level in levels.items() if level.style == style), 0)

    def _learn(self, root: Any) -> None:
        linked: dict[str, str] = {}
        for one in root.iterfind(qn("w:abstractNum")):
            number = str(one.get(qn("w:abstractNumId")))
            self._levels[number] = {_index(level): _level(level) for level in one.iterfind(qn("w:lvl"))}
            if (style := one.find(qn("w:styleLink"))) is not None:
                self._by_style[str(style.get(qn("w:val")))] = number
            if (style := one.find(qn("w:numStyleLink"))) is not None:
                linked[number] = str(style.get(qn("w:val")))
        for number, style in linked.items():
            self._levels[number] = self._levels[number] or self._levels.get(self._by_style.get(style, ""), {})
        for one in root.iterfind(qn("w:num")):
            instance = str(one.get(qn("w:numId")))
            definition = str(_value(one.find(qn("w:abstractNumId"))))
            changes = list(one.iterfind(qn("w:lvlOverride")))
            if any(change.find(qn("w:lvl")) is not None for change in changes):
                # A list of its own, since its levels differ.
                own = dict(self._levels.get(definition, {}))
                own |= {
                    _index(c): _level(c.find(qn("w:lvl"))) for c in changes if c.find(qn("w:lvl")) is not None
                }
                definition = f"{definition} of {instance}"
                self._levels[definition] = own
            self._definition[instance] = definition
            self._starts[instance] = {
                _index(change): _whole(start, 1)
                for change in changes
                if (start := change.find(qn("w:startOverride"))) is not None
            }


def _level(element: Any) -> _Level:
    start, form, text = (element.find(qn(f"w:{name}")) for name in ("start", "numFmt", "lvlText"))
    restart, style = element.find(qn("w:lvlRestart")), element.find(qn("w:pStyle"))
    return _Level(
        start=_whole(start, 1) if start is not None else 0,
        form=_value(form) or "decimal",
        text=_value(text),
        legal=element.find(qn("w:isLgl")) is not None,
        restart=_whole(restart, 0) if restart is not None else None,
        style=_value(style),
    )


def _index(element: Any) -> int:
    text = str(element.get(qn("w:ilvl"), "0"))
    return min(int(text), _LEVELS - 1) if text.isdigit() else 0


def _value(element: Any | None) -> str:
    return str(element.get(qn("w:val"), "")) if element is not None else ""


def _whole(element: Any, otherwise: int) -> int:
    text = _value(element)
    return int(text) if text.isdecimal() and len(text) < 8 else otherwise


def _chinese(value: int) -> str:
    """Write numbers up to 99 in Chinese, as for clauses of contracts; digits above."""
    if not 0 < value < 100:
        return str(value)
    tens, ones = divmod(value, 10)
    text = (_CHINESE[tens] if tens > 1 else "") + ("\u5341" if tens else "")
    return text + (_CHINESE[ones] if ones or not tens else "")


def _figure(value: int, form: str) -> str:
    match form:
        case "lowerLetter" | "upperLetter":
            letter = chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 + 1) if value > 0 else ""
            return letter.upper() if form == "upperLetter" else letter
        case "lowerRoman" | "upperRoman":
            text = ""
            for worth, sign in _ROMAN:
                text += sign * (value // worth)
                value %= worth
            return text.upper() if form == "upperRoman" else text
        case "decimalZero":
            return f"{value:02}"
        case "ordinal":
            ending = "th" if 10 < value % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
            return f"{value}{ending}"
        case "bullet" | "none":
            return ""
        case "russianLower" | "russianUpper" if 0 < value <= len(_RUSSIAN):
            return _RUSSIAN[value - 1].upper() if form == "russianUpper" else _RUSSIAN[value - 1]
        case "ideographTraditional" if 0 < value <= len(_STEMS):
            return _STEMS[value - 1]
        case _ if form in _COUNTING:
            return _chinese(value)
        case "numberInDash":
            return f"- {value} -"
        case "decimalEnclosedParen":
            return f"({value})"
        case "decimalEnclosedFullstop":
            return f"{value}."
        case _:
            return str(value)
