"""Equations of Word (OMML) in one line, as people type them: a/b, x^2, sqrt(x), sum_(i=1)^n."""

from __future__ import annotations

from typing import Any

_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"


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
            sign = next((one.get(f"{_MATH}val") for one in element.iter(f"{_MATH}chr")), "\u222b")
            below, above = _part(element, "sub"), _part(element, "sup")
            limits = (f"_({below})" if below else "") + (f"^({above})" if above else "")
            return f"{sign}{limits} {_part(element, 'e')}"
        case "d":
            begin, end = (
                next((one.get(f"{_MATH}val") or "" for one in element.iter(f"{_MATH}{which}")), usual)
                for which, usual in (("begChr", "("), ("endChr", ")"))
            )
            inner = ", ".join(linear(one) for one in element if one.tag == f"{_MATH}e")
            return f"{begin}{inner}{end}"
        case "m":
            rows = (" ".join(linear(cell) for cell in row) for row in element if row.tag == f"{_MATH}mr")
            return f"[{'; '.join(rows)}]"
    if name.endswith("Pr"):
        return ""
    return "".join(linear(one) for one in element if isinstance(one.tag, str))


def _part(element: Any, name: str) -> str:
    found = element.find(f"{_MATH}{name}")
    return linear(found) if found is not None else ""


def _grouped(element: Any, name: str) -> str:
    said = _part(element, name)
    return said if len(said) == 1 or said.isalnum() else f"({said})"
