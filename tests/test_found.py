"""What docs/found.md says to be held is held: the tests that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def named() -> list[tuple[str, str]]:
    """File and test of every name in the last column; a name may be cut with "…" at either end, a file may stand alone,
    and a name without a file is of the file before it."""
    found, file = [], ""
    for line in (ROOT / "docs" / "found.md").read_text("utf-8").splitlines():
        cells = line.strip("|").split(" | ")
        if line.startswith("| ") and len(cells) == 3:
            for words in re.findall(r"`([^`]+)`", cells[2]):
                of, _, test = words.rpartition("::") if not words.endswith(".py") else (words, "", "")
                file = of or file
                found.append((file, test))
    return found


def test_every_test_that_is_named_is_there() -> None:
    files = {path.name: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    names = named()
    assert len(names) > 80
    for file, test in names:
        assert file in files, file
        start = r"\w*" if test.startswith("…") else ""
        end = "" if test.endswith("…") else r"\("
        assert re.search(rf"def {start}{re.escape(test.strip('…'))}{end}", files[file]) or not test, (
            f"{file}::{test}"
        )


def test_every_line_says_what_was_seen_what_was_wrong_and_what_holds_it() -> None:
    lines = (ROOT / "docs" / "found.md").read_text("utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith(("| Seen", "| ---"))]
    assert len(rows) > 60
    for row in rows:
        cells = row.strip("|").split(" | ")
        assert len(cells) == 3 and all(cell.strip() for cell in cells) and "`test_" in cells[2], row
