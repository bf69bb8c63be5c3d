"""Changes of the memory on its page: tried at once, undone, saved as the command line takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from core.data import guidance
from core.images import io as image_io
from core.jobs import JobControl, ignore
from core.model import checkpoint
from core.model.memory_edit import MemoryEdit, Slots, Step
from core.restoring import restore as restoring
from core.restoring import shadow_guess
from core.restoring.records import Choice
from memorynet_gui.base.page import PhotoAtHand
from tests.gui.memory.memory_kit import Desk, shown
from tests.restore_page_kit import wait, write
from tests.small import photo, small_network


def test_muting_changes_the_photo_undo_and_reset_bring_it_back(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, edit = desk.page, desk.panel.edit
    untouched = shown(desk)
    QTest.mouseClick(edit.mute, Qt.MouseButton.LeftButton)  # the whole memory
    desk.idle()
    muted = shown(desk)
    assert not np.array_equal(muted, untouched) and page.stage.shows_change
    left = page.canvas._scene.original
    assert left is not None and np.array_equal(
        left.crop(0, 0, 0, 160, 120), untouched
    )  # beside the untouched one
    assert "in the whole photo" in edit.result.text()
    assert (
        "with this change: mute the whole memory." in page.words.text()
    )  # and nothing of the photo as it was
    assert "tint rests" in page.words.text() and page.canvas.tints == (None, None)
    edit.choose(Slots("negative"))
    edit.number.setValue(2.0)
    desk.idle()
    assert "mute the whole memory; read all negative slots 2 times" in page.words.text()
    assert len(page.edits.now.steps) == 2
    page.handle("undo")
    page.handle("undo")
    desk.idle()
    assert not page.edits.now.steps and np.array_equal(shown(desk), untouched) and not page.stage.shows_change
    assert "The memory takes" in page.words.text() and page.canvas.tints[0] is not None
    page.handle("redo")
    QTest.mouseClick(edit.reset, Qt.MouseButton.LeftButton)
    assert not page.edits.now.steps
    assert np.array_equal(shown(desk), untouched)


def test_with_everything_muted_the_page_still_answers(desk: Desk, source: Path) -> None:
    desk.open(source)
    page = desk.page
    desk.panel.edit.mute.click()  # the whole memory
    desk.idle()
    muted = shown(desk)
    page.edits.reset()
    for polarity in ("positive", "negative"):
        desk.panel.edit.choose(Slots(polarity))
        desk.panel.edit.mute.click()
    desk.idle()
    assert np.array_equal(shown(desk), muted), "polarity by polarity it is the same"
    bench = page.stage.bench
    assert bench is not None
    without = restoring.restore(
        bench.picture, replace(bench.request, scale="1", mute_memory=True), ignore, JobControl()
    )
    assert np.array_equal(muted, without.pixels)
    desk.click(40, 30)
    desk.idle()
    assert desk.panel.place.title.full.startswith("Pin 1") and desk.panel.place.effect.text()
    assert "in the whole photo" in desk.panel.edit.result.text()
    page.toolbar.explore.click()
    assert page.browser.list.facts, "what is held can still be looked at"


def test_no_effect_is_said_plainly(desk: Desk, source: Path) -> None:
    desk.open(source)
    bench = desk.page.stage.bench
    assert bench is not None
    unused = int(np.flatnonzero(bench.look.usage == 0)[0]) if (bench.look.usage == 0).any() else -1
    if unused < 0:
        pytest.skip("this small model uses every slot")
    desk.page.places.choose_slot(unused)
    desk.panel.edit.mute.click()
    desk.idle()
    assert "No measurable effect" in desk.panel.edit.result.text()


def test_undo_redo_save_and_load_by_their_buttons(desk: Desk, source: Path, tmp_path: Path) -> None:
    desk.open(source)
    page, edit = desk.page, desk.panel.edit
    untouched = shown(desk)
    left = Qt.MouseButton.LeftButton
    edit.choose(Slots("negative"))
    edit.number.setFocus()
    edit.number.selectAll()
    QTest.keyClicks(edit.number, "3")
    QTest.keyClick(edit.number, Qt.Key.Key_Return)
    desk.idle()
    boosted = shown(desk)
    assert not np.array_equal(boosted, untouched)
    file = tmp_path / "more.json"

    def answer(button: QWidget) -> None:
        """A person picks the file in the dialog that the button opens."""
        QTest.mouseClick(button, left)
        dialog = page.findChild(QFileDialog)
        assert dialog is not None and dialog.isVisible()
        dialog.fileSelected.emit(str(file))
        dialog.close()
        dialog.deleteLater()
        wait(lambda: page.findChild(QFileDialog) is None)

    answer(edit.save)
    assert MemoryEdit.read(file).steps == page.edits.now.steps
    QTest.mouseClick(edit.undo, left)
    desk.idle()
    assert np.array_equal(shown(desk), untouched) and not edit.undo.isEnabled()
    QTest.mouseClick(edit.redo, left)
    desk.idle()
    assert np.array_equal(shown(desk), boosted)
    QTest.mouseClick(edit.reset, left)
    desk.idle()
    assert np.array_equal(shown(desk), untouched)
    answer(edit.load)
    desk.idle()
    assert np.array_equal(shown(desk), boosted)


def test_a_newer_change_takes_the_place_of_an_older(desk: Desk, source: Path) -> None:
    desk.open(source)
    for percent in range(1, 30):
        desk.panel.edit.slider.setValue(percent)
        QApplication.processEvents()
    desk.idle()
    steps = desk.page.edits.now.steps
    assert len(steps) == 1 and steps[0].gain == pytest.approx(2 ** (29 / 12))


def test_changes_are_saved_and_loaded_as_the_command_line_takes_them(
    desk: Desk, source: Path, tmp_path: Path
) -> None:
    desk.open(source)
    desk.panel.edit.choose(Slots("positive", "part", (3,)))
    desk.panel.edit.mute.click()
    desk.panel.edit.swap.click()
    desk.page.places.choose_slot(4)
    assert [step.action for step in desk.page.edits.now.steps] == ["mute", "swap"]
    desk.page.files.save(tmp_path / "edit.json")
    edit = MemoryEdit.read(tmp_path / "edit.json")
    assert edit.steps == desk.page.edits.now.steps
    desk.page.edits.reset()
    desk.page.files.load(tmp_path / "edit.json")
    assert desk.page.edits.now.steps == edit.steps
    (tmp_path / "other.json").write_text(
        '{"version": 1, "steps": [{"action": "mute", "granularity": "part", "slots": [999]}]}'
    )
    desk.page.files.load(tmp_path / "other.json")
    assert desk.page.edits.now.steps == edit.steps and "cannot be used" in desk.said[-1].text
    desk.idle()


def drop(onto: QWidget, where: QPoint, path: Path) -> None:
    """Another program drags a file there and lets go."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    for event in (
        QDragEnterEvent(where, Qt.DropAction.CopyAction, data, left, none),
        QDragMoveEvent(where, Qt.DropAction.CopyAction, data, left, none),
        QDropEvent(QPointF(where), Qt.DropAction.CopyAction, data, left, none),
    ):
        QApplication.sendEvent(onto, event)
        assert event.isAccepted() or isinstance(event, QDragMoveEvent)


def test_a_photo_dropped_on_the_photo_is_held_at_the_right_and_looked_into_at_the_left(
    desk: Desk, source: Path, tmp_path: Path
) -> None:
    desk.open(source)
    untouched = shown(desk)
    canvas, dry = desk.page.canvas, write(tmp_path / "dry.png", photo(96, 64, 9))
    middle = canvas.rect().center()
    drop(canvas, middle + QPoint(120, 0), dry)
    wait(lambda: desk.page.edits.now.other is not None)
    desk.idle()
    assert not np.array_equal(shown(desk), untouched) and desk.page.stage.subject is not None
    assert desk.page.stage.subject.path == source and canvas._choice.isHidden()
    drop(canvas, middle - QPoint(120, 0), dry)
    wait(lambda: desk.page.stage.after is not None and desk.page.stage.subject.path == dry)  # type: ignore[union-attr]
    assert desk.page.edits.now.other is None


def test_another_photos_content_changes_the_photo(desk: Desk, source: Path, tmp_path: Path) -> None:
    desk.open(source)
    untouched = shown(desk)
    dry, button = write(tmp_path / "dry.png", photo(96, 64, 9)), desk.panel.edit.other
    drop(button, button.rect().center(), dry)
    wait(lambda: desk.page.edits.now.other is not None)
    desk.idle()
    assert not np.array_equal(shown(desk), untouched)
    assert "dry.png" in desk.panel.edit.other.text()
    first = desk.page.edits.now.other
    (tmp_path / "other").mkdir()
    desk.page.hold_photo(write(tmp_path / "other" / "dry.png", photo(96, 64, 10)))  # another of that name
    desk.idle()
    assert first is not None and not np.array_equal(desk.page.edits.now.other, first)
    desk.page.handle("undo")
    assert np.array_equal(desk.page.edits.now.other, first)
    desk.panel.edit.other.click()
    desk.idle()
    assert np.array_equal(shown(desk), untouched)
    desk.page.hold_photo(tmp_path / "gone.png")
    wait(lambda: "gone.png" in desk.panel.edit.hint.text() and "Reading" not in desk.panel.edit.hint.text())


def test_a_shadow_is_asked_about_as_it_is_restored(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told where it lies: as painted on the Restore page, else as restoring guesses. A result of that is compared with."""
    told = checkpoint.save(
        tmp_path / "told", small_network(2), name="told", task="deshadow", provenance={"guidance": True}
    )
    y, x = np.mgrid[0:120, 0:160]
    mask = np.where((y - 60) ** 2 + (x - 80) ** 2 < 40**2, np.uint8(255), np.uint8(0))
    lit = photo(160, 120, 4)
    shaded = write(tmp_path / "wall.png", np.where(mask[..., None] > 0, lit // 3, lit))
    desk.settings.set_model("deshadow", str(told))
    desk.settings.task = "deshadow"
    choice = Choice("deshadow", str(told), scale="1")
    request = choice.request(mask=mask)
    made = restoring.restore(image_io.read(shaded), request, ignore, JobControl()).pixels
    page = desk.page
    page.hide()
    desk.context.photo = PhotoAtHand(shaded, 1, choice, result=lambda: made, mask=lambda: mask)
    page.show()
    wait(lambda: page.stage.after is not None)
    bench = page.stage.bench
    assert bench is not None and bench.mask is not None and page.stage.twin is page.stage.base
    assert desk.panel.told.isVisible() and desk.panel.told.value.full == "as painted"
    edit = MemoryEdit((Step("mute", Slots("positive", "part")),))
    page.edits.take(edit)
    desk.idle()
    changed = restoring.restore(
        bench.picture, replace(request, memory_edit=edit), ignore, JobControl()
    ).pixels
    assert not np.array_equal(changed, made) and np.array_equal(shown(desk), changed)
    # dropped here, it is guessed; where nothing is found, nobody says where
    guesses = [
        None,
        guidance.Guess(mask, 0.2),
    ]  # restoring looks for nothing that looking into it has found
    monkeypatch.setattr(shadow_guess, "guess", lambda *_seen: guesses.pop())
    desk.open(shaded)
    bench, base = page.stage.bench, page.stage.base
    assert bench is not None and base is not None and bench.mask is not None and bench.guesses
    assert np.array_equal(base.pixels, made) and page.stage.twin is base
    guesses += [None]
    desk.open(write(tmp_path / "lit.png", lit))
    bench = page.stage.bench
    assert bench is not None and bench.mask is None and bench.guesses
    assert page.stage.base is not None and np.array_equal(page.stage.base.pixels, lit)
    assert desk.panel.told.value.full == "no cast shadow found"
    desk.click(40, 30)
    desk.idle()
    place = desk.panel.place
    assert "would change" in place.effect.text() or "no measurable" in place.effect.text()
    assert place._source_title.text().startswith("Looks up")
    page.handle("remove")
    page.edits.take(edit)
    assert "not being told where" in page.words.text()
    desk.idle()


def test_a_photo_without_a_shadow_is_not_searched_again(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is looked at where shadows are looked for, as it was."""
    told = checkpoint.save(
        tmp_path / "told", small_network(2), name="told", task="deshadow", provenance={"guidance": True}
    )
    asked = []
    monkeypatch.setattr(shadow_guess, "guess", lambda *_seen: asked.append(1))
    lit = photo(1104, 120, 4)
    source = write(tmp_path / "lit.png", lit)
    choice = Choice("deshadow", str(told))
    found = restoring.restore(
        image_io.read(source), restoring.guessing(choice.request()), ignore, JobControl()
    )
    assert asked and found.verdict.unchanged and found.verdict.scale == "1/2"
    asked.clear()
    page = desk.page
    page.hide()
    desk.context.photo = PhotoAtHand(
        source, 1, replace(choice, scale=found.verdict.scale), result=lambda: lit, verdict=found.verdict
    )
    page.show()
    wait(lambda: page.stage.after is not None)
    bench = page.stage.bench
    assert bench is not None and bench.by == 2 and bench.mask is None and bench.guesses
    assert not asked and "No cast shadow found, nothing changed" in page.words.text()
    # dropped here it is looked at likewise
    desk.settings.set_model("deshadow", str(told))
    desk.settings.task = "deshadow"
    desk.open(source)
    assert not asked and page.stage.bench is not None and page.stage.bench.by == 2
