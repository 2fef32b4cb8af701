"""Equations of Word (OMML) in one line, as people type them: a/b, x^2, sqrt(x), sum_(i=1)^n."""

from __future__ import annotations

import re
from typing import Any

_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"

_SWITCH = re.compile(r"\\[A-Za-z]{1,2}(?:[ ]?\d{1,4})?")


def of_field(code: str) -> str:
    """Return the parts of an older program's equation (field code EQ); empty for any other code."""
    code = code.strip()
    return _SWITCH.sub(" ", code[2:]).strip() if code[:3].upper() in {"EQ ", "EQ\\"} else ""


def linear(element: Any) -> str:
    """The equation, or the part of one, as text."""
    name = str(element.tag).removeprefix(_MATH)
    match name:
        case "t":
            return element.text or ""
        case "f":
            return f"{_grouped(element, 'num')}/{_grouped(element, 'den')}"
        case "sSup":
            return f"{_part(element, 'e')}^{_grouped(element, 'sup')}"
        case "sSub":
            return f"{_part(element, 'e')}_{_grouped(element, 'sub')}"
        case "sSubSup" | "sPre":
            return f"{_part(element, 'e')}_{_grouped(element, 'sub')}^{_grouped(element, 'sup')}"
        case "rad":
            degree = _part(element, "deg")
            return f"{f'root {degree}' if degree else 'sqrt'}({_part(element, 'e')})"
        case "nary":
            sign = _property(element, "naryPr", "chr", "\u222b")
            below, above = _part(element, "sub"), _part(element, "sup")
            limits = (f"_({below})" if below else "") + (f"^({above})" if above else "")
            return f"{sign}{limits} {_part(element, 'e')}"
        case "d":
            begin, between, end = (
                _property(element, "dPr", which, usual)
                for which, usual in (("begChr", "("), ("sepChr", "|"), ("endChr", ")"))
            )
            return begin + between.join(linear(one) for one in element if one.tag == f"{_MATH}e") + end
        case "func":
            return f"{_part(element, 'fName')} {_part(element, 'e')}"
        case "limLow":
            return f"{_part(element, 'e')}_({_part(element, 'lim')})"
        case "limUpp":
            return f"{_part(element, 'e')}^({_part(element, 'lim')})"
        case "acc":
            return _part(element, "e") + _property(element, "accPr", "chr", "\u0302")
        case "bar":
            return f"{_part(element, 'e')}\u0305"
        case "eqArr":
            return "; ".join(linear(one) for one in element if one.tag == f"{_MATH}e")
        case "m":
            rows = (" ".join(linear(cell) for cell in row) for row in element if row.tag == f"{_MATH}mr")
            return f"[{'; '.join(rows)}]"
    if name.endswith("Pr"):
        return ""
    return "".join(linear(one) for one in element if isinstance(one.tag, str))


def _part(element: Any, name: str) -> str:
    found = element.find(f"{_MATH}{name}")
    return linear(found) if found is not None else ""


def _property(element: Any, holder: str, name: str, usual: str) -> str:
    """Return a character set in the element's properties; a property without a value means none."""
    found = element.find(f"{_MATH}{holder}/{_MATH}{name}")
    return str(found.get(f"{_MATH}val") or "") if found is not None else usual


def _grouped(element: Any, name: str) -> str:
    text = _part(element, name)
    return text if len(text) == 1 or text.isalnum() else f"({text})"
