"""Cells are read as a spreadsheet program shows them: a value, its format and the visible text."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest

from rag_core.extract.number_format import shown


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (0.153, "0.0%", "15.3%"),
        (0.0725, "0.0%", "7.3%"),
        (1, "0%", "100%"),
        (-0.5, "0%", "-50%"),
        (1234567, "#,##0", "1,234,567"),
        (1234.5, "#,##0.00", "1,234.50"),
        (999, "#,##0", "999"),
        (1234567, "#,##0,", "1,235"),
        (1234.5, "#,##0.00 [$€-407]", "1,234.50 €"),
        (20, "[$£-809]#,##0.00", "£20.00"),
        (20, "[$USD] 0.00", "USD 20.00"),
        (1234, "00000", "01234"),
        (7, "000", "007"),
        (2.5, "0.000", "2.500"),
        (0.5, "#.##", ".5"),
        (-4310, "#,##0;(#,##0)", "(4,310)"),
        (4310, "#,##0_);(#,##0)", "4,310"),
        (-12.5, '#,##0.00_);[Red](#,##0.00)', "(12.50)"),
        (14, '0 "days"', "14 days"),
        (3, '"Level "0', "Level 3"),
        (5, r"0\ \k\g", "5 kg"),
        (datetime(2026, 3, 9), "d mmm yyyy", "9 Mar 2026"),
        (datetime(2026, 3, 9), "dd/mm/yy", "09/03/26"),
        (datetime(2026, 3, 9), "mm-dd-yy", "2026-03-09"),
        (1234567890123456, "General", "1.23456789012346E+15"),
        (1234567890.25, "General", "1234567890.25"),
        (0.00001, "General", "1E-05"),
        (datetime(2026, 3, 9, 14, 5), "yyyy-mm-dd hh:mm", "2026-03-09 14:05"),
        (datetime(2026, 3, 9), "dddd, d mmmm", "Monday, 9 March"),
        (timedelta(hours=26, minutes=30), "[h]:mm", "26:30"),
        (timedelta(hours=1, minutes=30), "[mm]:ss", "90:00"),
        (timedelta(hours=100), "[hh]:mm:ss", "100:00:00"),
        (time(14, 5), "h:mm AM/PM", "2:05 PM"),
        (0.5, "h:mm", "12:00"),
        (2.5, "# ?/?", "2 1/2"),
        (0.375, "# ?/8", "3/8"),
        (-1.25, "# ??/??", "-1 1/4"),
        (12345, "0.00E+00", "1.23E+04"),
        (0.00012, "0.0E+00", "1.2E-04"),
        (5e8, "0E+0", "5E+8"),
        (5, '"up" 0;"down" 0;"level"', "up 5"),
        (-5, '"up" 0;"down" 0;"level"', "down 5"),
        (0, '"up" 0;"down" 0;"level"', "level"),
        ("x", '0;0;0;"said: "@', "said: x"),
        (150, '[>=100]"high";[<10]"low";0', "high"),
        (5, '[>=100]"high";[<10]"low";0', "low"),
        (50, '[>=100]"high";[<10]"low";0', "50"),
        (1, '[=1]"yes";[=0]"no";0', "yes"),
        (42, ";;;", "42"),
        ("word", ";;;", "word"),
        (-2.5, ";;;", "-2.5"),
        (0.1 + 0.2, "General", "0.3"),
        (True, "General", "TRUE"),
        (12, "@", "12"),
        ("007", "@", "007"),
        (None, "0.00", ""),
        (5551234, "000-0000", "555-1234"),
        (2125551234, "(000) 000-0000", "(212) 555-1234"),
        (123456789, "000-00-0000", "123-45-6789"),
        (-0.001, "0.00", "0.00"),
        (2.675, "0.00", "2.68"),
    ],
)  # fmt: skip
def test_value_is_read_as_it_is_shown(value: object, code: str, expected: str) -> None:
    assert shown(value, code) == expected
