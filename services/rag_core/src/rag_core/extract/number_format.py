"""Formats values of cells by their number format, as Excel does.

The format language: ECMA-376 part 1, section 18.8.31 (numFmts). What only serves alignment (`_x`, `*x`)
becomes a blank or nothing; colours and locales are ignored, and names of months are English.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import lru_cache

_TOKENS = re.compile(
    r'"(?P<text>[^"]*)"?|\\(?P<sign>.)|_(?P<space>.)|\*(?P<fill>.)|\[(?P<bracket>[^\[\]]*)\]'
    r"|(?P<half>AM/PM|A/P)|(?P<general>General)|(?P<time>y+|m+|d+|h+|s+(?:\.0+)?)|(?P<exponent>E[+-])"
    r"|(?P<digits>[0#?.,/]+)|(?P<other>.)",
    re.I | re.S,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)(-?[\d.]+)$")
_ELAPSED = re.compile(r"^[hms]+$", re.I)
_MOST = 1e20  # digits make no sense for larger values or NaN
_LONGEST = 255  # characters of a format that Excel accepts
_EXACT = Context(prec=_LONGEST + 25)  # the format's decimals, and the digits before them
_EPOCH = datetime(1899, 12, 30)
# Built-in format 14 is the short date of the viewer's locale (9/20/2018, 20.09.2018). The file does not say
# which, so days and months could be confused: show the ISO date.
_LOCAL_DATE, _CLEAR_DATE = "mm-dd-yy", "yyyy-mm-dd"
Token = tuple[str, str]


def shown(value: object, code: str | None) -> str:
    """Return a cell's value as its format shows it; a value that the format cannot show is left as it is."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    code = _CLEAR_DATE if code == _LOCAL_DATE else code
    sections = _sections(code if code and len(code) <= _LONGEST else "General")
    if isinstance(value, str):
        return _text(value, sections) or value
    if isinstance(value, datetime | date | time | timedelta):
        return _moment(value, sections[0]) or str(value)
    if isinstance(value, int | float):
        # A format may hide a value (;;;), but formulas use it, so it is shown.
        try:
            return (_number(float(value), sections) if abs(value) < _MOST else "") or _general(float(value))
        except ArithmeticError:  # more decimals, per cent signs or thousands than a number can have
            return _general(float(value))
    return str(value)


@lru_cache(maxsize=4096)
def _sections(code: str) -> tuple[tuple[Token, ...], ...]:
    sections: list[list[Token]] = [[]]
    for found in _TOKENS.finditer(code):
        kind = str(found.lastgroup)
        if kind == "other" and found[0] == ";":
            sections.append([])
        else:
            sections[-1].append((kind, found[kind]))
    return tuple(map(tuple, sections[:4]))


def _text(value: str, sections: tuple[tuple[Token, ...], ...]) -> str:
    """Format a text with the fourth section, or with a single one that has @."""
    section = sections[3] if len(sections) > 3 else sections[0]
    if ("other", "@") not in section:
        return value
    return "".join(value if one == ("other", "@") else _plain(one) for one in section).strip()


def _plain(token: Token) -> str:
    kind, text = token
    if kind in {"text", "sign"}:
        return text
    if kind == "space":
        return " "
    if kind == "bracket":  # a currency is written in brackets with its locale: [$€-407]
        return (
            text[1:].rpartition("-")[0] or text[1:]
            if text.startswith("$") and not text.startswith("$-")
            else ""
        )
    return text if kind == "other" and text not in "@%" else ""


def _number(value: float, sections: tuple[tuple[Token, ...], ...]) -> str:
    section, magnitude = _chosen(value, sections)
    if not section:
        return ""
    if _is_time(section):
        return _moment(value, section)
    kinds = {kind for kind, _ in section}
    if "general" in kinds or not kinds & {"digits"}:
        text = "".join(_general(magnitude) if kind == "general" else _plain((kind, t)) for kind, t in section)
        if "general" not in kinds and ("other", "@") in section:
            text = _general(magnitude)
        return text.strip()
    if any(kind == "other" and text == "%" for kind, text in section):
        hundreds = sum(text == "%" for kind, text in section if kind == "other")
        magnitude = float(Decimal(repr(magnitude)) * 100**hundreds)
    return _digits(magnitude, section).strip()


def _chosen(value: float, sections: tuple[tuple[Token, ...], ...]) -> tuple[tuple[Token, ...], float]:
    """Return the section for a value: by its condition, else by sign (positive, negative, zero)."""
    numeric = sections[:3] if len(sections) > 3 else sections
    others = list(numeric)
    for section in numeric:
        for kind, text in section:
            if kind == "bracket" and (found := _CONDITION.match(text)):
                others.remove(section)
                limit, sign = float(found[2]), found[1]
                holds = {"<": value < limit, ">": value > limit, "<=": value <= limit, ">=": value >= limit,
                         "=": value == limit, "<>": value != limit}[sign]  # fmt: skip
                if holds:
                    return section, abs(value) if len(numeric) > 1 else value
    if len(others) < len(numeric):  # a value that meets no condition uses the section without one
        return (others[0], value) if others else ((("general", "General"),), value)
    if value < 0 and len(numeric) > 1:
        return numeric[1], -value
    if value == 0 and len(numeric) > 2:
        return numeric[2], value
    return numeric[0], value


def _general(value: float) -> str:
    """Format a value in General; a large one keeps all 15 digits, since it may be an account number."""
    if math.isfinite(value) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.{15 if abs(value) >= 1e9 else 10}g}".upper()


def _digits(value: float, section: tuple[Token, ...]) -> str:
    """Fill a value into the section's digit placeholders; the text between them stays."""
    places = "".join(content for kind, content in section if kind == "digits")
    if "/" in places:
        return _fraction(value, section, places)
    value /= 1000 ** (len(places) - len(places.rstrip(",")))
    whole, _, decimals = places.rstrip(",").partition(".")
    sign, value = "-" if value < 0 else "", abs(value)
    exponent = any(kind == "exponent" for kind, _ in section)
    if exponent:
        decimals = decimals[: len(decimals) - len(_after_exponent(section))]
        text = f"{value:.{len(decimals)}E}"
        mantissa, _, power = text.partition("E")
        power_places = len(_after_exponent(section))
        figure = f"{mantissa}E{power[0]}{str(int(power[1:])).zfill(power_places)}"
    else:
        # Round half up, as Excel does, by the decimal value shown: 2.675 becomes 2.68.
        exact = Decimal(repr(value)).quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP, _EXACT)
        figure = _optional(f"{exact:{',' if ',' in whole else ''}f}", decimals)
        lacking = whole.count("0") - len(figure.partition(".")[0].replace(",", ""))
        figure = "0" * lacking + figure
        if not whole.count("0") and figure.startswith("0.") and decimals:
            figure = figure[1:]
    return (sign if figure.strip("0.,") else "") + _around(figure, section).lstrip()


def _after_exponent(section: tuple[Token, ...]) -> str:
    after = False
    for kind, text in section:
        if after and kind == "digits":
            return text
        after = after or kind == "exponent"
    return "00"


def _parted(figure: str, section: tuple[Token, ...]) -> list[str]:
    """Split a number at the other characters between placeholders: 000-0000 for a telephone number."""
    runs = [len(text) for kind, text in section if kind == "digits"]
    parts: list[str] = []
    for width in reversed(runs[1:]):
        figure, part = figure[: max(0, len(figure) - width)], figure[max(0, len(figure) - width) :]
        parts.append(part)
    return [figure, *reversed(parts)]


def _optional(figure: str, decimals: str) -> str:
    """Drop trailing zeros whose placeholder is optional (#, ?)."""
    spare = len(decimals) - len(decimals.rstrip("#?"))
    while spare and figure.endswith("0"):
        figure, spare = figure[:-1], spare - 1
    return figure.rstrip(".") if decimals and not decimals.strip("#?") else figure


def _around(figure: str, section: tuple[Token, ...]) -> str:
    """Put the number in place of the section's placeholders, between its other characters."""
    runs = [text for kind, text in section if kind == "digits"]
    parted = len(runs) > 1 and not "".join(runs).strip("0#?")
    parted = parted and not any(kind == "exponent" for kind, _ in section)
    coming = iter(_parted(figure, section) if parted else [figure])
    written: list[str] = []
    for kind, text in section:
        if kind in {"digits", "exponent"}:
            written.append(next(coming, ""))
        else:
            written.append(text if kind == "other" and text == "%" else _plain((kind, text)))
    return "".join(written)


def _fraction(value: float, section: tuple[Token, ...], places: str) -> str:
    below = places.rpartition("/")[2]
    most = int(below) if below.isdigit() and int(below) else 10 ** max(1, len(below)) - 1
    whole, rest = divmod(abs(value), 1)
    part = Fraction(round(rest * most), most) if below.isdigit() else Fraction(rest).limit_denominator(most)
    text = f"{int(whole)} {part.numerator}/{part.denominator}" if whole and part else str(part or int(whole))
    return ("-" if value < 0 else "") + text


def _is_time(section: tuple[Token, ...]) -> bool:
    return any(kind == "time" or (kind == "bracket" and _ELAPSED.match(text)) for kind, text in section)


def _moment(value: object, section: tuple[Token, ...]) -> str:
    """Format a date, a time or a duration; as ISO 8601 if the format shows none."""
    if isinstance(value, int | float):
        days = float(value)
    elif isinstance(value, timedelta):
        days = value / timedelta(days=1)
    elif isinstance(value, time):
        days = (value.hour * 3600 + value.minute * 60 + value.second) / 86_400
    else:
        whole = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # type: ignore[attr-defined]
        days = (whole.replace(tzinfo=None) - _EPOCH) / timedelta(days=1)
    if not _is_time(section):
        if isinstance(value, datetime) and value.time() == time():
            return value.date().isoformat()
        return value.isoformat() if isinstance(value, datetime | date | time) else _general(days)
    try:
        moment = _EPOCH + timedelta(seconds=round(days * 86_400, 3))
    except OverflowError:
        return _general(days)
    half = any(kind == "half" for kind, _ in section)
    written: list[str] = []
    for index, (kind, text) in enumerate(section):
        if kind == "time":
            written.append(_unit(text.lower(), moment, half=half, minutes=_is_minutes(section, index)))
        elif kind == "bracket" and _ELAPSED.match(text):
            unit = {"h": 3600, "m": 60, "s": 1}[text[0].lower()]
            written.append(str(int(round(days * 86_400) // unit)).zfill(len(text)))
        elif kind == "half":
            written.append("AM" if moment.hour < 12 else "PM")
        else:
            written.append(text if kind == "digits" else _plain((kind, text)))
    return "".join(written).strip()


def _is_minutes(section: tuple[Token, ...], index: int) -> bool:
    """Whether an m stands for minutes: it follows hours, or seconds follow it."""
    units = [(i, text.lower()) for i, (kind, text) in enumerate(section)
             if kind == "time" or (kind == "bracket" and _ELAPSED.match(text))]  # fmt: skip
    at = next((place for place, (i, _) in enumerate(units) if i == index), 0)
    before = units[at - 1][1] if at else ""
    after = units[at + 1][1] if at + 1 < len(units) else ""
    return before.startswith("h") or after.startswith("s")


def _unit(text: str, moment: datetime, *, half: bool, minutes: bool) -> str:
    width = len(text)
    match text[0]:
        case "y":
            return f"{moment.year % 100:02}" if width <= 2 else f"{moment.year:04}"
        case "m" if minutes:
            return str(moment.minute).zfill(min(width, 2))
        case "m":
            names = {3: f"{moment:%b}", 4: f"{moment:%B}", 5: f"{moment:%B}"[0]}
            return names.get(width, str(moment.month).zfill(min(width, 2)))
        case "d":
            return {3: f"{moment:%a}", 4: f"{moment:%A}"}.get(width, str(moment.day).zfill(min(width, 2)))
        case "h":
            hour = (moment.hour % 12 or 12) if half else moment.hour
            return str(hour).zfill(min(width, 2))
        case _:
            seconds, _, parts = text.partition(".")
            tail = f".{moment.microsecond:06}"[: len(parts) + 1] if parts else ""
            return str(moment.second).zfill(min(len(seconds), 2)) + tail
