"""The Memory page with a real runner, a small real model and real events."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox

from core.cli import program
from core.images import io as image_io
from core.jobs import JobControl, ignore
from core.model import checkpoint, exemplars
from core.model.config import NetworkConfig
from core.model.memory_edit import MemoryEdit, Slots
from core.restoring import restore as restoring
from core.restoring.memory import look as memory_look
from core.restoring.records import Choice
from core.training.exemplar_fill import fill
from core.training.state import Checkpoints
from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.base.page import AppContext, PhotoAtHand
from memorynet_gui.base.settings import Settings
from memorynet_gui.compare.masks.mask import Brush
from memorynet_gui.look.theme import Theme
from memorynet_gui.memory import work
from memorynet_gui.memory.page import MemoryPage
from tests.restore_page_kit import Bar, Said, wait, write
from tests.small import photo, save_small_model, small_network
from tests.ui import settle, unnamed_focusable


class Desk:
    """A page with everything real around it but the window."""

    def __init__(self, qapp: QApplication, home: Path, model: Path) -> None:
        self.settings = Settings(home)
        self.settings.set_model("derain", str(model))
        self.runner = JobRunner()
        self.said: list[Said] = []
        self.bar = Bar()
        self.theme = Theme(qapp, "dark")
        self.context = AppContext(self.settings, self.runner, self.theme, self._say, self.bar)
        self.page = MemoryPage(self.context)
        self.page.resize(700, 600)
        self.page.show()
        self.panel = self.page.inspector()
        self.panel.resize(300, 1600)
        self.panel.show()

    def _say(self, text: str, action: str | None = None, callback: object = None) -> object:
        self.said.append(Said(text, action, None))
        return self.said[-1].withdraw

    def open(self, path: Path) -> None:
        self.page.open_paths([path])
        wait(lambda: self.page.stage.after is not None)

    def idle(self) -> None:
        wait(lambda: not self.page.flow.busy and not self.runner.busy)

    def at(self, x: int, y: int) -> QPoint:
        """A pixel of the photo as a point of the canvas."""
        canvas = self.page.canvas
        pane = canvas._panes()[-1]
        return canvas.view_rect(pane, x + 0.5, y + 0.5, 0, 0).topLeft().toPoint()

    def click(self, x: int, y: int) -> None:
        QTest.mouseClick(
            self.page.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, self.at(x, y)
        )

    def close(self) -> None:
        self.page.shut_down()
        self.runner.shut_down()
        self.page.deleteLater()
        self.panel.deleteLater()
        settle()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_small_model(tmp_path_factory.mktemp("models") / "small")
    loaded = checkpoint.load(folder)
    samples = fill(
        loaded.network,
        [("a.png", photo(96, 96, 1)), ("b.png", photo(96, 96, 2))],
        lambda x, _rng: x * 0.6,
        weights_sha256=loaded.sha256,
    )
    exemplars.save(samples, folder)
    return folder


@pytest.fixture
def desk(qapp: QApplication, tmp_path: Path, model: Path) -> Iterator[Desk]:
    made = Desk(qapp, tmp_path / "home", model)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "street.png", photo(160, 120, 7))


def shown(desk: Desk) -> np.ndarray:
    restored = desk.page.canvas._scene.restored
    assert restored is not None
    return restored.crop(0, 0, 0, 160, 120).copy()


def test_an_empty_page_teaches_and_every_control_has_a_name(desk: Desk, source: Path) -> None:
    page = desk.page
    assert page._outer.currentWidget() is page.empty and not page.can("save") and page.can("open")
    page.setAccessibleName(page.title)  # as the window does
    assert unnamed_focusable(page) == [] and unnamed_focusable(desk.panel) == []
    desk.open(source)
    desk.click(40, 30)
    assert unnamed_focusable(page) == [] and unnamed_focusable(desk.panel) == []
    assert desk.panel.minimumSizeHint().width() <= 238  # what the window's panel leaves when it is narrow


def test_a_photo_is_looked_into_restored_and_looked_at_again(desk: Desk, source: Path) -> None:
    page, on_tiles = desk.page, []
    page.stage.progressed.connect(
        lambda text, *_: on_tiles.append(page.canvas.tints[1]) if "Restoring" in text else None
    )
    desk.open(source)
    assert page.stage.bench is not None and page.stage.restored_rgb is not None
    assert on_tiles and set(on_tiles) == {None}  # what the restored photo looks like is not known yet
    before, after = page.canvas.tints
    assert before is not None and after is not None
    assert np.array_equal(before.values, page.stage.bench.look.before.values)
    assert "after restoring" in page.words.text() or "hardly anything" in page.words.text()
    assert "rain" in page.words.text() and desk.bar.texts
    assert not page.flow.busy and desk.bar.cleared


def test_clean_places_stay_untinted_on_a_fixed_scale(desk: Desk, source: Path) -> None:
    desk.open(source)
    desk.panel.threshold.setValue(60)
    tint, _after = desk.page.canvas.tints
    assert tint is not None
    alpha = tint.alpha()
    assert (alpha[tint.values <= 0.6] == 0).all() and (alpha[tint.values > 0.61] > 0).all()
    desk.panel.overlays.buttons["none"].click()
    assert desk.page.canvas.tints == (None, None)


def test_hover_looks_click_pins_del_unpins(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, canvas = desk.page, desk.page.canvas
    QTest.mouseMove(canvas, desk.at(30, 30))
    QTest.mouseMove(canvas, desk.at(100, 44))
    wait(lambda: page.pins.place is not None)
    assert canvas.looked is not None and (canvas.looked.x, canvas.looked.y) == (96, 40)
    assert page.pins.places == []
    desk.click(100, 44)
    desk.click(20, 90)
    assert len(page.pins.places) == 2 and page.pins.chosen == 1
    place = desk.panel.place
    assert place.title.full.startswith("Pin 2")
    assert len(place.negative.patches) == 5 and len(place.positive.patches) == 5
    assert "any place of this photo" in place.negative_words.text()
    assert place.sources.patches and place.bars["positive"].slots
    wait(lambda: not place.effect.isHidden() and place.effect.text())
    assert "levels of 255" in place.effect.text() or "no measurable" in place.effect.text()
    page.handle("previous")
    assert page.pins.chosen == 0 and place.title.full.startswith("Pin 1")
    page.handle("remove")
    assert len(page.pins.places) == 1
    rect = canvas._pin_point(canvas._panes()[0], canvas._pins[0]).toPoint()
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, rect)
    assert len(page.pins.places) == 1  # a click on a pin chooses it


def test_keys_move_the_place_and_pin_it(desk: Desk, source: Path) -> None:
    desk.open(source)
    canvas = desk.page.canvas
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_Right)
    first = desk.page.pins.place
    QTest.keyClick(canvas, Qt.Key.Key_Right)
    second = desk.page.pins.place
    assert first is not None and second is not None and second[0] - first[0] == 8
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert desk.page.pins.places == [second]


def test_keys_draw_a_region_pin_it_and_say_it(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, canvas = desk.page, desk.page.canvas
    canvas.setFocus()
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_Up):
        QTest.keyClick(canvas, key, both)
    assert canvas.accessibleDescription() == "Region of 16 × 24 px at 72, 40 px; Enter pins it"
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert page.pins.places == [(72, 40, 16, 24)]
    assert canvas.accessibleDescription().startswith("Pin 1 · 16 × 24 px at 72, 40 px.")
    QTest.keyClick(canvas, Qt.Key.Key_Right, both)
    override = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
    override.ignore()
    QApplication.sendEvent(canvas, override)
    assert override.isAccepted(), "Esc closes what is in front"
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert page.pins.places[0] == (72, 40, 16, 24) and all(not place[2] for place in page.pins.places[1:])
    for _ in range(40):
        QTest.keyClick(canvas, Qt.Key.Key_Right, both)  # no further than the photo goes
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    left, _top, width, _height = page.pins.places[-1]
    assert left + width == 160


def test_a_drag_pins_a_region_that_is_told_about_as_a_whole(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, canvas = desk.page, desk.page.canvas
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mousePress(canvas, left, none, desk.at(90, 70))
    QTest.mouseMove(canvas, desk.at(60, 50))
    QTest.mouseMove(canvas, desk.at(34, 28))
    QTest.mouseRelease(canvas, left, none, desk.at(34, 28))
    assert page.pins.places == [(34, 28, 57, 43)]
    assert canvas.looked == page.pins.mark(page.pins.places[0])
    assert (canvas.looked.x, canvas.looked.y, canvas.looked.width, canvas.looked.height) == (32, 24, 64, 48)
    place = desk.panel.place
    assert place.title.full == "Pin 1 · 64 × 48 px at 32, 24 px" and place.bars["positive"].slots
    wait(lambda: place.effect.text() != "")
    bench = page.stage.bench
    assert bench is not None
    assert bench.place((34, 28, 57, 43)).response == pytest.approx(bench.look.before.values[3:9, 4:12].mean())
    canvas.actual_size()
    QTest.mousePress(canvas, left, Qt.KeyboardModifier.ShiftModifier, desk.at(100, 90))
    QTest.mouseMove(canvas, desk.at(110, 100))
    QTest.mouseMove(canvas, desk.at(130, 110))
    QTest.mouseRelease(canvas, left, Qt.KeyboardModifier.ShiftModifier, desk.at(130, 110))
    assert len(page.pins.places) == 2 and page.pins.places[1][2:] == (31, 21)


def test_a_double_click_zooms_and_leaves_no_pin(desk: Desk, source: Path) -> None:
    desk.open(source)
    at = desk.at(80, 60)
    QTest.mouseClick(desk.page.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    QTest.mouseDClick(desk.page.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert desk.page.pins.places == [] and not desk.page.canvas.fitted


def test_a_slot_under_the_pointer_lights_its_area(desk: Desk, source: Path) -> None:
    desk.open(source)
    desk.click(40, 30)
    bars = desk.panel.place.bars["negative"]
    slot = bars.slots[0]
    QTest.keyClick(bars, Qt.Key.Key_Down)
    tint, _ = desk.page.canvas.tints
    assert tint is not None and f"{slot.granularity} {slot.slot}" in tint.title
    bench = desk.page.stage.bench
    assert bench is not None and np.array_equal(tint.values, bench.look.slot_map(slot.row))
    desk.page.light_slot(-1)
    assert "rain" in desk.page.canvas.tints[0].title  # type: ignore[union-attr]
    QTest.mouseClick(bars, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(20, 5))
    assert desk.panel.edit.chosen == Slots("negative", slot.granularity, (slot.slot,))


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
    desk.page.choose_slot(unused)
    desk.panel.edit.mute.click()
    desk.idle()
    assert "No measurable effect" in desk.panel.edit.result.text()


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
    desk.page.choose_slot(4)
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


def test_another_photos_content_changes_the_photo(desk: Desk, source: Path, tmp_path: Path) -> None:
    desk.open(source)
    untouched = shown(desk)
    dry, button = write(tmp_path / "dry.png", photo(96, 64, 9)), desk.panel.edit.other
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(dry))])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    where = button.rect().center()
    for event in (
        QDragEnterEvent(where, Qt.DropAction.CopyAction, data, left, none),
        QDropEvent(QPointF(where), Qt.DropAction.CopyAction, data, left, none),
    ):
        QApplication.sendEvent(button, event)
        assert event.isAccepted()
    wait(lambda: desk.page.edits.now.other is not None)
    desk.idle()
    assert not np.array_equal(shown(desk), untouched)
    assert "dry.png" in desk.panel.edit.other.text()
    desk.panel.edit.other.click()
    desk.idle()
    assert np.array_equal(shown(desk), untouched)
    desk.page.hold_photo(tmp_path / "gone.png")
    wait(lambda: "gone.png" in desk.panel.edit.hint.text() and "Reading" not in desk.panel.edit.hint.text())


def test_the_restore_pages_photo_is_there_at_once(desk: Desk, source: Path) -> None:
    page = desk.page
    page.hide()
    pixels = image_io.read(source).pixels
    restored = pixels // 2
    desk.context.photo = PhotoAtHand(
        source,
        "one",
        Choice("derain", desk.settings.models["derain"], scale="1"),
        rgb=pixels,
        restored_rgb=restored,
        result=lambda: restored,
        found="Much rain found, most of it gone",
    )
    page.show()
    assert (
        page.stage.rgb is pixels and page.canvas._scene.restored is not None
    )  # before anything was computed
    wait(lambda: page.stage.after is not None)
    assert page.stage.base is not None and np.array_equal(
        page.stage.base.pixels, restored
    )  # it was not made again
    assert page.words.text().startswith("Much rain found, most of it gone. The memory takes")
    bench = page.stage.bench
    page.hide()
    page.show()
    assert page.stage.bench is bench  # the same photo in the same state is not looked into again


def test_a_hidden_page_leaves_the_worker_to_others(desk: Desk, source: Path) -> None:
    page = desk.page
    page.open_paths([source])
    page.hide()
    wait(lambda: not desk.runner.busy)
    assert page.stage.bench is None
    page.show()
    wait(lambda: page.stage.after is not None)


@pytest.mark.parametrize("size", [(5, 3), (8, 8), (1, 40)])
def test_photos_smaller_than_a_patch(desk: Desk, tmp_path: Path, size: tuple[int, int]) -> None:
    desk.open(write(tmp_path / "tiny.png", photo(*size, 1)))
    desk.page.pins.pin(size[0] - 1, size[1] - 1)
    desk.panel.edit.mute.click()
    desk.idle()
    assert desk.panel.edit.result.text()


def test_models_that_cannot_be_looked_into_say_why(desk: Desk, source: Path, tmp_path: Path) -> None:
    from core.model.network import MemoryNet

    plain = checkpoint.save(
        tmp_path / "plain",
        MemoryNet(NetworkConfig(width=4, blocks=(1, 1, 1), granularities=(), polarities=())),
        name="plain",
        task="derain",
        provenance={},
    )
    desk.settings.set_model("derain", str(plain))
    desk.page.open_paths([source])
    wait(lambda: not desk.panel.problem.isHidden())
    assert "no memory" in desk.panel.problem.why.text() + desk.panel.problem.what.text()
    desk.settings.set_model("derain", str(tmp_path / "nowhere"))
    desk.page.open_paths([source])
    wait(lambda: "nowhere" in desk.panel.problem.why.text() + desk.panel.problem.what.text())


def test_other_slots_no_samples_or_damaged_ones(desk: Desk, source: Path, tmp_path: Path) -> None:
    """A model with other slot counts, a granularity that is not read, no photo of its own and no samples."""
    from core.model.network import MemoryNet

    config = NetworkConfig(
        width=4,
        blocks=(1, 1, 2),
        memory_dim=8,
        slots=(5, 1, 2),
        granularities=("part", "semantic"),
        actual=False,
    )
    other = checkpoint.save(tmp_path / "other", MemoryNet(config), name="other", task="derain", provenance={})
    desk.settings.set_model("derain", str(other))
    desk.open(source)
    desk.click(40, 30)
    assert desk.panel.place.negative.isHidden() and desk.panel.place.no_samples.text()
    assert "keeps nothing of the photo" in desk.panel.place.read.text()
    names = [desk.panel.edit.target.itemText(row) for row in range(desk.panel.edit.target.count())]
    assert "All part slots" in names and "All instance slots" not in names
    (other / exemplars.SAMPLES_FILE).write_bytes(b"no samples at all")
    desk.open(source)
    desk.click(40, 30)
    assert desk.panel.place.negative.isHidden() and "samples" in desk.panel.place.no_samples.text()
    desk.idle()


def test_a_model_deleted_while_it_is_looked_at(desk: Desk, source: Path, tmp_path: Path) -> None:
    import shutil

    mine = save_small_model(tmp_path / "mine", seed=3)
    desk.settings.set_model("derain", str(mine))
    desk.open(source)
    shutil.rmtree(mine)
    desk.click(40, 30)  # what is recorded still answers
    assert desk.panel.place.title.full
    desk.panel.edit.mute.click()
    wait(lambda: "no model" in desk.panel.edit.result.text())  # the whole photo needs its file
    desk.idle()


def test_points_of_the_photo_are_found_again(desk: Desk, source: Path) -> None:
    desk.open(source)
    canvas = desk.page.canvas
    for mode in ("wipe", "side"):
        canvas.set_mode(mode)
        for pixel in ((0, 0), (159, 119), (33, 71)):
            assert canvas.pixel_at(QPointF(desk.at(*pixel))) == pixel


def test_the_browser_shows_every_slot_sorted_filtered_and_linked(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, browser = desk.page, desk.page.browser
    page.toolbar.explore.click()
    assert browser.isVisible() and len(browser.list.facts) == 2 * (12 + 6 + 3)
    empty = [facts for facts in browser.list.facts if not facts.typical]
    said = [
        browser.list.index(row).data(Qt.ItemDataRole.ToolTipRole) for row in range(browser.list.rowCount())
    ]
    assert 0 < len(empty) == sum("memorynet samples adds" in words for words in said)
    browser.polarity.setCurrentIndex(browser.polarity.findData("negative"))
    browser.granularity.setCurrentIndex(browser.granularity.findData("part"))
    assert {facts.polarity for facts in browser.list.facts} == {"negative"} and len(browser.list.facts) == 12
    browser.sort.setCurrentIndex(browser.sort.findData("usage"))
    used = [facts.usage for facts in browser.list.facts]
    assert used == sorted(used, reverse=True)
    first = browser.list.facts[0]
    page.browser.view.hovered.emit(first.row)
    tint = page.canvas.tints[0]
    assert tint is not None and f"part {first.slot}" in tint.title
    page.browser.view.hovered.emit(-1)
    browser.view.setFocus()
    browser.view.setCurrentIndex(browser.list.index(0))
    QTest.keyClick(browser.view, Qt.Key.Key_Return)
    assert desk.panel.edit.chosen == Slots("negative", "part", (first.slot,))
    desk.click(40, 30)
    bench = page.stage.bench
    assert bench is not None
    place = bench.look.place(40, 30)
    assert browser.list.lit == {slot.row: slot.weight for slot in place.slots}
    assert unnamed_focusable(browser) == []


def test_effects_of_slots_come_one_by_one(desk: Desk, source: Path) -> None:
    desk.open(source)
    browser = desk.page.browser
    desk.page.toolbar.explore.click()
    browser.granularity.setCurrentIndex(browser.granularity.findData("semantic"))
    browser.measure.click()
    desk.idle()
    wanted = {facts.row for facts in browser.list.facts if facts.usage > 0}
    assert set(browser.list.effects) == wanted
    browser.sort.setCurrentIndex(browser.sort.findData("effect"))
    changes = [browser.list.effects[f.row].change.mean for f in browser.list.facts if f.row in wanted]
    assert changes == sorted(changes, reverse=True)


def test_a_large_photo_is_looked_at_where_its_damage_is_seen(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a quarter of its size: cells are 32 px, and a change is carried up to the photo's own pixels."""
    monkeypatch.setattr(memory_look, "scale_for", lambda *_words: 4)
    large = write(tmp_path / "large.png", photo(644, 420, 5))
    desk.open(large)
    page, bench = desk.page, desk.page.stage.bench
    assert bench is not None and (bench.look.width, bench.look.height) == (161, 105)
    assert "1/4" in desk.panel.model.value.full
    page.pins.pin(643, 419)
    looked = page.canvas.looked
    assert looked is not None and (looked.x, looked.y, looked.width) == (640, 416, 32)
    assert desk.panel.place.title.full.startswith("Pin 1 · 640, 416")
    tint = page.canvas.tints[0]
    assert tint is not None and tint.cell_px == (32, 32)
    tried: list[work.Tried] = []
    page.stage.tried.connect(tried.append)
    desk.panel.edit.mute.click()
    desk.idle()
    part, whole = tried[0], tried[-1]
    assert whole.is_whole and whole.rgb.shape == (420, 644, 3) and whole.change.is_measurable
    x, y, w, h = part.region
    assert (
        page.stage.twin is not None and page.stage.base is not None
    )  # compared with what was made in the same way
    left = page.canvas._scene.original
    assert left is not None and np.array_equal(left.crop(0, 0, 0, 644, 420), page.stage.twin.rgb)
    apart = np.abs(part.rgb.astype(int) - whole.rgb[y : y + h, x : x + w])
    assert apart.mean() < 1 and np.quantile(apart, 0.99) <= 3


def test_what_is_seen_goes_into_files(desk: Desk, source: Path, tmp_path: Path) -> None:
    desk.open(source)
    desk.click(40, 30)
    desk.idle()
    bench, files = desk.page.stage.bench, desk.page.files
    assert bench is not None
    for kind in ("csv", "npz", "json", "png", "page.png"):
        files.export(tmp_path / f"seen.{kind}")
        wait(lambda kind=kind: any(said.text == f"Written to seen.{kind}." for said in desk.said))  # type: ignore[misc]
    lines = (tmp_path / "seen.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + 2 * (12 + 6 + 3) and lines[0].startswith("polarity,granularity,slot,row")
    assert lines[0].endswith("weight_pin_1")
    at_pin = [float(line.rsplit(",", 1)[1]) for line in lines[1:]]
    assert sum(at_pin) == pytest.approx(6, abs=1e-3), "all weights, in each of six groups 1"
    with np.load(tmp_path / "seen.npz") as record:
        sums = record["weights"].astype(np.float32)[:12].sum(0)
        assert (
            np.allclose(sums, 1, atol=0.01)
            and record["response_after"].shape == record["response_before"].shape
        )
        assert record["groups"][0].tolist() == ["positive", "part", "0", "12"]
    (place,) = json.loads((tmp_path / "seen.json").read_text("utf-8"))["places"]
    assert sum(slot["weight"] for slot in place["slots"]) == pytest.approx(6, abs=1e-3)
    assert place["effect_of_memory"] is not None and place["nearest_samples"]
    assert image_io.read_info(tmp_path / "seen.png").width > 100
    assert image_io.read_info(tmp_path / "seen.page.png").height == desk.page.height()
    files.export(tmp_path / "seen.txt")
    assert "a name ends with" in desk.said[-1].text
    files.export(tmp_path / "seen.csv" / "seen.csv")  # a file stands where the folder would be
    wait(lambda: "could not be written" in desk.said[-1].text)


def test_health_tells_dead_slots_and_twins_in_words_and_lights_them(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, health = desk.page, desk.page.drawer.health
    page.toolbar.explore.click()
    page.drawer.views.buttons["health"].click()
    bench = page.stage.bench
    assert bench is not None and health.table.rowCount() == len(bench.health.groups) == 6
    row = next(at for at, group in enumerate(bench.health.groups) if group.slots > 1)
    health.table.setCurrentCell(row, 0)
    group = bench.health.groups[row]
    assert f"{group.slots - len(group.dead)} of {group.slots}" == health.table.item(row, 1).text()
    assert "stay silent" in health.reasons.text() and str(group.slots) in health.reasons.text()
    matrix = health.matrix
    matrix.setFocus()
    QTest.keyClick(matrix, Qt.Key.Key_Down)
    first = matrix.looked
    assert first is not None
    start = bench.look.slices[group.polarity, group.granularity].start
    assert page._hot_slot == start + first[0]
    QTest.keyClick(matrix, Qt.Key.Key_Return)
    assert desk.panel.edit.chosen == Slots(group.polarity, group.granularity, (first[0],))
    assert unnamed_focusable(page.drawer) == []


def test_a_slot_is_named_and_keeps_its_name_with_the_model(desk: Desk, source: Path, tmp_path: Path) -> None:
    shutil.copytree(desk.settings.models["derain"], tmp_path / "own")
    desk.settings.set_model("derain", str(tmp_path / "own"))
    desk.open(source)
    page, note = desk.page, desk.panel.note
    assert note.isHidden()
    page.choose_slot(2)
    assert not note.isHidden() and note.name.text() == ""
    QTest.keyClicks(note.name, "Wet leaves")
    QTest.keyClicks(note.note, "Seen in gardens.")
    page.choose_slot(3)  # what was typed is kept first
    assert note.name.text() == ""
    assert "Wet leaves" in str(page.browser.list.data(page.browser.list.index(2)))
    page.browser.shown.setCurrentIndex(page.browser.shown.findData("named"))
    assert [facts.row for facts in page.browser.list.facts] == [2]
    kept = json.loads((tmp_path / "own" / "slots.json").read_text("utf-8"))
    assert kept["slots"][0]["name"] == "Wet leaves" and kept["slots"][0]["note"] == "Seen in gardens."
    again = write(tmp_path / "again.png", photo(96, 80, 3))
    desk.open(again)
    page.choose_slot(2)
    assert note.name.text() == "Wet leaves"


def test_usage_over_a_folder_is_told_instead(desk: Desk, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    for seed in (4, 5):
        write(folder / f"{seed}.png", photo(96, 96, seed))
    (folder / "broken.png").write_bytes(b"nothing")
    desk.open(source)
    page = desk.page
    page.slots.measure_folder(folder)
    wait(lambda: page.drawer.over.count() == 3)
    assert page.drawer.over.currentText() == "In holiday"
    bench = page.stage.bench
    assert bench is not None and page.browser.list.over == "there"
    usage = {facts.row: facts.usage for facts in page.browser.list.everything}
    assert any(abs(usage[facts.row] - facts.usage) > 1e-5 for facts in bench.slots)
    assert "1 photos could not" in desk.said[-1].text and "broken.png" in desk.said[-1].text
    page.drawer.over.setCurrentIndex(0)
    page.drawer.over.activated.emit(0)
    assert [facts.usage for facts in page.browser.list.everything] == [facts.usage for facts in bench.slots]
    page.slots.measure_folder(tmp_path / "home")
    wait(lambda: "could not be looked at" in desk.said[-1].text and "no photos" in desk.said[-1].text)


def test_arrows_tell_where_restoring_moved_pins_and_photo(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, view = desk.page, desk.page.drawer.moves
    page.toolbar.explore.click()
    page.drawer.views.buttons["moves"].click()
    assert "The photo looked" in view.said.text()
    desk.click(40, 30)
    desk.click(100, 90)
    names = [move.name for move in view.plot._moves]
    assert names[0] == "photo" and names[-2:] == ["1", "2"] and "Pin 2 looked" in view.said.text()
    bench = page.stage.bench
    assert bench is not None and page.stage.after is not None
    pin = view.plot._moves[-2]
    assert pin.before.response == pytest.approx(float(bench.look.before.values[3, 5]), abs=1e-5)
    assert pin.after.response == pytest.approx(float(page.stage.after.values[3, 5]), abs=1e-5)
    start, end = view.plot._ends(pin)
    at = ((start + end) / 2).toPoint()
    if view.plot.move_at(QPointF(at)) == pin:  # no other arrow lies over it
        QTest.mouseClick(view.plot, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        assert page.pins.chosen == 0


def test_the_map_is_linked_with_photo_and_slots(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, plot = desk.page, desk.page.drawer.map.plot
    page.toolbar.explore.click()
    page.drawer.views.buttons["map"].click()
    bench = page.stage.bench
    assert bench is not None and plot._map is bench.map
    desk.click(40, 30)
    assert [label for label, _before, _after in plot._arrows] == ["1"]
    QTest.mouseMove(page.canvas, desk.at(90, 60))
    QTest.mouseMove(page.canvas, desk.at(92, 60))
    assert plot._place is not None and len(plot._ringed) == 8
    row = int(np.argmax(bench.map.slots[:, 0]))  # at the edge: nothing lies over it
    at = plot.point_of_slot(row).toPoint()
    QTest.mouseMove(plot, at + QPoint(40, 0))
    QTest.mouseMove(plot, at)
    assert page._hot_slot >= 0
    QTest.mouseClick(plot, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert desk.panel.edit.chosen.numbers
    plot.leaveEvent(QEvent(QEvent.Type.Leave))
    assert page._hot_slot == -1
    plot.sample_hovered.emit(bench.map.sample_of[0])
    tint, _after = page.canvas.tints
    assert tint is not None and tint.title == "Like this sample"
    plot.sample_hovered.emit(None)
    tint, _after = page.canvas.tints
    assert tint is not None and tint.title == "Looks like rain"
    page.light_slot(3)
    assert plot._lit_slot == 3
    before = plot.point_of_slot(row)
    plot.setFocus()
    QTest.keyClick(plot, Qt.Key.Key_Plus)
    assert plot.point_of_slot(row) != before
    QTest.mouseDClick(plot, Qt.MouseButton.LeftButton)
    assert plot.point_of_slot(row) == before
    assert unnamed_focusable(page.drawer) == []


@pytest.mark.parametrize("wish", ["grow", "shrink", "feather", "snap", "invert", "clear"])
def test_every_change_of_the_whole_mask_can_be_made_while_teaching(
    desk: Desk, source: Path, wish: str
) -> None:
    desk.open(source)
    teach = desk.page.teach
    teach.start()
    mask = teach.tool.mask
    assert mask is not None
    painted = np.zeros(mask.shape, np.uint8)
    painted[20:60, 30:70] = 255
    teach.tool.did(mask.replace(painted))
    teach.bar.wanted.emit(wish)
    assert not np.array_equal(mask.values, painted)
    teach.bar.wanted.emit("undo")
    assert np.array_equal(mask.values, painted)


def test_teaching_overrules_the_photo_is_kept_with_it_and_serves_the_command_line(
    desk: Desk, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.open(source)
    page, canvas, teach = desk.page, desk.page.canvas, desk.page.teach
    desk.idle()
    before = shown(desk)
    QTest.mouseClick(page.toolbar.teach, Qt.MouseButton.LeftButton)
    assert teach.active and not teach.bar.isHidden() and page.words.isHidden()
    assert teach.bar.uses.buttons["denied"].text() == "This is not rain"
    assert unnamed_focusable(teach.bar) == []
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    teach.tool.set_brush(Brush(size_px=48, feather=0.0))
    QTest.mousePress(canvas, left, none, desk.at(40, 40))
    QTest.mouseMove(canvas, desk.at(80, 40))
    QTest.mouseRelease(canvas, left, none, desk.at(80, 40))
    tint, _after = canvas.tints
    assert tint is not None and (tint.values[4:6, 4:10] == 0).all() and page.pins.places == []
    teach.bar.uses.buttons["asserted"].click()
    QTest.mouseClick(canvas, left, none, desk.at(120, 90))
    tint, _after = canvas.tints
    assert tint is not None and tint.values[11, 15] == pytest.approx(1)
    assert "of the photo is not rain" in teach.bar.says.text()
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert not teach.active and page.stage.shows_change
    desk.idle()
    now = shown(desk)
    photo_ = page.stage.rgb
    assert photo_ is not None
    assert np.array_equal(now[30:50, 40:80], photo_[30:50, 40:80])
    assert not np.array_equal(before[30:50, 40:80], photo_[30:50, 40:80])
    assert "You say:" in desk.panel.edit._step_buttons[-1].accessibleName()
    # as the command line does it
    page.teach.start()
    page.teach.save(tmp_path / "street.taught.png")
    page.teach.stop()
    argv = [
        "restore",
        str(source),
        "--model",
        desk.settings.choice.model,
        "--out",
        str(tmp_path / "out"),
        "--scale",
        "1",
    ]
    assert program.main([*argv, "--precision", "fp32", "--taught", str(tmp_path / "street.taught.png")]) == 0
    capsys.readouterr()
    made = image_io.read(tmp_path / "out" / "street.derained.png")
    assert np.abs(made.pixels.astype(int) - now).max() <= 2  # bf16 and tiles aside
    assert image_io.read_provenance(tmp_path / "out" / "street.derained.png")["taught"] != "none"
    # undone, done again, and there again under another name
    page.handle("undo")
    assert not page.stage.shows_change
    page.handle("redo")
    moved = tmp_path / "moved.png"
    teach._background._pool.waitForDone()
    source.rename(moved)
    desk.open(moved)
    assert page.edits.now.taught is not None and not page.can("undo")
    page.edits.reset()
    teach._background._pool.waitForDone()
    desk.open(moved)
    assert page.edits.now.taught is None


def test_two_models_stand_side_by_side(desk: Desk, source: Path, tmp_path: Path) -> None:
    run = tmp_path / "mist-3"
    other = save_small_model(run / "model", seed=5)
    (run / "recipe.toml").write_text("", "utf-8")
    desk.open(source)
    desk.idle()
    page, view = desk.page, desk.page.drawer.twins
    first = shown(desk)
    page.toolbar.explore.click()
    page.drawer.views.buttons["twins"].click()
    assert view.table.item(0, 1).text().endswith("% of the photo") and view.table.item(0, 2).text() == ""
    told = {
        view.table.item(row, 0).text(): view.table.item(row, 1).text() for row in range(view.table.rowCount())
    }
    assert re.fullmatch(r"\d+ of 12", told["Negative part slots used"])
    assert re.fullmatch(r"[01]\.\d\d of 1", told["Negative part slots, how evenly"])
    assert told["Changes a pixel by"].endswith("of 255 levels")
    assert not view.show_both.isEnabled()
    page.twins.open(tmp_path)
    assert "holds no model" in desk.said[-1].text
    page.twins.open(run)
    wait(lambda: page.stage.twin_model is not None)
    desk.idle()
    assert view.model.currentText() == "mist-3" and view.show_both.isChecked()
    assert view.table.horizontalHeaderItem(2).text() == "mist-3"
    assert all(view.table.item(row, 2).text() for row in range(view.table.rowCount()))
    twin = page.stage.twin_model
    assert twin is not None and twin.look.model == other
    assert np.array_equal(shown(desk), twin.base.rgb) and not np.array_equal(shown(desk), first)
    before, after = page.canvas.tints
    assert before is not None and after is not None
    assert np.array_equal(after.values, twin.look.before.values)
    assert page.canvas.words[0] == "This model" and "mist-3" in page.words.text()
    page.edits.set_gain(Slots("negative"), 0)  # a change goes before
    assert page.canvas.words[0] == "Memory as it is"
    page.edits.reset()
    view.show_both.click()
    assert np.array_equal(shown(desk), first) and page.canvas.words[0] == "Original"
    view.show_both.click()
    desk.open(write(tmp_path / "again.png", photo(96, 80, 3)))
    assert page.stage.twin_model is None and not view.show_both.isChecked()
    page.twins.look_with(tmp_path / "nowhere")
    wait(lambda: "cannot be used" in desk.said[-1].text)
    assert unnamed_focusable(page.drawer) == []


def test_any_two_checkpoints_stand_side_by_side(desk: Desk, source: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "mist-4"
    best = save_small_model(run / "model", seed=5)
    (run / "recipe.toml").write_text("", "utf-8")
    kept = Checkpoints(run / "checkpoints")
    kept.folder.mkdir()
    for step, seed in ((900, 6), (1000, 7)):
        weights = small_network(seed).state_dict()
        kept.save(step, {f"average.{key}": value for key, value in weights.items()}, {"step": step})
    desk.settings.runs_folder = run.parent
    desk.open(source)
    desk.idle()
    page, view = desk.page, desk.page.drawer.twins
    page.toolbar.explore.click()
    page.drawer.views.buttons["twins"].click()

    def pick(combo: QComboBox, text: str) -> None:
        row = combo.findText(text)
        assert row >= 0, [combo.itemText(at) for at in range(combo.count())]
        combo.setCurrentIndex(row)
        combo.activated.emit(row)

    names = [view.model.itemText(row) for row in range(view.model.count())]
    assert {"mist-4", "mist-4 · step 1,000", "mist-4 · step 900"} < set(names)
    pick(view.model, "mist-4 · step 1,000")
    wait(lambda: page.stage.twin_model is not None)
    desk.idle()
    assert view.model.currentText() == view.table.horizontalHeaderItem(2).text() == "mist-4 · step 1,000"
    later = page.stage.twin_model
    assert later is not None and later.look.model != best
    pick(view.first, "mist-4 · step 900")
    wait(lambda: page.stage.bench is not None and page.stage.bench.look.model_name == "mist-4 · step 900")
    desk.idle()
    assert view.first.currentText() == "mist-4 · step 900"
    pick(view.model, "mist-4")
    wait(lambda: page.stage.twin_model is not None)
    desk.idle()
    headers = [view.table.horizontalHeaderItem(column).text() for column in (1, 2)]
    assert headers == ["mist-4 · step 900", "mist-4"]
    for file in kept.files():
        file.unlink()
    page.twins.look_with(kept.folder / "step-00000800.safetensors")
    wait(lambda: any("keeps its newest checkpoints only" in said.text for said in desk.said))
    assert unnamed_focusable(page.drawer) == []
