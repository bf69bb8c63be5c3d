"""The view of what the contrastive term compares: true frames, numbers and words, at every width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.events import ContrastDrawn, ContrastSample
from memorynet_gui.look.theme import Theme
from memorynet_gui.train.contrast_view import AnchorRow, ContrastView, about, caption_of, number
from tests.small import photo
from tests.ui import settle, unnamed_focusable

pytestmark = pytest.mark.dressed

KINDS = ("anchor", "truth", "positive", "input", "degraded", "degraded", "wrong", "wrong")
FRAMES = {"anchor": "actual", "truth": "positive", "positive": "positive"}


def sample(kind: str, seed: int, similarity: float, lost: bool = False) -> ContrastSample:
    if lost:
        return ContrastSample(kind, np.zeros((0, 0, 3), np.uint8), similarity)
    return ContrastSample(kind, photo(64, 64, seed), similarity, 12, (28, 28, 8))


def drawn(step: int = 1240, rows: int = 4, task: str = "derain", lost: bool = False) -> ContrastDrawn:
    cosines = (1.0, 0.97, 0.81, -0.31, 0.42, 0.4, 0.2, 0.1)
    group = tuple(
        sample(kind, index, cosine, lost and kind in ("positive", "degraded", "wrong"))
        for index, (kind, cosine) in enumerate(zip(KINDS, cosines, strict=True))
    )
    return ContrastDrawn(step, (group,) * rows, task, tuple(3.24 / (row + 1) for row in range(rows)))


@pytest.fixture(params=["dark", "light"])
def theme(request: pytest.FixtureRequest, qapp: QApplication) -> Theme:
    return Theme(qapp, request.param)


@pytest.fixture
def view(qapp: QApplication, theme: Theme) -> Iterator[ContrastView]:
    made = ContrastView(theme)
    made.resize(1000, 600)
    made.show()
    settle()
    yield made
    made.hide()
    made.deleteLater()
    settle()


def rows_of(view: ContrastView) -> list[AnchorRow]:
    return [row for row in view.findChildren(AnchorRow) if row.isVisibleTo(view)]


def test_without_anything_it_says_what_will_come(view: ContrastView) -> None:
    assert view.shown is None
    assert rows_of(view) == []
    assert "pulls them towards" in view._empty.words.text()
    view.show_drawn(drawn())
    assert not view._empty.isVisible()
    view.clear("This run trains without the contrastive term.")
    assert view._empty.isVisible()
    assert view._empty.words.text() == "This run trains without the contrastive term."
    assert rows_of(view) == []


def test_every_sample_has_the_frame_of_its_meaning(view: ContrastView, theme: Theme) -> None:
    view.show_drawn(drawn(rows=1))
    settle()
    (row,) = rows_of(view)
    picture = row.grab().toImage()
    assert [cell.sample.kind for cell in row.cells] == list(KINDS)
    for cell in row.cells:
        wanted = theme.token(FRAMES.get(cell.sample.kind, "negative"))
        scale = picture.devicePixelRatio()
        at = cell.frame.center().x(), cell.frame.top() + 1
        assert picture.pixelColor(int(at[0] * scale), int(at[1] * scale)) == QColor(wanted)
    assert view.step.text() == "step 1,240"


@pytest.mark.parametrize("width", [320, 430, 640, 900, 1440])
def test_pictures_stand_beside_each_other_at_every_width(view: ContrastView, width: int) -> None:
    view.resize(width, 500)
    view.show_drawn(drawn())
    settle()
    rows = rows_of(view)
    assert len(rows) == 4
    for row in rows:
        frames = [cell.frame for cell in row.cells]
        assert len({frame.width() for frame in frames}) == 1
        assert all(frame.width() == frame.height() >= 64 for frame in frames)
        for index, frame in enumerate(frames):
            assert row.rect().contains(frame), (width, row.rect(), frame)
            assert not any(frame.intersects(other) for other in frames[index + 1 :])
    inside = view.area.widget()
    assert inside is not None and inside.width() <= view.area.viewport().width()  # nothing to scroll sideways


def test_it_says_in_words_what_it_shows(view: ContrastView) -> None:
    view.show_drawn(drawn())
    assert unnamed_focusable(view) == []
    row = rows_of(view)[1]
    assert row.accessibleName() == "Place 2 of 4, step 1,240"
    assert row.accessibleDescription() == (
        "Counts × 1.6. Pulled towards: truth 0.97, clean, nearest 0.81. Pushed away from: input −0.31, rain, nearest 0.42, "
        "rain, nearest 0.40, earlier result 0.20, earlier result 0.10."
    )
    texts = [about(cell.sample, "derain") for cell in row.cells]
    assert texts[0] == "Restored now"
    assert texts[1] == "Truth\nSimilarity to what is restored: 0.97"
    assert texts[2].endswith("A sample the memory bank has held since step 12")


def test_words_and_numbers() -> None:
    assert [caption_of("degraded", task) for task in ("derain", "deshadow", "deblur", "new")] == [
        "rain, nearest",
        "shadows, nearest",
        "blur, nearest",
        "damage, nearest",
    ]
    assert [number(value) for value in (1.0, 0.126, -0.004, -0.5, float("nan"))] == [
        "1.00",
        "0.13",
        "0.00",
        "−0.50",
        "–",
    ]


def test_lost_pictures_keep_their_place_and_their_number(view: ContrastView, theme: Theme) -> None:
    view.show_drawn(drawn(lost=True, rows=1))
    settle()
    (row,) = rows_of(view)
    lost = [cell for cell in row.cells if cell.image.isNull()]
    assert [cell.sample.kind for cell in lost] == ["positive", "degraded", "degraded", "wrong", "wrong"]
    shown = row.grab().toImage()
    scale = shown.devicePixelRatio()
    corner = lost[0].frame.topLeft()
    assert shown.pixelColor(int((corner.x() + 8) * scale), int((corner.y() + 8) * scale)) == theme.token(
        "field"
    )
    assert "was not kept" in about(lost[0].sample, "derain")


def test_fewer_rows_and_samples_leave_nothing_behind(view: ContrastView) -> None:
    view.show_drawn(drawn(rows=4))
    full = drawn(rows=1)
    bare = ContrastDrawn(3, (tuple(s for s in full.groups[0] if s.kind in ("anchor", "truth", "input")),))
    view.show_drawn(bare)
    settle()
    (row,) = rows_of(view)
    assert [cell.sample.kind for cell in row.cells] == ["anchor", "truth", "input"]


def test_held_pictures_stay_until_they_are_let_go(view: ContrastView) -> None:
    view.show_drawn(drawn(step=10))
    QTest.mouseClick(view.hold, Qt.MouseButton.LeftButton)
    assert view.hold.isChecked()
    view.show_drawn(drawn(step=20))
    view.show_drawn(drawn(step=30))
    assert view.shown is not None and view.shown.step == 10
    assert view.step.text() == "step 10"
    QTest.mouseClick(view.hold, Qt.MouseButton.LeftButton)
    assert view.shown.step == 30
    QTest.mouseClick(view.hold, Qt.MouseButton.LeftButton)
    view.clear()
    view.show_drawn(drawn(step=5))  # of another run: it must not be held up by the last one
    assert view.shown.step == 5


def test_the_keyboard_goes_through_the_rows(view: ContrastView) -> None:
    view.resize(640, 400)
    view.show_drawn(drawn())
    settle()
    rows = rows_of(view)
    bar = view.area.verticalScrollBar()
    assert bar.maximum() > 0
    rows[0].setFocus()

    def press(key: Qt.Key) -> None:
        at = next(row for row in rows if row is view.focusWidget())
        QApplication.sendEvent(at, QKeyEvent(QKeyEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier))
        settle()

    press(Qt.Key.Key_Down)
    assert view.focusWidget() is rows[1]
    assert bar.value() > 0  # it was brought into sight
    press(Qt.Key.Key_End)
    assert view.focusWidget() is rows[3]
    assert bar.value() == bar.maximum()
    press(Qt.Key.Key_Home)
    assert view.focusWidget() is rows[0]
    assert bar.value() == 0
    press(Qt.Key.Key_PageDown)
    assert bar.value() > 0


def test_it_follows_the_theme(qapp: QApplication) -> None:
    theme = Theme(qapp, "dark")
    view = ContrastView(theme)
    view.resize(900, 400)
    view.show()
    view.show_drawn(drawn(rows=1))
    settle()
    (row,) = rows_of(view)
    edge = row.cells[3].frame
    seen = []
    for mode in ("dark", "light"):
        theme.set_mode(mode)
        settle()
        shown = row.grab().toImage()
        scale = shown.devicePixelRatio()
        seen.append(shown.pixelColor(int(edge.center().x() * scale), int((edge.top() + 1) * scale)).name())
    assert seen == ["#e8934c", "#a85510"]
    view.deleteLater()
    settle()


def test_each_place_says_how_much_it_counts(theme: Theme) -> None:
    view = ContrastView(theme)
    view.resize(900, 600)
    view.show_drawn(drawn(rows=2))
    view.show()
    rows = view.findChildren(AnchorRow)
    said = [row.accessibleDescription()[:13] for row in rows if row.isVisible()]
    assert said == ["Counts × 3.2.", "Counts × 1.6."]
    view.show_drawn(replace(drawn(rows=2), weights=()))  # of a run before they were told
    assert rows[0].accessibleDescription().startswith("Pulled towards")
    view.close()
