"""A batch of shadow photos: the masks of all are guessed and looked at before it runs. Real mouse and key events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QToolTip

from core.data import guidance
from core.images import io as image_io
from core.jobs import JobControl
from memorynet_gui.compare.masks.mask import Brush
from memorynet_gui.restore.batch.shown import FILTERS
from memorynet_gui.restore.masks import desk as mask_desk
from memorynet_gui.restore.masks import guessing
from memorynet_gui.restore.masks.review import GuessReview, TileState
from memorynet_gui.restore.masks.tiles import button_rects, photo_rect
from memorynet_gui.restore.queue_item import ItemState, read_queue, write_queue
from tests.restore_page_kit import Desk, desk, wait, write
from tests.restoring.test_shadow_light import disc, ground, levels

pytestmark = pytest.mark.usefixtures("small_models_ship")

LEFT, KEY = Qt.MouseButton.LeftButton, Qt.Key
SIZE = (96, 128)
FOUND = guidance.Guess(disc(*SIZE, 28), 0.2)


def find(path: Path, _choice: object, _control: object = None) -> guidance.Guess | None:
    """A shadow in every photo but those named so."""
    if path.stem.startswith("broken"):
        raise image_io.UnreadableFile(path, "gone")
    return None if path.stem.startswith("none") else FOUND


@pytest.fixture
def at(qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(guessing, "find_shadow", find)
    monkeypatch.setattr(mask_desk, "find_shadow", find)
    with desk(qapp, tmp_path / "home") as made:
        choices = made.panel.choices
        choices.task.setCurrentIndex(choices.task.findData("deshadow"))
        yield made


@pytest.fixture
def shots(tmp_path: Path) -> Callable[..., list[Path]]:
    def make(*names: str) -> list[Path]:
        truth, mask = ground(*SIZE), disc(*SIZE, 28)
        pixels = levels(np.where((mask > 0)[..., None], truth * 0.4, truth))
        return [write(tmp_path / f"{name}.png", pixels) for name in names]

    return make


def review(at: Desk) -> GuessReview:
    return at.page.review.review


def click(button: QPushButton) -> None:
    assert button.isVisible() and button.isEnabled(), button.text()
    QTest.mouseClick(button, LEFT)


def cell(at: Desk, row: int) -> QPoint:
    tiles = at.page.review.view.list
    return tiles.visualRect(tiles.model().index(row, 0)).topLeft()


def press(at: Desk, key: Qt.Key) -> None:
    QTest.keyClick(at.page.review.view.list, key)


def opened(at: Desk, *paths: Path) -> list[str]:
    """The tiles' words once all photos have been looked at."""
    at.add(*paths)
    at.page.toolbar.run.setEnabled(True)
    QTest.mouseClick(at.page.toolbar.run, LEFT)
    assert at.page.review.in_front
    wait(lambda: not review(at).looking)
    return [tile.words for tile in review(at).tiles]


def test_guesses_are_looked_at_before_the_run(at: Desk, shots: Callable[..., list[Path]]) -> None:
    a, b, c, none = shots("a", "b", "c", "none")
    words = opened(at, a, b, c, none)
    assert words == ["guess: 20 % in shadow"] * 3 + ["no cast shadow found"]
    assert at.states() == ["waiting"] * 4, "nothing is changed before somebody has looked"
    view = at.page.review.view
    assert view.isVisible() and not at.page.canvas.isVisible()
    assert view.says.toolTip() == "4 photos · 3 with a shadow · 1 without"
    assert any("Looking for shadows" in text for text in at.bar.texts) and at.bar.cleared

    wait(lambda: at.page.thumbnails.get(a) is not None)
    viewport = view.list.viewport()
    middle = (
        cell(at, 0) + photo_rect(view.list.visualRect(view.list.model().index(0, 0))).center() - cell(at, 0)
    )
    reddish = viewport.grab().toImage().pixelColor(middle)
    QTest.keyPress(view.list, KEY.Key_Space)
    bare = viewport.grab().toImage().pixelColor(middle)
    QTest.keyRelease(view.list, KEY.Key_Space)
    assert reddish.red() - reddish.blue() > bare.red() - bare.blue() + 40, "the guess is drawn over its photo"

    press(at, KEY.Key_Return)  # a: right
    assert review(at).tiles[0].state is TileState.USED and at.item(a).mask
    assert [button.text() for button in (view.accept, view.leave, view.correct)] == [
        "Use guess", "Not here", "Draw by hand…",
    ]  # fmt: skip
    click(view.leave)  # b
    assert review(at).tiles[1].words == "not here: stays as it is" and not at.item(b).mask
    assert view.list.currentIndex().row() == 2
    assert view.go.text() == "Restore 3"

    press(at, KEY.Key_E)  # c: by hand
    wait(lambda: at.page.masks.active)
    assert at.page.canvas.isVisible() and not view.isVisible()
    assert np.array_equal(at.page.masks.tool.mask.values, FOUND.mask)  # type: ignore[union-attr]
    at.page.masks.tool.set_brush(Brush(12, 0.0, 1.0))
    place = at.page.canvas.from_image(10, 10).toPoint()
    QTest.mousePress(at.page.canvas, LEFT, Qt.KeyboardModifier.NoModifier, place)
    QTest.mouseRelease(at.page.canvas, LEFT, Qt.KeyboardModifier.NoModifier, place)
    QTest.keyClick(at.page.canvas, KEY.Key_Escape)
    assert view.isVisible() and at.page.focusWidget() is view.list and not at.page.masks.active
    assert review(at).tiles[2].state is TileState.OWN
    assert at.item(c).mask not in ("", at.item(a).mask)

    scale = at.panel.choices.scale.combo
    scale.setCurrentIndex(scale.findData("1"))
    click(view.go)
    at.wait_idle()
    assert not at.page.review.active and at.page.canvas.isVisible()
    assert at.item(a).result.choice.scale == "1", "as it is chosen when the batch begins"  # type: ignore[union-attr]
    assert [at.item(path).state for path in (a, b, c, none)] == [
        ItemState.DONE, ItemState.LEFT, ItemState.DONE, ItemState.DONE,
    ]  # fmt: skip
    made = {path: at.item(path).result for path in (a, c)}
    assert all(note is not None and note.mask_name == at.item(path).mask for path, note in made.items())


def test_what_was_left_out_says_so_and_is_not_asked_again(
    at: Desk, shots: Callable[..., list[Path]], tmp_path: Path
) -> None:
    a, b = shots("a", "b")
    opened(at, a, b)
    for _ in range(2):
        click(at.page.review.view.leave)
    assert at.page.review.view.go.text() == "Leave all as they are"
    click(at.page.review.view.go)
    assert not at.page.review.active and not at.page.flow.busy
    assert [(item.state, item.status) for item in at.page.session.items()] == [
        (ItemState.LEFT, "left as it is")
    ] * 2
    assert at.page.session.summary.text == "2 photos · 2 left as they are"
    assert at.panel.verdict_words.text() == "Left as it is, as you said"
    assert [found for found, keeps in FILTERS.items() if keeps[1](at.item(a))] == ["all", "todo"]
    assert not at.page.can("run_all"), "they are not asked about again"

    file = tmp_path / "queue.json"
    write_queue(file, at.page.session.items(), None)
    assert [(item.state, item.left) for item in read_queue(file)[0]] == [(ItemState.LEFT, "deshadow")] * 2

    choices = at.panel.choices
    choices.task.setCurrentIndex(choices.task.findData("derain"))
    wait(lambda: at.page.counts.again == 2)
    at.page.handle("run_all")
    at.wait_idle()
    assert at.states() == ["done"] * 2, "that no shadow is to go says nothing of rain"


def test_every_button_of_a_tile_can_be_clicked_and_taken_back(
    at: Desk, shots: Callable[..., list[Path]]
) -> None:
    a, b = shots("a", "b")
    opened(at, a, b)
    tiles = at.page.review.view.list
    accept, leave_out, correct = button_rects(tiles.visualRect(tiles.model().index(1, 0)))
    help_ = QHelpEvent(
        QEvent.Type.ToolTip, leave_out.center(), tiles.viewport().mapToGlobal(leave_out.center())
    )
    QApplication.sendEvent(tiles.viewport(), help_)
    assert QToolTip.text().startswith("Not here\n")
    QTest.mouseClick(tiles.viewport(), LEFT, pos=leave_out.center())
    assert review(at).tiles[1].state is TileState.OUT
    assert review(at).words.endswith("1 not here")
    QTest.mouseClick(tiles.viewport(), LEFT, pos=leave_out.center())
    assert review(at).tiles[1].state is TileState.GUESS
    QTest.mouseClick(tiles.viewport(), LEFT, pos=accept.center())
    assert review(at).tiles[1].state is TileState.USED and at.item(b).mask
    QTest.mouseClick(tiles.viewport(), LEFT, pos=leave_out.center())
    assert not at.item(b).mask, "what was accepted is not used once it is left out"
    QTest.mouseClick(tiles.viewport(), LEFT, pos=correct.center())
    wait(lambda: at.page.masks.active)
    at.page.masks.do("clear")
    click(at.page.masks.bar.done)
    assert review(at).tiles[1].words == "not here: stays as it is" and not at.item(b).mask, (
        "nothing painted: nothing guessed"
    )
    tiles.selectAll()
    press(at, KEY.Key_Delete)
    press(at, KEY.Key_Delete)
    click(at.page.review.view.accept)
    wait(lambda: not review(at).looking)
    click(at.page.review.view.back)
    assert not at.page.review.active and at.item(a).mask, "what was accepted stays with its photo"
    assert at.states() == ["waiting", "waiting"]


def test_dozens_are_looked_at_in_the_background_and_can_be_stopped(
    at: Desk, shots: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, seen = threading.Event(), []

    def slowly(path: Path, choice: object, control: JobControl) -> guidance.Guess | None:
        seen.append(path)
        if len(seen) > 3:
            while not gate.wait(0.005):
                control.checkpoint()
        return find(path, choice)

    monkeypatch.setattr(guessing, "find_shadow", slowly)
    paths = shots(*(f"p{number}" for number in range(24)))
    at.add(*paths)
    at.page.handle("run_all")
    view = at.page.review.view
    wait(lambda: len(seen) == 4)
    wait(lambda: review(at).progress == (3, 24))
    assert view.progress.isVisible() and view.progress.value() == 3 and view.progress.maximum() == 24
    assert at.bar.texts[-1] == "Looking for shadows · 4 of 24"
    press(at, KEY.Key_Down)  # the window answers meanwhile
    assert view.list.currentIndex().row() > 0
    click(view.stop)
    wait(lambda: not review(at).looking)
    assert [review(at).count(state) for state in (TileState.GUESS, TileState.WAITS)] == [3, 21]
    assert not view.stop.isVisible()
    at.page.handle("cancel")  # Esc
    assert not at.page.review.active
    gate.set()
    at.page.handle("run_all")
    wait(lambda: not review(at).looking)
    assert review(at).count(TileState.GUESS) == 24
    assert len(seen) == 4 + 21, "what was guessed before is not guessed again"


def test_one_that_cannot_be_looked_at_stops_no_other(at: Desk, shots: Callable[..., list[Path]]) -> None:
    broken, a = shots("broken", "a")
    assert opened(at, broken, a) == ["cannot be looked at", "guess: 20 % in shadow"]
    assert "broken.png" in at.page.review.view.list.model().index(0, 0).data(Qt.ItemDataRole.ToolTipRole)


def test_restoring_does_not_wait_for_the_guesses(
    at: Desk, shots: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_path: Path, _choice: object, control: JobControl) -> None:
        while True:
            control.checkpoint()

    monkeypatch.setattr(guessing, "find_shadow", never)
    a, b = shots("a", "b")
    at.add(a, b)
    at.page.handle("run_all")
    at.page.handle("run_all")
    wait(lambda: at.states() == ["done", "done"])
    assert not at.page.review.active


def test_nothing_is_shown_first_where_there_is_nothing_to_look_at(
    at: Desk, shots: Callable[..., list[Path]]
) -> None:
    a, b = shots("a", "b")
    choice = at.panel.choices.choice()
    at.add(a, b)
    ids = [at.item(path).id for path in (a, b)]
    assert not review(at).begin(ids[:1], choice), "one photo"
    assert not review(at).begin(ids, at.panel.choices.choice_of("derain")), "rain has no mask"
    name = at.page.masks.store.put(FOUND.mask)
    at.page.session.update_many(ids, mask=name)
    assert not review(at).begin(ids, choice), "all are painted"


def test_another_task_puts_the_tiles_away(at: Desk, shots: Callable[..., list[Path]]) -> None:
    opened(at, *shots("a", "b"))
    assert at.page.can("cancel") and not at.page.can("remove")
    at.page.hide()
    assert not at.page.can("cancel"), "Esc on another page closes nothing here"
    at.page.show()
    choices = at.panel.choices
    choices.scale.combo.setCurrentIndex(choices.scale.combo.findData("1/2"))
    assert at.page.review.active, "shadows are guessed the same at any scale"
    choices.task.setCurrentIndex(choices.task.findData("derain"))
    assert not at.page.review.active and at.page.canvas.isVisible()


def test_under_auto_those_that_are_called_shadows_are_looked_at(
    at: Desk, shots: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, rain, b = shots("a", "rain", "b")
    at.add(a, rain, b)
    choices = at.panel.choices
    choices.task.setCurrentIndex(choices.task.findData("auto"))
    ids = [at.item(path).id for path in (a, rain, b)]
    assert not review(at).begin(ids, choices.choice()), "nobody has called them shadows"
    at.page.session.update_many([ids[0], ids[2]], said="deshadow")
    at.page.session.update_many([ids[1]], said="derain")
    assert review(at).begin(ids, choices.choice())
    wait(lambda: not review(at).looking)
    assert [tile.path for tile in review(at).tiles] == [a, b]
    assert review(at).words == "2 photos · 2 with a shadow · 1 more for what they show"
    assert at.page.review.view.go.text() == "Restore 3"
    choices.scale.combo.setCurrentIndex(choices.scale.combo.findData("1/2"))
    assert review(at).active, "shadows are guessed the same at any scale"
    press(at, KEY.Key_Delete)
    run: list[str] = []
    monkeypatch.setattr(at.page.flow, "run_all", lambda choice: run.append(choice.task))
    click(at.page.review.view.go)
    assert run == ["auto"] and at.states() == ["left", "waiting", "waiting"]
    assert at.item(b).mask and not at.item(a).mask and not at.item(rain).mask
