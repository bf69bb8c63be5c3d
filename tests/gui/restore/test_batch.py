"""Many photos at once on the Restore page: again with other settings, room for results, other tasks in mid-run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton

from tests.restore_page_kit import Desk, desk, rainy, wait, write

pytestmark = pytest.mark.usefixtures("small_models_ship", "rain_reads_firmer")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Three small photos, 96x80 px."""
    wet, _ = rainy()
    folder = tmp_path / "in"
    folder.mkdir()
    return [write(folder / f"{name}.png", wet[:80, :96] + number) for number, name in enumerate("abc")]


@pytest.fixture
def at(qapp: QApplication, tmp_path: Path) -> Iterator[Desk]:
    with desk(qapp, tmp_path / "own") as made:
        yield made


def click(button: QPushButton) -> None:
    assert button.isEnabled(), button.text()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


# --- other settings than those it was restored with --------------------------------------------------


def test_after_a_setting_has_moved_everything_can_be_restored_again(at: Desk, photos: list[Path]) -> None:
    page, panel = at.page, at.panel
    at.add(*photos)
    page.session.set_current(at.item(photos[0]).id)
    at.run_all()
    wait(lambda: not page.toolbar.run.isEnabled())
    assert not panel.outdated.isVisible()
    panel.choices.thoroughness.slider.setValue(150)
    assert panel.outdated.isVisible() and "thoroughness normal" in panel.outdated.text()
    wait(page.toolbar.run.isEnabled)
    assert page.toolbar.run.text() == "Restore 3 again"
    click(page.toolbar.run)
    at.wait_idle()
    notes = [item.result for item in page.session.items()]
    assert [note.choice.thoroughness for note in notes if note] == [1.5, 1.5, 1.5]
    assert not panel.outdated.isVisible()
    wait(lambda: not page.toolbar.run.isEnabled())
    panel.choices.thoroughness.slider.setValue(100)
    wait(page.toolbar.run.isEnabled)
    panel.choices.thoroughness.slider.setValue(150)
    wait(lambda: not page.toolbar.run.isEnabled())  # as they were made: nothing to do


def test_what_waits_goes_before_what_is_outdated(at: Desk, photos: list[Path]) -> None:
    at.restored(photos[0])
    at.panel.choices.scale.combo.setCurrentIndex(at.panel.choices.scale.combo.findData("1/2"))
    wait(lambda: at.page.toolbar.run.text() == "Restore again")
    at.add(photos[1])
    assert at.page.toolbar.run.text() == "Restore"
    click(at.page.toolbar.run)
    at.wait_idle()
    assert [item.result.choice.scale for item in at.page.session.items() if item.result] == ["auto", "1/2"]
    wait(lambda: at.page.toolbar.run.text() == "Restore again")


def test_the_button_says_how_many_it_restores(at: Desk, photos: list[Path]) -> None:
    at.add(*photos)
    restore = at.panel.restore
    assert restore.text() == "Restore"
    strip = at.page.filmstrip.list
    cells = [strip.visualRect(strip.model().index(row, 0)).center() for row in range(3)]
    left = Qt.MouseButton.LeftButton
    QTest.mouseClick(strip.viewport(), left, pos=cells[0])
    QTest.mouseClick(strip.viewport(), left, Qt.KeyboardModifier.ShiftModifier, cells[2])
    assert restore.text() == "Restore 3" and "3 selected photos" in restore.toolTip()
    click(restore)
    at.wait_idle()
    assert at.states() == ["done"] * 3
    assert restore.text() == "Restore 3 again"
    QTest.mouseClick(strip.viewport(), left, pos=cells[1])
    assert restore.text() == "Restore again"


# --- room for results --------------------------------------------------------------------------------


def test_a_batch_without_room_stays_paused_in_sight_and_can_be_cancelled(
    at: Desk, photos: list[Path]
) -> None:
    at.page.store.budget_bytes = 30_000  # one result of 96x80 fits
    at.add(*photos)
    click(at.page.toolbar.run)
    wait(lambda: at.page.flow.held)
    bar = at.page.batch.bar
    assert bar.isVisible() and bar.go_on.isVisible() and "of results are not saved" in bar.says.full
    assert at.bar.texts[-1] == "Paused: save results to go on · 2 to do"
    assert at.page.close_blockers() is None, "nothing runs, and results and list are kept"
    click(at.page.toolbar.run)  # it says Cancel
    assert not at.page.flow.busy and not bar.go_on.isVisible()
    assert sorted(at.states()) == ["done", "waiting", "waiting"]


def test_a_batch_that_saves_as_it_goes_needs_no_room(at: Desk, photos: list[Path], tmp_path: Path) -> None:
    at.page.store.budget_bytes = 30_000
    at.add(*photos)
    bar = at.page.batch.bar
    at.page.batch.save_to(tmp_path / "out")
    QTest.mouseClick(
        bar.save, Qt.MouseButton.LeftButton, pos=bar.save.rect().center() - bar.save.rect().center() / 1.2
    )
    assert bar.save.isChecked() and at.settings.save_as_they_finish
    click(at.page.toolbar.run)
    at.wait_idle()
    wait(lambda: not at.page.saver.saving_ids)
    assert at.states() == ["done"] * 3
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        f"{name}.derained.png" for name in "abc"
    ]


def test_a_folder_that_takes_nothing_is_said_once_and_another_goes_on(
    at: Desk, photos: list[Path], tmp_path: Path
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_bytes(b"")
    at.page.store.budget_bytes = 30_000
    at.page.batch.save_to(blocked / "out")
    at.settings.save_as_they_finish = True
    at.add(*photos)
    click(at.page.toolbar.run)
    wait(lambda: at.page.flow.held and not at.page.saver.saving_ids)
    bar = at.page.batch.bar
    assert (
        bar.says.full.startswith("Paused")
        and len([said for said in at.said if "not saved" in said.text]) == 1
    )
    at.page.batch.save_to(tmp_path / "elsewhere")  # what its menu and dialog do
    at.wait_idle()
    wait(lambda: not at.page.saver.saving_ids)
    assert at.states() == ["done"] * 3
    assert len(list((tmp_path / "elsewhere").iterdir())) == 3


# --- other choices in mid-run ------------------------------------------------------------------------


def test_what_runs_is_named_whatever_is_chosen_meanwhile(at: Desk, photos: list[Path]) -> None:
    page, panel = at.page, at.panel
    at.add(photos[0])
    page.handle("run_all")
    at.runner.pause()  # a small photo would be done before the other one comes
    panel.choices.thoroughness.slider.setValue(150)
    wait(panel.outdated.isVisible)
    assert "What runs goes on with: Remove rain." in panel.outdated.text()
    at.add(photos[1])
    assert at.said[-1].text == "1 photo joins what runs: Remove rain."
    waits = page.filmstrip.model.index(1)
    assert waits.data(Qt.ItemDataRole.ToolTipRole).endswith("waits its turn: Remove rain")
    at.runner.resume()
    at.wait_idle()
    assert all(text.startswith("Remove rain · ") and "+50 %" not in text for text in at.bar.texts)
    assert [item.result.choice.thoroughness for item in page.session.items() if item.result] == [1, 1]


def test_a_photo_asked_for_in_mid_run_is_restored_with_what_is_chosen_then(
    at: Desk, photos: list[Path]
) -> None:
    page = at.page
    at.restored(photos[0])
    at.add(*photos[1:])
    page.session.set_current(at.item(photos[1]).id)
    page.handle("run_all")
    at.panel.choices.thoroughness.slider.setValue(150)
    page.session.set_current(at.item(photos[0]).id)
    click(at.panel.restore)
    at.wait_idle()
    assert [item.result.choice.thoroughness for item in page.session.items() if item.result] == [1.5, 1, 1]
    assert any("thoroughness +50 %" in text for text in at.bar.texts)


# --- time left ---------------------------------------------------------------------------------------


def test_time_left_and_share_go_by_pixels(at: Desk, photos: list[Path], tmp_path: Path) -> None:
    wet, _ = rainy()
    large = write(tmp_path / "in" / "large.png", np.tile(wet, (2, 2, 1)))  # 320x256: ten of the small ones
    at.add(*photos, large)
    at.settings.tile_px = 256
    flow = at.page.flow
    wait(lambda: all(at.page.sizes.of(item) for item in at.page.session.items()))
    assert at.page.sizes.of(at.item(large)) == (320, 256)
    shares: list[float | None] = []
    flow.finished.connect(lambda _outcome: shares.append(flow.share()))
    at.page.session.set_current(at.item(photos[0]).id)
    at.run_all()
    assert len(shares) == 4 and shares[-1] == 1.0
    assert [
        share is not None and share < by_count
        for share, by_count in zip(shares, (0.22, 0.42, 0.62, 2), strict=True)
    ] == [True] * 4
