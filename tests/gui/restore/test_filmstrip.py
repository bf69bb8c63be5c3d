"""The filmstrip: what is painted, what is asked for, and ten thousand photos without a stall."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import (
    QAbstractItemModel,
    QCoreApplication,
    QModelIndex,
    QPoint,
    QPointF,
    Qt,
)
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication, QPushButton, QVBoxLayout, QWidget

from core.images import io as image_io
from core.problems import Problem
from memorynet_gui.base import thumbnails as thumbnails_module
from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.look.theme import Theme
from memorynet_gui.look.tokens import DARK
from memorynet_gui.restore.batch.cells import CELL, PAD, SLIM, THUMB
from memorynet_gui.restore.filmstrip import Filmstrip, FilmstripModel
from memorynet_gui.restore.queue_item import ItemState, SaveNote
from memorynet_gui.restore.session import Session
from tests.restore_page_kit import heap_of_its_own, rainy, wait, write

pytestmark = [pytest.mark.usefixtures("small_models_ship"), pytest.mark.dressed]


@pytest.fixture
def thumbnails(qapp: QApplication) -> Iterator[Thumbnails]:
    made = Thumbnails()
    yield made
    made.shut_down()


@pytest.fixture
def strip(qapp: QApplication, thumbnails: Thumbnails) -> Iterator[Filmstrip]:
    Theme(qapp, "dark")
    made = Filmstrip(Session(), thumbnails)
    made.resize(900, 130)
    made.show()
    yield made
    made.hide()
    made.deleteLater()


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    wet, _ = rainy()
    return [write(tmp_path / f"photo {index}.png", wet[index * 8 :]) for index in range(3)]


def names(model: QAbstractItemModel) -> list[str]:
    return [model.index(row, 0).data() for row in range(model.rowCount(QModelIndex()))]


def test_the_model_keeps_qts_rules_through_everything(qapp: QApplication, thumbnails: Thumbnails) -> None:
    session = Session()
    model = FilmstripModel(session, thumbnails)
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    session.add([Path(f"/p/{index}.png") for index in range(600)])
    wait(lambda: len(session) == 600)
    ids = [item.id for item in session.items()]
    session.remove(ids[10:20] + ids[100:101] + ids[590:])
    session.remove(ids[21:580:2])  # so many runs that the model is reset
    assert model.rowCount() == len(session)
    session.undo()
    session.undo()
    session.update(ids[5], state=ItemState.FAILED)
    assert names(model) == [f"{index}.png" for index in range(600)]


def test_thumbnails_are_made_for_what_is_seen_only(
    strip: Filmstrip, thumbnails: Thumbnails, photos: list[Path], tmp_path: Path
) -> None:
    session = strip._session
    unseen = [tmp_path / f"z{index:03}.png" for index in range(300)]
    for path in unseen:
        path.write_bytes(photos[0].read_bytes())
    session.add([*photos, *unseen])
    wait(lambda: len(session) == 303)
    wait(lambda: all(thumbnails.get(path) is not None for path in photos))
    image = thumbnails.get(photos[0])
    assert image is not None and max(image.width(), image.height()) == 160
    assert len(thumbnails) < 40, "only some ten cells are in sight"


def test_the_cache_is_bounded_and_the_newest_wish_comes_first(
    qapp: QApplication, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails_module, "CACHE_ENTRIES", 5)
    monkeypatch.setattr(thumbnails_module, "WAITING_LIMIT", 8)
    go = threading.Event()
    real = image_io.thumbnail

    def held(path: Path, max_px: int) -> object:
        assert go.wait(30)
        return real(path, max_px)

    monkeypatch.setattr(image_io, "thumbnail", held)
    made = Thumbnails(32)
    order: list[Path] = []
    made.ready.connect(order.append)
    copies = [tmp_path / f"c{index:02}.png" for index in range(30)]
    for path in copies:
        path.write_bytes(photos[0].read_bytes())
        assert made.get(path) is None
    go.set()
    wait(lambda: copies[-8] in order)
    QTest.qWait(50)
    assert len(made) == 5 and 8 <= len(order) <= 9, (
        "one was under way, eight were waiting, the rest forgotten"
    )
    waited = [copies.index(path) for path in order[1:]]  # the first was under way, whichever it was
    assert waited == sorted(waited, reverse=True) and {28, 29} <= {copies.index(order[0]), *waited}
    made.shut_down()
    assert made.get(copies[3]) is None


def test_a_picture_forgotten_while_it_is_made_is_made_again(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.png", np.full((16, 16, 3), 40, np.uint8))
    begun, go = threading.Event(), threading.Event()
    real = image_io.thumbnail

    def held(path: Path, max_px: int) -> object:
        found = real(path, max_px)
        begun.set()
        assert go.wait(30)
        return found

    monkeypatch.setattr(image_io, "thumbnail", held)
    made = Thumbnails(32)
    assert made.get(path) is None
    wait(begun.is_set)
    path.unlink()
    write(path, np.full((16, 16, 3), 200, np.uint8))
    made.forget(path)
    go.set()
    wait(lambda: len(made) == 1)
    image = made.get(path)
    assert image is not None and image.pixelColor(8, 8).red() == 200
    made.shut_down()


def test_a_file_that_is_no_photo_is_marked_once(thumbnails: Thumbnails, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("words")
    assert thumbnails.get(bad) is None
    wait(lambda: thumbnails.has_failed(bad))
    heard: list[Path] = []
    thumbnails.failed.connect(heard.append)
    assert thumbnails.get(bad) is None
    QTest.qWait(50)
    assert not heard
    thumbnails.forget(bad)
    assert thumbnails.get(bad) is None
    wait(lambda: heard == [bad])


def test_states_are_said_in_words(strip: Filmstrip, photos: list[Path]) -> None:
    session, model = strip._session, strip.model
    session.add(photos)
    a, b, c = session.items()
    problem = Problem("The picture is damaged.", "", "Copy it again.", "details")
    session.update(a.id, state=ItemState.RUNNING, tile=8, tile_count=20)
    session.update(b.id, state=ItemState.FAILED, problem=problem)
    session.update(c.id, state=ItemState.DONE, saved=SaveNote(Path("/out/c.png"), 100))
    said = [model.index(row).data(Qt.ItemDataRole.AccessibleTextRole) for row in range(3)]
    assert said == [
        "photo 0.png, restoring, piece 8 of 20",
        "photo 1.png, The picture is damaged. Copy it again.",
        "photo 2.png, restored and saved as c.png",
    ]
    tooltip = model.index(1).data(Qt.ItemDataRole.ToolTipRole)
    assert str(photos[1]) in tooltip and "damaged" in tooltip
    assert strip.summary.text() == "3 photos · 1 done · 1 failed"
    assert strip.retry.isVisible() and strip.retry.text() == "Retry 1"


def test_a_photo_alone_takes_one_line(strip: Filmstrip, photos: list[Path]) -> None:
    session = strip._session
    session.add(photos[:1])
    assert strip.sizeHint().height() < SLIM.height() + 24 and not strip.summary.isVisible()
    (only,) = session.items()
    session.update(only.id, state=ItemState.CANCELLED)
    assert strip.retry.isVisible() and strip.sizeHint().height() < SLIM.height() + 24
    session.add(photos[1:])
    assert strip.sizeHint().height() > CELL.height() and strip.summary.isVisible()
    session.remove([item.id for item in session.items()[1:]])
    assert strip.list.height() == SLIM.height()


def test_a_long_name_does_not_push_the_state_out(
    strip: Filmstrip, tmp_path: Path, photos: list[Path]
) -> None:
    session = strip._session
    long = tmp_path / ("a holiday " * 20 + ".png")
    session.add([photos[0], long])
    item = session.find(long)
    assert item is not None
    before = strip.grab().toImage()
    session.update(item.id, state=ItemState.FAILED)
    QTest.qWait(50)
    after = strip.grab().toImage()
    left = strip.list.mapTo(strip, strip.list.visualRect(strip.shown.index(1, 0)).topLeft())
    caption_y = left.y() + PAD + THUMB.height() + 4
    right_part = range(left.x() + CELL.width() - 40, left.x() + CELL.width() - PAD)
    changed = [
        x
        for x in right_part
        for y in range(caption_y, caption_y + 14)
        if before.pixel(x, y) != after.pixel(x, y)
    ]
    assert changed, "the state is drawn at the right whatever the name"


def test_selection_and_current_photo_follow_each_other(strip: Filmstrip, photos: list[Path]) -> None:
    session = strip._session
    session.add(photos)
    QTest.mouseClick(
        strip.list.viewport(),
        Qt.MouseButton.LeftButton,
        pos=strip.list.visualRect(strip.shown.index(2, 0)).center(),
    )
    assert session.current == session.at(2)
    session.set_current(session.at(0).id)
    assert strip.list.currentIndex().row() == 0 and strip.selected_ids() == [session.at(0).id]
    strip.list.selectAll()
    assert strip.selected_ids() == [item.id for item in session.items()]
    asked: list[list[str]] = []
    strip.remove_requested.connect(asked.append)
    QTest.keyClick(strip.list, Qt.Key.Key_Delete)
    assert asked == [[item.id for item in session.items()]]


def test_a_click_on_retry_retries_that_photo(strip: Filmstrip, photos: list[Path]) -> None:
    session = strip._session
    session.add(photos)
    session.update(session.at(1).id, state=ItemState.FAILED)
    asked: list[list[str]] = []
    strip.retry_requested.connect(asked.append)
    cell = strip.list.visualRect(strip.shown.index(1, 0))
    QTest.mouseClick(strip.list.viewport(), Qt.MouseButton.LeftButton, pos=cell.center())
    assert asked == []
    QTest.mouseClick(
        strip.list.viewport(), Qt.MouseButton.LeftButton, pos=cell.bottomRight() - QPoint(PAD + 12, PAD + 6)
    )
    assert asked == [[session.at(1).id]]


def test_keys_of_the_photo_are_left_to_the_photo(strip: Filmstrip, photos: list[Path]) -> None:
    strip._session.add(photos)
    strip._session.set_current(strip._session.at(0).id)
    for key in (Qt.Key.Key_Space, Qt.Key.Key_1, Qt.Key.Key_Z, Qt.Key.Key_P):
        QTest.keyClick(strip.list, key)
        assert strip.list.currentIndex().row() == 0, "no type-ahead"
    QTest.keyClick(strip.list, Qt.Key.Key_Right)
    assert strip._session.current_row == 1


def ring(strip: Filmstrip) -> bool:
    """Whether the list is framed in the colour of the focus; so is then the current cell, by dots."""
    image = strip.list.grab().toImage()
    middle = image.height() // 2
    framed = image.pixelColor(0, middle) == QColor(DARK["focus"])
    cell = strip.list.visualRect(strip.list.currentIndex())
    origin = strip.list.viewport().pos()
    above = [
        image.pixelColor(origin.x() + x, origin.y() + y).lightness()
        for x in range(cell.left() + 8, cell.right() - 8)
        for y in (cell.top(), cell.top() + 1)
    ]
    assert (max(above) - min(above) > 40) == framed, "the frame and the dots say the same"
    return framed


def test_the_focus_shows_only_while_the_keyboard_is_used(qapp: QApplication, photos: list[Path]) -> None:
    Theme(qapp, "dark")
    window = QWidget()
    window.setProperty("surface", "window")
    before, column = QPushButton("Before"), QVBoxLayout(window)
    thumbs = Thumbnails()
    strip = Filmstrip(Session(), thumbs)
    column.addWidget(before)
    column.addWidget(strip)
    window.resize(900, 220)
    window.show()
    window.activateWindow()
    strip._session.add(photos)
    before.setFocus()
    wait(before.hasFocus)
    cell = strip.list.visualRect(strip.shown.index(1, 0)).center()
    QTest.mouseClick(strip.list.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert strip.list.hasFocus() and not ring(strip), "a click needs no frame"
    QTest.keyClick(strip.list, Qt.Key.Key_Right)
    assert ring(strip), "the arrows were used"
    QTest.mouseClick(strip.list.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert not ring(strip)
    before.setFocus(Qt.FocusReason.BacktabFocusReason)
    QTest.keyClick(before, Qt.Key.Key_Tab)
    assert strip.list.hasFocus() and ring(strip), "Tab has brought the keys here"
    QTest.mouseClick(strip.list.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    for reason in (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason):
        strip.list.clearFocus()
        strip.list.setFocus(reason)
        assert not ring(strip), "coming back to the window is no use of the keyboard"
    strip.list.clearFocus()
    strip.list.setFocus(Qt.FocusReason.ShortcutFocusReason)
    assert ring(strip)
    thumbs.shut_down()
    window.deleteLater()


def test_the_plain_wheel_scrolls_sideways(strip: Filmstrip) -> None:
    strip._session.add([Path(f"/p/{index}.png") for index in range(60)])
    bar = strip.list.horizontalScrollBar()
    wait(lambda: bar.maximum() > 0)
    event = QWheelEvent(
        QPointF(50, 50),
        QPointF(50, 50),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(strip.list.viewport(), event)
    assert bar.value() == 120


def test_the_current_photo_stays_in_sight_when_the_window_narrows(strip: Filmstrip) -> None:
    session, view = strip._session, strip.list
    session.add([Path(f"/p/{index}.png") for index in range(60)])
    bar = view.horizontalScrollBar()
    wait(lambda: bar.maximum() > 0)

    def in_sight() -> bool:
        photo = view.visualRect(view.currentIndex()).adjusted(PAD, PAD, -PAD, -PAD)
        return view.viewport().rect().contains(photo)

    strip.resize(1600, 130)
    wait(lambda: view.viewport().width() > 1200)
    session.set_current(session.at(7).id)
    assert in_sight() and bar.value() == 0
    for width in range(1600, 399, -150):  # a hand at the window's edge; the summary at the right narrows, too
        strip.resize(width, 130)
        QTest.qWait(1)
        assert in_sight(), width
    scrolled = bar.value()
    assert scrolled > 0
    strip.resize(1600, 130)
    QTest.qWait(1)
    assert in_sight()
    strip.resize(400, 130)
    QTest.qWait(1)
    bar.setValue(bar.maximum())
    assert not in_sight()
    strip.resize(700, 130)
    strip.resize(420, 130)
    QTest.qWait(1)
    assert not in_sight() and bar.value() > bar.maximum() - 400, "what was scrolled away stays away"


def test_ten_thousand_photos_never_hold_the_window(strip: Filmstrip) -> None:
    session = strip._session
    many = [Path(f"/photos/{index:05}.jpg") for index in range(10_000)]
    worst = 0.0  # of this thread's own time: what else the machine does is not the window's fault

    def turns(until) -> None:  # type: ignore[no-untyped-def]
        nonlocal worst
        end = time.monotonic() + 60
        while not until():
            began = time.thread_time()
            QCoreApplication.processEvents()
            worst = max(worst, 1000 * (time.thread_time() - began))
            assert time.monotonic() < end

    def at_once(work) -> None:  # type: ignore[no-untyped-def]
        nonlocal worst
        began = time.thread_time()
        work()
        worst = max(worst, 1000 * (time.thread_time() - began))

    with heap_of_its_own():
        at_once(lambda: session.add(many))
        turns(lambda: len(session) == 10_000)
        at_once(lambda: session.set_current(session.at(9_999).id))
        at_once(lambda: session.update(session.at(5_000).id, state=ItemState.DONE))
        at_once(strip.grab)
        at_once(strip.list.selectAll)
        assert len(strip.selected_ids()) == 10_000
        at_once(lambda: session.remove([item.id for item in session.items()[4_000:9_000]]))
        at_once(session.undo)
        turns(lambda: strip.model.rowCount() == 10_000)
    assert worst < 100, f"the window was held for {worst:.0f} ms"
