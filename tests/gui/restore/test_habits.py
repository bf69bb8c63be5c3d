"""Small things that were met in use: drags, focus, names, undo, folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QFontMetrics
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from memorynet_gui.widgets.drop_glow import files_from_outside
from memorynet_gui.widgets.parts import elided_within
from tests.restore_page_kit import Desk, desk, rainy, wait, write

pytestmark = pytest.mark.usefixtures("small_models_ship")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Three small photos, 96x80 px."""
    wet, _ = rainy()
    folder = tmp_path / "in"
    folder.mkdir()
    return [write(folder / f"{name}.png", wet[:80, :96]) for name in "abc"]


@pytest.fixture
def at(qapp: QApplication, tmp_path: Path) -> Iterator[Desk]:
    with desk(qapp, tmp_path / "own") as made:
        yield made


def entering(target: QWidget, data: QMimeData) -> QDragEnterEvent:
    action, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    return QDragEnterEvent(target.rect().center(), action, data, left, Qt.KeyboardModifier.NoModifier)


def test_what_takes_the_files_is_lit_while_they_are_over_it(at: Desk, photos: list[Path]) -> None:
    at.add(photos[0])
    canvas = at.page.canvas
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(photos[1]))])
    QApplication.sendEvent(canvas, entering(canvas, data))
    assert canvas._glow.isVisible() and canvas._glow.size() == canvas.size()
    QApplication.sendEvent(canvas, QDragLeaveEvent())
    assert not canvas._glow.isVisible()
    QApplication.sendEvent(canvas, entering(canvas, data))
    drop = QDropEvent(
        QPointF(canvas.rect().center()),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(canvas, drop)
    assert not canvas._glow.isVisible()
    wait(lambda: at.page.session.find(photos[1]))


def test_a_result_dragged_out_and_back_is_no_photo_to_add(at: Desk, photos: list[Path]) -> None:
    class FromHere(QDragEnterEvent):
        """A drag that a widget of this program has begun; only Qt's own drag loop can set that."""

        def source(self) -> QWidget:  # type: ignore[override]
            return at.page

    at.add(photos[0])
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(photos[1]))])
    action, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    event = FromHere(at.page.canvas.rect().center(), action, data, left, Qt.KeyboardModifier.NoModifier)
    assert files_from_outside(event) == []
    at.page.canvas.dragEnterEvent(event)
    assert not event.isAccepted() and not at.page.canvas._glow.isVisible()


def test_names_that_differ_at_their_end_stay_different(qapp: QApplication) -> None:
    metrics = QFontMetrics(qapp.font())
    names = [f"IMG_20240511_10150{number}.MP.PORTRAIT-01.COVER P{number}" for number in range(10)]
    for width in (48, 60, 90, 140):
        short = [elided_within(metrics, name, width) for name in names]
        assert len(set(short)) == 10 and all("…" in name for name in short)
        assert all(metrics.horizontalAdvance(name) <= width for name in short)
    assert elided_within(metrics, "a.jpg", 200) == "a.jpg"


def test_save_all_leaves_the_keys_to_the_photos(at: Desk, photos: list[Path]) -> None:
    at.add(*photos)
    at.run_all()
    strip = at.page.filmstrip
    wait(strip.save_all.isVisible)
    at.page.activateWindow()
    strip.save_all.setFocus()
    wait(strip.save_all.hasFocus)
    QTest.keyClick(strip.save_all, Qt.Key.Key_Space)
    wait(lambda: not strip.save_all.isVisible())
    assert strip.list.hasFocus()


def test_removing_the_photo_at_work_can_be_undone(at: Desk, photos: list[Path]) -> None:
    at.add(*photos)
    at.page.session.set_current(at.item(photos[0]).id)
    at.page.handle("run_all")
    strip = at.page.filmstrip.list
    strip.selectAll()
    at.said.clear()
    at.page.handle("remove")
    at.wait_idle()
    assert len(at.page.session) == 0
    (said,) = at.said
    assert said.text.startswith("3 photos taken off the list") and said.action == "Undo"
    assert said.callback is not None
    said.callback()
    assert sorted(item.path for item in at.page.session.items()) == photos


def test_closing_counts_what_was_started(at: Desk, photos: list[Path]) -> None:
    at.add(*photos)
    at.page.handle("run")
    assert at.page.close_blockers() == "A photo is being restored. The list is kept for the next start."
    at.page.handle("run_all")
    assert "and 2 more wait." in (at.page.close_blockers() or "")
    at.wait_idle()


def test_recent_files_and_saved_results_name_their_folder(at: Desk, photos: list[Path]) -> None:
    at.add(*photos)
    (first, *_) = [action for action in at.page.toolbar.menu.actions() if "\t" in action.text()]
    name, _, folder = first.text().partition("\t")
    assert name in ("a.png", "b.png", "c.png") and folder.endswith("in")
    at.restored(photos[0])
    at.save(photos[0])
    rows = [at.panel.receipt.rows.itemAt(row).widget() for row in range(at.panel.receipt.rows.count())]
    told = {row.name.text(): row.value.full for row in rows}
    assert told["In folder"] == str(photos[0].parent)


def test_a_folder_that_takes_nothing_offers_another(at: Desk, photos: list[Path], tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_bytes(b"")
    at.settings.output_folder = blocked / "out"
    at.restored(photos[0])
    at.page.handle("save")
    wait(lambda: at.said)
    assert at.said[-1].action == "Another folder…" and at.said[-1].callback is not None
    at.said[-1].callback()
    (dialog,) = at.page.findChildren(QFileDialog)
    dialog.fileSelected.emit(str(tmp_path / "elsewhere"))
    dialog.reject()
    wait(lambda: at.item(photos[0]).is_saved)
    assert (tmp_path / "elsewhere" / "a.derained.png").exists()
    assert at.settings.output_folder == tmp_path / "elsewhere"
