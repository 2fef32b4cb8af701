"""The library with many files at once: each file has its own progress, error message and retry."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import forget, open_tab, take_picture, wait_for_state

MANY = 12


@pytest.fixture
def pile(tmp_path: Path, researcher: Page) -> Iterator[list[Path]]:
    """Many small files, one of them under two names; deleted afterwards."""
    paths = [tmp_path / f"pile-{number:02d}.md" for number in range(MANY)]
    for number, path in enumerate(paths):
        path.write_text(
            f"# Note {number}\n\nBarrel {number} of the brewery at Kinsale holds {number * 7} pints.\n"
        )
    double = tmp_path / "pile-double.md"
    double.write_bytes(paths[0].read_bytes())
    yield [*paths, double]
    for path in paths:
        forget(researcher, path.name)


def test_many_files_arrive_though_one_is_refused_and_the_line_breaks(
    researcher: Page, pile: list[Path], tmp_path: Path
) -> None:
    empty = tmp_path / "pile-empty.pdf"
    empty.touch()
    broken = 0

    def breaks_twice(route: Route) -> None:
        nonlocal broken
        broken += 1
        route.abort("connectionreset") if broken <= 2 else route.continue_()

    researcher.route("**/api/documents", breaks_twice)
    open_tab(researcher, "Library")
    researcher.locator("#rd-drop input[type=file]").set_input_files([*pile, empty])
    message = researcher.locator("#rd-outcome")
    expect(message).to_contain_text(f"{len(pile)} files taken", timeout=60_000)
    expect(message).to_contain_text("1 file not taken")
    expect(message).not_to_contain_text("on the way")
    assert broken > 2
    expect(researcher.locator("#rd-drop li")).to_have_count(1)
    expect(researcher.locator("#rd-drop li")).to_contain_text(f"{empty.name}the file is empty")
    take_picture(researcher, "library-refused-light")

    researcher.locator("#rd-search textarea, #rd-search input").fill("pile-double")
    row = researcher.locator("li.rd-doc")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("pile-00.md")
    expect(row).to_contain_text("pile-double.md")
    researcher.locator("#rd-search textarea, #rd-search input").fill("pile-")
    expect(row).to_have_count(MANY)
    wait_for_state(researcher, "pile-00.md", "ready", seconds=120)


def test_file_that_cannot_be_sent_says_so_and_can_be_tried_again(researcher: Page, tmp_path: Path) -> None:
    note = tmp_path / "pile-late.md"
    note.write_text("The ferry to Cape Clear leaves at noon.\n")
    researcher.route("**/api/documents", lambda route: route.abort("connectionreset"))
    open_tab(researcher, "Library")
    researcher.locator("#rd-drop input[type=file]").set_input_files(note)
    line = researcher.locator("#rd-drop li", has_text=note.name)
    expect(line).to_contain_text("The connection was lost.", timeout=30_000)
    researcher.unroute("**/api/documents")
    line.get_by_role("button", name="Try again").click()
    expect(researcher.locator("#rd-outcome")).to_have_text(re.compile("^1 file taken"), timeout=30_000)
    forget(researcher, note.name)


def test_an_unreadable_file_shows_why_and_is_found_by_its_state(researcher: Page, tmp_path: Path) -> None:
    bad = tmp_path / "pile-broken.pdf"
    bad.write_bytes(b"%PDF-1.7\n" + b"this is no document at all\n" * 20)
    open_tab(researcher, "Library")
    researcher.locator("#rd-drop input[type=file]").set_input_files(bad)
    row = researcher.locator("li.rd-doc", has_text=bad.name)
    expect(row).to_have_attribute("data-state", "failed", timeout=120_000)
    expect(row.locator(".rd-reason")).not_to_be_empty()
    researcher.get_by_label("State", exact=True).click()
    researcher.get_by_role("option", name="Failed").click()
    expect(row).to_be_visible()
    expect(researcher.locator("li.rd-doc:not([data-state=failed])")).to_have_count(0)
    take_picture(researcher, "library-failed-light")
    again = row.get_by_role("button", name="Try")
    again.click()
    expect(again).to_be_enabled(timeout=120_000)
    researcher.get_by_label("State", exact=True).click()
    researcher.get_by_role("option", name="Any state").click()
    forget(researcher, bad.name)
