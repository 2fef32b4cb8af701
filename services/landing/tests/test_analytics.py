"""The analytics file: complete under concurrency and rotation, private, harmless."""

import csv
import threading
from pathlib import Path

import pytest

from landing.analytics import HEADER, LAUNCH, AnalyticsLog, harmless, shown_address


def _log(path: Path, *, max_bytes: int = 1 << 20, keep: int = 1000, whole: bool = False) -> AnalyticsLog:
    return AnalyticsLog(path=path, max_bytes=max_bytes, keep_files=keep, whole_address=whole)


@pytest.mark.parametrize(
    ("client", "shortened", "whole"),
    [
        ("203.0.113.77", "203.0.113.0/24", "203.0.113.77"),
        ("2001:db8:12:3456::9", "2001:db8:12::/48", "2001:db8:12:3456::9"),
        ("::ffff:203.0.113.77", "203.0.113.0/24", "203.0.113.77"),
        ("=HYPERLINK(1)", "unknown", "unknown"),
        ("", "unknown", "unknown"),
    ],
)
def test_addresses_are_shortened_unless_wanted_whole(client: str, shortened: str, whole: str) -> None:
    assert shown_address(client, whole=False) == shortened
    assert shown_address(client, whole=True) == whole


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_can_start_a_formula(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"
    assert harmless("LaunchAppClicked") == "LaunchAppClicked"


def test_first_event_brings_the_header(tmp_path: Path) -> None:
    log = _log(tmp_path / "analytics.csv")
    log.record("203.0.113.77")
    rows = list(csv.reader(log.path.read_text().splitlines()))
    assert tuple(rows[0]) == HEADER
    assert rows[1][1:] == ["203.0.113.0/24", LAUNCH]
    assert len(rows) == 2


def test_rotation_loses_no_line_under_concurrency(tmp_path: Path) -> None:
    """Two logs on one file simulate the two containers of a rolling update."""
    path = tmp_path / "analytics.csv"
    logs = [_log(path, max_bytes=600), _log(path, max_bytes=600)]
    each, writers = 40, 8

    def write(number: int) -> None:
        for turn in range(each):
            logs[number % 2].record(f"10.{number}.{turn}.1")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    files = [*logs[0].rotated(), path]
    assert len(files) > 10
    seen = []
    for file in files:
        assert file.stat().st_size <= 600
        rows = list(csv.reader(file.read_text().splitlines()))
        assert tuple(rows[0]) == HEADER, f"{file.name} starts with {rows[0]}"
        seen += [row[1] for row in rows[1:]]
    assert sorted(seen) == sorted(f"10.{w}.{t}.0/24" for w in range(writers) for t in range(each))


def test_only_the_newest_rotated_files_stay(tmp_path: Path) -> None:
    log = _log(tmp_path / "analytics.csv", max_bytes=256, keep=2)
    for number in range(60):
        log.record(f"10.0.{number}.1")
    assert len(log.rotated()) == 2
    assert "10.0.59.0/24" in log.path.read_text()
