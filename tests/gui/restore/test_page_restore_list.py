"""The Restore page: the list of photos, and what a restart keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core import tasks
from core.model import catalog
from tests.gui.restore.page_kit import window_and_command
from tests.restore_page_kit import TILE_PX, Desk, desk, wait
from tests.ui import settle

pytestmark = pytest.mark.usefixtures("small_models_ship")

# --- the list -----------------------------------------------------------------------------------


def test_delete_removes_and_undo_brings_back(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"], place["second"], place["jpeg"])
    at.page.session.set_current(at.item(place["second"]).id)
    strip = at.page.filmstrip.list
    strip.setFocus()
    QTest.keyClick(strip, Qt.Key.Key_Delete)
    assert [item.path for item in at.page.session.items()] == [place["png"], place["jpeg"]]
    assert at.said[-1].action == "Undo" and place["second"].exists()
    at.page.handle("undo")
    assert len(at.page.session) == 3 and at.page.session.current == at.item(place["second"])
    assert at.said[-1].withdrawn  # its "Undo" would take back something else
    at.page.handle("redo")
    assert len(at.page.session) == 2
    at.page.handle("select_all")
    at.page.handle("remove")
    settle()
    assert len(at.page.session) == 0 and at.page.empty.isVisible()
    at.page.handle("undo")
    settle()
    assert len(at.page.session) == 2 and not at.page.empty.isVisible()


def test_undo_of_everything_leaves_the_inspector_at_work(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"], place["second"])
    strip = at.page.filmstrip.list

    def is_focused() -> bool:  # asked again: a window of the test before may still be going
        at.page.activateWindow()
        strip.setFocus()
        return strip.hasFocus()

    def is_empty_focused() -> bool:  # likewise
        at.page.activateWindow()
        return at.page.empty.isAncestorOf(QApplication.focusWidget())

    wait(is_focused)
    at.page.handle("select_all")
    QTest.keyClick(strip, Qt.Key.Key_Delete)
    wait(is_empty_focused)
    assert not at.panel.restore.isEnabled()
    at.page.handle("undo")  # the strip has the keys again as soon as it shows
    settle()
    assert at.page.session.current is not None
    assert at.panel.restore.isEnabled() and at.panel.strength.isEnabled()


def test_next_and_previous_walk_the_strip(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"], place["second"])
    at.page.session.set_current(at.item(place["png"]).id)
    at.page.handle("next")
    at.wait_shown(place["second"])
    assert at.page.filmstrip.list.currentIndex().row() == 1
    at.page.handle("previous")
    at.wait_shown(place["png"])
    QTest.keyClick(at.page.filmstrip.list, Qt.Key.Key_Right)
    assert at.page.session.current == at.item(place["second"])


def test_space_held_shows_the_original(at: Desk, place: dict[str, Path]) -> None:
    at.restored(place["png"])
    for widget in (at.page.canvas, at.page.filmstrip.list, at.panel.strength):
        QTest.keyPress(widget, Qt.Key.Key_Space)
        assert at.page.canvas.showing_original, widget
        QTest.keyRelease(widget, Qt.Key.Key_Space)
        assert not at.page.canvas.showing_original, widget


def test_the_toolbar_tells_the_zoom(at: Desk, place: dict[str, Path]) -> None:
    assert at.page.toolbar.zoom.text() == ""
    at.restored(place["png"])
    at.page.handle("zoom_100")
    assert at.page.toolbar.zoom.text() == "100 %"
    at.page.canvas.zoom_by(2.0, None)
    assert at.page.toolbar.zoom.text() == "200 %" and not at.page.toolbar.zoom.isHidden()
    at.page.session.remove(item.id for item in at.page.session.items())
    assert at.page.toolbar.zoom.isHidden(), "nothing is shown"


def test_a_broken_model_file_shows_why(at: Desk, place: dict[str, Path], tmp_path: Path) -> None:
    at.add(place["png"])
    good = at.panel.choices.choice().model
    assert good == "derain-s"
    bad = tmp_path / "mine.safetensors"
    bad.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    at.page.chooser.open_model(bad)
    wait(at.panel.choices.model_error.isVisible)
    assert "mine.safetensors cannot be used" in at.panel.choices.model_error.text()
    assert at.panel.choices.choice().model == ""
    at.page.handle("run")
    assert at.states() == ["waiting"] and "no model" in at.said[-1].text
    at.panel.choices.model.setCurrentIndex(at.panel.choices.model.findData(good))
    at.panel.choices.model.activated.emit(at.panel.choices.model.currentIndex())
    assert at.panel.choices.choice().model == good


def test_a_model_opened_by_its_path_restores_and_repeats(
    at: Desk, place: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my models" / "mine"
    folder.mkdir(parents=True)
    for file in (catalog.RESOURCES / "weights" / "derain-s").iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    at.page.chooser.open_model(folder / "model.safetensors")
    wait(lambda: at.panel.choices.choice().model == str(folder))
    at.restored(place["second"])
    saved = at.save(place["second"])
    window_and_command(at, place["second"], saved, capsys)


def test_tasks_without_a_model_cannot_be_chosen(at: Desk) -> None:
    usable = {tasks.AUTO, *(entry.task for entry in catalog.models() if entry.error is None)}
    for row in range(at.panel.choices.task.count()):
        index = at.panel.choices.task.model().index(row, 0)
        enabled = bool(index.flags() & Qt.ItemFlag.ItemIsEnabled)
        assert enabled == (at.panel.choices.task.itemData(row) in usable)
    assert at.panel.choices.task.currentText() == "Remove rain"


def test_choices_are_remembered_also_when_devices_come_late(
    qapp: QApplication, tmp_path: Path, place: dict[str, Path]
) -> None:
    from core.model.tensors import Device

    devices = (
        Device("mps", "Apple GPU", ("fp32", "bf16")),
        Device("cpu", "CPU, 2 threads", ("bf16", "fp32")),
    )
    home = tmp_path / "own"
    with desk(qapp, home) as at:
        at.context.set_devices(devices)
        at.settings.device, at.settings.precision = "cpu", "fp32"
    with desk(qapp, home) as at:
        assert at.panel.choices.choice().device == "auto", "nobody knows yet what there is"
        at.context.set_devices(devices)
        choice = at.panel.choices.choice()
        assert (choice.device, choice.precision, choice.tile_px) == ("cpu", "fp32", TILE_PX)


# --- a restart ----------------------------------------------------------------------------------


def test_everything_is_there_again_after_a_restart(
    qapp: QApplication, tmp_path: Path, place: dict[str, Path]
) -> None:
    home = tmp_path / "own"
    with desk(qapp, home) as at:
        at.add(place["png"], place["second"], place["jpeg"])
        at.page.session.set_current(at.item(place["png"]).id)
        at.wait_shown(place["png"])
        at.page.handle("run")
        at.wait_idle()
        at.panel.strength.setValue(77)
        pixels = at.page.store.get(at.item(place["png"]).id)
        at.page.session.set_current(at.item(place["jpeg"]).id)
        at.wait_shown(place["jpeg"])
        at.page.handle("run")
        at.runner.pause()  # a small photo would be done before the window closes
        assert "being restored" in (at.page.close_blockers() or "")
        at.page.shut_down()
        assert not at.runner.busy
    with desk(qapp, home) as at:
        assert at.states() == ["done", "waiting", "waiting"]
        item = at.item(place["png"])
        assert item.strength_percent == 77
        np.testing.assert_array_equal(at.page.store.get(item.id), pixels)
        at.page.session.set_current(item.id)
        at.wait_shown(place["png"])
        assert at.page.stage.can_blend
        at.save(place["png"])
        at.page.session.remove([item.id])
        assert at.page.store.has(item.id), "undo may want it"
    with desk(qapp, home) as at:
        assert at.states() == ["waiting", "waiting"]
        assert not at.page.store.has(item.id)


def test_an_unsaved_result_that_was_swept_away_waits_again(
    qapp: QApplication, tmp_path: Path, place: dict[str, Path]
) -> None:
    home = tmp_path / "own"
    with desk(qapp, home) as at:
        at.restored(place["png"])
        at.restored(place["second"])
        at.save(place["second"])
    for file in (home / "cache" / "results").iterdir():
        file.unlink()
    with desk(qapp, home) as at:
        assert at.states() == ["waiting", "done"]
        at.page.session.set_current(at.item(place["second"]).id)
        at.wait_shown(place["second"])
        assert at.page.stage.shown is not None and at.page.stage.shown.restored_is_saved_file
        assert not at.panel.save_as.isEnabled()
