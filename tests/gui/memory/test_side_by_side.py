"""Two models, or two checkpoints of a run, looked into side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox

from core.images import io as image_io
from core.jobs import JobControl, ignore
from core.model.memory_edit import Slots
from core.restoring import restore as restoring
from core.restoring.records import Choice
from core.restoring.verdict import Verdict
from core.training.state import Checkpoints
from memorynet_gui.base.page import PhotoAtHand
from memorynet_gui.memory.bench.records import Twin
from memorynet_gui.memory.slots.twins import HEALTH, SLOTS
from tests.gui.memory.memory_kit import Desk, shown
from tests.restore_page_kit import wait, write
from tests.small import photo, save_small_model, small_network
from tests.ui import unnamed_focusable


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
    assert len(view.slots.lists[0].facts) == 2 * (12 + 6 + 3) and not view.slots.lists[1].facts
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
    told_of_both(desk, twin)
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


def told_of_both(desk: Desk, twin: Twin) -> None:
    """Health and slots of both models; a slot under the pointer lights its area in its own model's half."""
    page, view = desk.page, desk.page.drawer.twins
    bench = page.stage.bench
    assert bench is not None
    QTest.mouseClick(view.views.buttons[HEALTH], Qt.MouseButton.LeftButton)
    assert view.health.isVisible() and view.health.rowCount() == 2 * len(bench.health.groups)
    for row, group in enumerate((bench.health.groups[0], twin.health.groups[0])):
        texts = [view.health.item(row, column).text() for column in range(5)]
        used = f"{group.slots - len(group.dead)} of {group.slots}"
        assert texts[2:] == [used, str(len(group.duplicates)), f"{group.entropy:.2f}"]
    assert [view.health.item(row, 1).text() for row in (0, 1)] == list(page.twins.names)
    QTest.mouseClick(view.views.buttons[SLOTS], Qt.MouseButton.LeftButton)
    assert view.slots.isVisible() and view.slots.kinds.isVisible()
    view.slots.kinds.setCurrentIndex(view.slots.kinds.findText("Negative part"))
    mine, other = view.slots.lists
    for slots in (mine, other):
        used = [facts.usage for facts in slots.facts]
        assert {facts.granularity for facts in slots.facts} == {"part"} and used == sorted(used, reverse=True)
    tile = view.slots.views[1]
    QTest.mouseMove(tile.viewport(), tile.visualRect(other.index(0)).center())
    row = other.facts[0].row
    before, after = page.canvas.tints
    assert before is None and after is not None
    assert np.array_equal(after.values, twin.look.slot_map(row))
    tile.leaveEvent(QEvent(QEvent.Type.Leave))
    tile = view.slots.views[0]
    QTest.mouseMove(tile.viewport(), tile.visualRect(mine.index(1)).center())
    before, after = page.canvas.tints
    assert after is None and before is not None
    assert np.array_equal(before.values, bench.look.slot_map(mine.facts[1].row))
    tile.setCurrentIndex(mine.index(1))
    QTest.keyClick(tile, Qt.Key.Key_Return)
    assert desk.panel.edit.chosen == Slots("negative", "part", (mine.facts[1].slot,))
    page.places.light_slot(-1)


def test_another_model_is_not_shown_with_the_results_of_the_one_before(
    desk: Desk, source: Path, tmp_path: Path
) -> None:
    """The Restore page's result and verdict are its own model's; the truth is the photo's, whatever the model."""
    pixels = image_io.read(source).pixels
    truth = write(tmp_path / "truth.png", photo(160, 120, 8))
    page = desk.page
    page.hide()
    desk.context.photo = PhotoAtHand(
        source,
        "one",
        Choice("derain", desk.settings.models["derain"], scale="1"),
        rgb=pixels,
        restored_rgb=pixels // 2,
        result=lambda: pixels // 2,
        reference=truth,
        verdict=Verdict("much", 0.85),
    )
    page.show()
    wait(lambda: page.stage.after is not None)
    assert page.words.text().startswith("Much rain found")
    other = save_small_model(tmp_path / "other", seed=5)
    page.use_model(other)
    wait(lambda: page.stage.bench is not None and page.stage.bench.look.model == other)
    wait(lambda: page.stage.after is not None)
    bench, base = page.stage.bench, page.stage.base
    assert bench is not None and base is not None and bench.truth is not None
    made = restoring.restore(bench.picture, replace(bench.request, scale="auto"), ignore, JobControl())
    assert np.array_equal(base.pixels, made.pixels)
    assert "Much rain found" not in page.words.text()


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
