"""Sorting, filtering and the grid: what the strip shows of the queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.problems import Problem
from core.restoring.records import Choice
from core.restoring.verdict import Verdict
from memorynet_gui.restore.queue_item import ItemState, LookNote
from tests.restore_page_kit import Desk, desk, rainy, write

pytestmark = pytest.mark.usefixtures("small_models_ship")


@pytest.fixture
def at(qapp: QApplication, tmp_path: Path) -> Iterator[Desk]:
    """Four photos, of which the second failed and the third shows no rain; the last is the current one."""
    wet, _ = rainy()
    folder = tmp_path / "in"
    folder.mkdir()
    names = ("photo 10", "photo 9", "b", "A")
    paths = [write(folder / f"{name}.png", wet[:80, :96]) for name in names]
    with desk(qapp, tmp_path / "own") as made:
        made.add(*paths)
        session = made.page.session
        ids = [made.item(path).id for path in paths]
        session.update(ids[1], state=ItemState.FAILED, problem=Problem("Damaged.", "", "", ""))
        session.update(ids[2], look=LookNote(Choice(), Verdict("nothing", None, "1", "")))
        session.update(ids[0], look=LookNote(Choice(), Verdict("much", None, "1", "")))
        session.set_current(ids[3])
        yield made


def names(at: Desk) -> list[str]:
    shown = at.page.filmstrip.shown
    return [
        shown.index(row, 0).data(Qt.ItemDataRole.DisplayRole).removesuffix(".png")
        for row in range(shown.rowCount())
    ]


def choose(at: Desk, key: str) -> None:
    at.page.batch.bar._choices[key].trigger()


def test_filters_show_what_is_asked_for_and_say_how_many(at: Desk) -> None:
    queue = names(at)
    assert sorted(queue) == ["A", "b", "photo 10", "photo 9"]
    for key, expected, word in (
        ("failed", ["photo 9"], "Need a look: 1"),
        ("nothing", ["b"], "Nothing found: 1"),
        ("unsaved", [], "Not saved: 0"),
        ("all", queue, "All photos"),
    ):
        choose(at, key)
        assert names(at) == expected and at.page.batch.bar.only.text() == word


def test_a_photo_leaves_a_filter_as_soon_as_it_no_longer_fits(at: Desk) -> None:
    choose(at, "todo")
    assert sorted(names(at)) == ["A", "b", "photo 10"]
    current = at.page.session.current
    assert current is not None
    at.page.handle("run")
    at.wait_idle()
    assert sorted(names(at)) == ["b", "photo 10"]
    assert at.page.batch.bar.only.text() == "Not restored: 2"
    assert at.page.session.current is not None, "what is shown stays shown"
    choose(at, "unsaved")
    assert names(at) == ["A"]
    at.save(current.path)
    assert names(at) == []


def test_orders(at: Desk) -> None:
    added = names(at)
    choose(at, "name")
    assert names(at) == ["A", "b", "photo 9", "photo 10"]
    choose(at, "found")
    assert names(at)[:2] == ["photo 10", "b"]
    choose(at, "state")
    assert names(at)[0] == "photo 9"
    choose(at, "added")
    assert names(at) == added


def test_keys_and_selection_go_by_what_is_shown(at: Desk) -> None:
    choose(at, "name")
    at.page.session.set_current(at.page.filmstrip._item_at(0).id)
    shown = []
    for _ in range(5):
        current = at.page.session.current
        assert current is not None
        shown.append(current.path.stem)
        at.page.handle("next")
    assert shown == ["A", "b", "photo 9", "photo 10", "photo 10"]
    choose(at, "failed")
    at.page.handle("select_all")
    (chosen,) = at.page.filmstrip.selected_ids()
    item = at.page.session.get(chosen)
    assert item is not None and item.path.stem == "photo 9"
    strip = at.page.filmstrip.list
    cell = strip.visualRect(strip.model().index(0, 0))
    QTest.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=cell.center())
    assert at.page.session.current == item


def test_the_grid_takes_the_place_of_the_photo(at: Desk) -> None:
    page, strip = at.page, at.page.filmstrip
    page.handle("toggle_grid")
    QApplication.processEvents()
    assert not page.canvas.isVisible() and strip.list.isWrapping() and strip.list.height() > 300
    assert page.batch.bar.grid.isChecked()
    cell = strip.list.visualRect(strip.shown.index(1, 0)).center()
    QTest.mouseClick(strip.list.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    QTest.mouseDClick(strip.list.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    QApplication.processEvents()
    assert page.canvas.isVisible() and not strip.list.isWrapping() and strip.list.height() < 150
    assert page.session.current_row == 1 and not page.batch.bar.grid.isChecked()
    QTest.mouseClick(page.batch.bar.grid, Qt.MouseButton.LeftButton)
    assert strip.is_grid
    page.session.remove([item.id for item in page.session.items()[1:]])
    assert not strip.is_grid, "one photo alone is shown large"
