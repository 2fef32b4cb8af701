"""Presentations built for tests: a slide for each fill function, and parts edited as markup."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pptx
from lxml import etree
from pptx.chart import data
from pptx.util import Inches

DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
SLIDE = "http://schemas.openxmlformats.org/presentationml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
CHOICES = "http://schemas.openxmlformats.org/markup-compatibility/2006"
SPACES = f'xmlns:p="{SLIDE}" xmlns:a="{DRAWING}" xmlns:r="{RELATIONS}" xmlns:mc="{CHOICES}"'
PLACE = (Inches(1), Inches(2), Inches(6), Inches(3))
FIRST = "ppt/slides/slide1.xml"
Fill = Callable[[Any], None]
FIGURES: Any = data  # the library has no types


def deck(path: Path, *fills: Fill, layout: int = 5) -> Path:
    """Create a deck with a slide titled "Catch 1", "Catch 2"... for each fill."""
    made = pptx.Presentation()
    for number, fill in enumerate(fills, 1):
        slide = made.slides.add_slide(made.slide_layouts[layout])
        slide.shapes.title.text = f"Catch {number}"
        fill(slide)
    made.save(str(path))
    return path


def edit(path: Path, changes: dict[str, Callable[[str], str]], more: dict[str, bytes] | None = None) -> Path:
    """Change the markup of parts of the deck, and add parts."""
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    for name, change in changes.items():
        parts[name] = change(parts[name].decode()).encode()
    with zipfile.ZipFile(path, "w") as whole:
        for name, content in (parts | (more or {})).items():
            whole.writestr(name, content)
    return path


def put(slide: Any, markup: str) -> None:
    """Add a shape given as markup, with the usual prefixes declared."""
    slide.shapes._spTree.append(etree.fromstring(markup.replace(">", f" {SPACES}>", 1)))


def box(words: str, number: int = 90) -> str:
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="Box {number}"/><p:cNvSpPr/><p:nvPr/></p:nvSpPr>'
        "<p:spPr/>"
        f"<p:txBody><a:bodyPr/><a:p><a:r><a:t>{words}</a:t></a:r></a:p></p:txBody></p:sp>"
    )


def frame(uri: str, inner: str) -> str:
    return (
        '<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id="80" name="Frame 80"/><p:cNvGraphicFramePr/>'
        '<p:nvPr/></p:nvGraphicFramePr><p:xfrm><a:off x="0" y="0"/><a:ext cx="9" cy="9"/></p:xfrm><a:graphic>'
        f'<a:graphicData uri="{uri}">{inner}</a:graphicData></a:graphic></p:graphicFrame>'
    )


def nothing(slide: Any) -> None:
    """Leave the slide with only its title."""


def last(slide: Any) -> None:
    slide.shapes.add_textbox(*PLACE).text_frame.text = "halved, says Wilhelmina Scrope"


def charted(kind: Any) -> Fill:
    def fill(slide: Any) -> None:
        figures = FIGURES.CategoryChartData()
        figures.categories = ["Herring", "Turbot"]
        figures.add_series("Tonnes landed", (412, 36.5))
        figures.add_series("Crowns", (719, 5127))
        slide.shapes.add_chart(kind, *PLACE, figures)

    return fill
