"""Charts in presentations: each kind yields its figures, and none breaks the rest of the deck."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from pptx.chart import data
from pptx.enum.chart import XL_CHART_TYPE

from services.rag_core.tests.reading import read, unread
from services.rag_core.tests.slide_markup import (
    FIGURES,
    PLACE,
    box,
    charted,
    deck,
    edit,
    frame,
    last,
    put,
)

KINDS = [
    "bar3DChart", "pie3DChart", "ofPieChart", "surfaceChart", "surface3DChart", "line3DChart", "area3DChart",
    "stockChart", "radarChart", "doughnutChart", "chartOfTomorrow",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_chart_of_any_kind_gives_its_figures_and_costs_nothing(tmp_path: Path, kind: str) -> None:
    path = deck(tmp_path / "c.pptx", charted(XL_CHART_TYPE.COLUMN_CLUSTERED), last)
    name = next(one for one in zipfile.ZipFile(path).namelist() if one.startswith("ppt/charts/chart"))
    text, notes = read(edit(path, {name: lambda markup: markup.replace("c:barChart", f"c:{kind}")}))
    assert "| Herring | 412 | 719 |\n| Turbot | 36.5 | 5127 |" in text
    assert "Wilhelmina Scrope" in text
    assert not unread(notes)


def test_second_plot_of_a_chart_is_read(tmp_path: Path) -> None:
    path = deck(tmp_path / "c.pptx", charted(XL_CHART_TYPE.COLUMN_CLUSTERED))
    name = next(one for one in zipfile.ZipFile(path).namelist() if one.startswith("ppt/charts/chart"))

    def parted(markup: str) -> str:
        """Move the second series to its own plot."""
        at = markup.rindex("<c:ser>")
        end = markup.index("</c:ser>", at) + len("</c:ser>")
        series = markup[at:end]
        markup = markup[:at] + markup[end:]
        return markup.replace("</c:barChart>", f"</c:barChart><c:lineChart>{series}</c:lineChart>")

    text, _ = read(edit(path, {name: parted}))
    assert "|  | Tonnes landed | Crowns |\n| --- | --- | --- |\n| Herring | 412 | 719 |" in text


@pytest.mark.parametrize(
    ("kind", "figures", "row"),
    [
        (XL_CHART_TYPE.XY_SCATTER, FIGURES.XyChartData(), "| 0.5 | 17 |"),
        (XL_CHART_TYPE.BUBBLE, FIGURES.BubbleChartData(), "| 0.5 | 17 | 3 |"),
    ],
)
def test_points_of_a_plane_are_read(tmp_path: Path, kind: Any, figures: Any, row: str) -> None:
    series = figures.add_series("Depth")
    series.add_data_point(0.5, 17, *([3] if isinstance(figures, data.BubbleChartData) else []))
    text, _ = read(deck(tmp_path / "s.pptx", lambda slide: slide.shapes.add_chart(kind, *PLACE, figures)))
    assert row in text


def test_figures_of_a_chart_are_written_as_it_shows_them(tmp_path: Path) -> None:
    path = deck(tmp_path / "c.pptx", charted(XL_CHART_TYPE.COLUMN_CLUSTERED))
    name = next(one for one in zipfile.ZipFile(path).namelist() if one.startswith("ppt/charts/chart"))
    changed = {name: lambda markup: markup.replace("General", "0.0%").replace(">412<", ">0.1534<")}
    assert "| Herring | 15.3% |" in read(edit(path, changed))[0]


NEWER = """<cx:chartSpace xmlns:cx="http://schemas.microsoft.com/office/drawing/2014/chartex"><cx:chartData>
<cx:data id="0">
<cx:strDim type="cat"><cx:lvl><cx:pt idx="0">Herring</cx:pt><cx:pt idx="1">Turbot</cx:pt></cx:lvl></cx:strDim>
<cx:numDim type="val"><cx:lvl><cx:pt idx="0">412</cx:pt><cx:pt idx="1">36</cx:pt></cx:lvl></cx:numDim>
</cx:data></cx:chartData><cx:chart>
<cx:title><cx:tx><cx:txData><cx:v>Landings</cx:v></cx:txData></cx:tx></cx:title>
<cx:plotArea><cx:plotAreaRegion><cx:series layoutId="KIND">
<cx:tx><cx:txData><cx:v>Tonnes</cx:v></cx:txData></cx:tx><cx:dataId val="0"/>
</cx:series></cx:plotAreaRegion></cx:plotArea></cx:chart></cx:chartSpace>"""


@pytest.mark.parametrize("kind", ["waterfall", "sunburst", "funnel", "treemap"])
def test_chart_of_the_newer_markup_is_read(tmp_path: Path, kind: str) -> None:
    inner = '<cx:chart xmlns:cx="http://schemas.microsoft.com/office/drawing/2014/chartex" r:id="rId77"/>'
    uri = "http://schemas.microsoft.com/office/drawing/2014/chartex"
    choice = (
        f'<mc:AlternateContent><mc:Choice Requires="cx1">{frame(uri, inner)}</mc:Choice>'
        f"<mc:Fallback>{box('This is not available')}</mc:Fallback></mc:AlternateContent>"
    )
    path = deck(tmp_path / "n.pptx", lambda slide: put(slide, choice))
    link = (
        '<Relationship Id="rId77" Type="http://schemas.microsoft.com/office/2014/relationships/chartEx"'
        ' Target="../charts/chartEx1.xml"/></Relationships>'
    )
    rels = "ppt/slides/_rels/slide1.xml.rels"
    types = (
        '<Override PartName="/ppt/charts/chartEx1.xml" ContentType="application/vnd.ms-office.chartex+xml"/>'
    )
    edit(
        path,
        {
            rels: lambda markup: markup.replace("</Relationships>", link),
            "[Content_Types].xml": lambda markup: markup.replace("</Types>", f"{types}</Types>"),
        },
        {"ppt/charts/chartEx1.xml": NEWER.replace("KIND", kind).encode()},
    )
    text, _ = read(path)
    assert "| Landings | Tonnes |\n| --- | --- |\n| Herring | 412 |\n| Turbot | 36 |" in text
    assert "not available" not in text
