"""Uploading documents by hand: dropped, tagged, watched; and scripts in a document never run."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import forget, open_tab, wait_for_state
from tests.browser.test_ask import ask, only_from

DROP = """(zone, files) => {
  const data = new DataTransfer();
  for (const [name, text] of files) data.items.add(new File([text], name));
  const options = { dataTransfer: data, bubbles: true, cancelable: true };
  zone.dispatchEvent(new DragEvent("dragover", options));
  zone.dispatchEvent(new DragEvent("drop", options));
}"""
SCRIPT = "<img src=x onerror=window.broken=1>"
HOSTILE = f"{SCRIPT}.md"
SHOWN = HOSTILE.translate({ord("<"): None, ord(">"): None})
"""Such characters are removed from a name on upload."""
TALE = (
    f"# Tides {SCRIPT}\n\n<script>window.broken=1</script>\n\n"
    f"The tide gauge of Skerryvore is {SCRIPT} painted violet.\n\n"
    "[press](javascript:window.broken=1) <svg onload=window.broken=1></svg>\n"
)


def test_files_that_are_dropped_are_taken_and_can_be_tagged(researcher: Page) -> None:
    open_tab(researcher, "Library")
    names = ["dropped-one.md", "dropped-two.md"]
    files = [[name, f"The buoy {name} lies off Mizen Head.\n"] for name in names]
    researcher.locator("#rd-drop .rd-dropzone").evaluate(DROP, files)
    expect(researcher.locator("#rd-outcome")).to_contain_text("2 files taken", timeout=30_000)
    row = researcher.locator("li.rd-doc", has_text=names[0])
    # The table is drawn again when a state changes: its buttons stay only after the last change.
    for name in names:
        one = researcher.locator("li.rd-doc", has_text=name)
        expect(one).to_have_attribute("data-state", "ready", timeout=120_000)
    researcher.once("dialog", lambda dialog: dialog.accept("buoys, Mizen"))
    for control in (
        "#rd-drop input[type=file]",
        *(f"#rd-library button[data-action={w}]" for w in ("tag", "delete")),
    ):
        reach(researcher, control)
    tags = row.get_by_role("button", name="Tags of")
    tags.focus()
    researcher.keyboard.press("Enter")
    expect(row.locator(".rd-tag")).to_have_count(2, timeout=30_000)
    row.locator(".rd-tag", has_text="buoys").click()
    expect(researcher.locator("li.rd-doc")).to_have_count(1)
    researcher.locator("#rd-search :is(input, textarea)").fill("")
    for name in names:
        forget(researcher, name)


def test_reading_tells_how_far_it_is(researcher: Page, tmp_path: Path) -> None:
    paths = [tmp_path / f"progress-{number:02d}.md" for number in range(8)]
    for number, path in enumerate(paths):
        path.write_text(f"Cask {number} holds water.\n\n" * 200)
    open_tab(researcher, "Library")
    researcher.locator("#rd-drop input[type=file]").set_input_files(paths)
    expect(researcher.locator("#rd-ingestion")).to_contain_text("left", timeout=60_000)
    for path in paths:
        forget(researcher, path.name)
    expect(researcher.locator("#rd-ingestion .rd-work")).to_have_count(0, timeout=60_000)


def test_hostile_document_runs_no_script_anywhere(researcher: Page, tmp_path: Path) -> None:
    """Scripts in its name, heading and text; shown in table, filter, an answer's sources and the reader.

    The question is limited to this document: a very small model may answer from another one.
    """
    path = tmp_path / HOSTILE
    path.write_text(TALE)
    open_tab(researcher, "Library")
    researcher.locator("#rd-drop input[type=file]").set_input_files(path)
    expect(researcher.locator("li.rd-doc", has_text=SHOWN)).to_be_visible(timeout=30_000)
    wait_for_state(researcher, SHOWN, "ready", seconds=120)
    open_tab(researcher, "Ask")
    only_from(researcher, SHOWN)
    answer = ask(researcher, "Which colour has the tide gauge of Skerryvore?")
    source = answer.locator("details.rd-source", has_text="onerror").first
    source.locator("summary").click()
    source.get_by_role("button", name="Read it in the document").click()
    expect(researcher.locator("#rd-reader h2")).to_have_text(SHOWN)
    expect(researcher.locator("#rd-reader")).to_contain_text("violet")
    assert researcher.evaluate("window.broken") is None
    assert researcher.locator("[onerror], [onload], a[href^='javascript:']").count() == 0
    researcher.keyboard.press("Escape")
    reach(researcher, "#rd-talks button")
    forget(researcher, SHOWN)


def test_settings_are_reached_by_the_tab_key(researcher: Page) -> None:
    """For people who use no pointer; the tests above do the same for controls of the Library and of Ask."""
    open_tab(researcher, "Settings")
    reach(researcher, "#rd-reset")


def reach(page: Page, control: str) -> None:
    """Press Tab until the control has the focus."""
    element = page.locator(control).first
    expect(element).to_be_attached(timeout=30_000)
    for _ in range(60):
        if element.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{control} is not reached by 60 presses of Tab")
