"""The Train page's list of runs in the real window: overlays, the menu, the trash, notes, and moving through it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.training import runs
from core.training.run_folder import RunFolder
from memorynet_gui.restore.page import RestorePage
from memorynet_gui.train.inspector import Notes
from memorynet_gui.train.runs_view import _toggle
from tests.run_makers import make_run
from tests.train_page_kit import QuickTrainer, answer, desk, trainer
from tests.ui import settle

__all__ = ["trainer"]  # a fixture


def test_overlays_and_what_differs(qapp: QApplication, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "rain-2", contrastive_weight=0.003)
    other = make_run(tmp_path / "runs", "rain-1", age_s=60)
    with desk(qapp, tmp_path) as at:
        model = at.panel.list.model()
        _toggle(model, model.index(1))
        assert at.panel.differences.text() == ("rain-2 differs from rain-1: contrastive weight 0.001 → 0.003")
        assert at.panel.differences.isVisible()
        at.page.show_run(other)
        assert at.panel.differences.text() == ""
        at.panel.list.set_runs(at.page.library.runs, None, other)
        _toggle(model, model.index(0))
        assert "rain-1 differs from rain-2: contrastive weight 0.003 → 0.001" in at.panel.differences.text()


def test_a_run_that_is_opened_again_shows_what_it_compared_last(qapp: QApplication, tmp_path: Path) -> None:
    from tests.gui.train.test_view_contrast import drawn

    kept = make_run(tmp_path / "runs", "rain-2")
    RunFolder(kept).write_contrast(drawn(step=1240))
    other = make_run(tmp_path / "runs", "rain-1", age_s=60)
    with desk(qapp, tmp_path) as at:
        view = at.page.stage().contrast
        at.wait(lambda: view.shown is not None)
        assert view.shown is not None and view.shown.step == 1240
        at.page.show_run(other)
        assert view.shown is None
        settle()
        assert view.shown is None


def test_the_menu_compares_as_the_dot_does(qapp: QApplication, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "rain-2")
    other = make_run(tmp_path / "runs", "rain-1", age_s=60)
    with desk(qapp, tmp_path) as at:

        def entry(row: int) -> QAction:
            menu = at.page._run_menu().build(at.page._now(at.page.library.runs[row]))
            return next(action for action in menu.actions() if action.text().startswith("Compare"))

        assert not entry(0).isEnabled(), "the shown one"
        entry(1).trigger()
        assert at.panel.list.overlays() == (other,) and entry(1).isChecked()
        entry(1).trigger()
        assert at.panel.list.overlays() == () and not entry(1).isChecked()
        # by mouse: all of the dot, once
        at.panel.list.setFocus()
        row = at.panel.list.visualRect(at.panel.list.model().index(1))
        for number, x in enumerate((3, 8, 12, 16, 20, 25), 1):
            QTest.mouseClick(
                at.panel.list.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, row.center().y())
            )
            assert at.panel.list.overlays() == ((other,) if number % 2 else ()), x
        assert at.page.shown != other


def test_clone_offers_the_recipe_under_a_free_name(qapp: QApplication, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "rain-1", lr=5e-4, data=(str(tmp_path),))
    with desk(qapp, tmp_path) as at:
        at.panel.clone.click()
        at.wait(lambda: at.page.stage().is_new)
        recipe = at.page.stage().new_run.recipe()
        assert recipe.lr == 5e-4 and recipe.name != "rain-1" and recipe.name.startswith("rain")


def test_notes_are_kept(qapp: QApplication, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs", "rain-1")
    make_run(tmp_path / "runs", "rain-0", age_s=60)
    with desk(qapp, tmp_path) as at:
        QTest.keyClicks(at.panel.notes, "too little rain")
        at.page.show_run(tmp_path / "runs" / "rain-0")
        at.wait((folder / "notes.txt").exists)
        assert at.panel.notes.toPlainText() == ""
        at.page.show_run(folder)
        at.wait(lambda: at.panel.notes.toPlainText() == "too little rain")
        QTest.keyClicks(at.panel.notes, "!")  # closing at once keeps it, too
    assert "!" in (folder / "notes.txt").read_text("utf-8")


def test_notes_stay_while_the_disk_lags_behind(qtbot: QtBot, tmp_path: Path) -> None:
    notes = Notes()
    qtbot.addWidget(notes)
    told: list[str] = []
    notes.written.connect(told.append)
    notes.show_text(tmp_path, "dry")
    QTest.keyClicks(notes, "very ")
    notes.tell()
    notes.show_text(tmp_path, "dry")  # the page renews all of it many times a second
    assert notes.toPlainText() == "very dry"
    notes.show_text(tmp_path, "very dry")
    notes.show_text(tmp_path, "written by another program")
    assert notes.toPlainText() == "written by another program"
    notes.show_text(tmp_path / "other", "")
    assert notes.toPlainText() == "" and told == ["very dry"]


def test_the_trash_takes_a_run_and_shows_the_next(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"

    def trash(path: str) -> None:
        Path(path).rename(gone)

    monkeypatch.setattr("send2trash.send2trash", trash)
    folder = make_run(tmp_path / "runs", "rain-2")
    other = make_run(tmp_path / "runs", "rain-1", age_s=60)
    with desk(qapp, tmp_path) as at:
        assert at.page.shown == folder
        at.panel.trash.click()
        at.wait(lambda: at.page.shown == other)
        at.wait(lambda: len(at.page.library.runs) == 1)
        assert gone.is_dir() and any("rain-2 is in the trash" in text for text in at.texts())
        assert at.panel.list.model().rowCount() == 1


def test_a_run_can_be_put_back_from_the_trash_and_its_model_goes_with_it(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Trashed:
        def __init__(self, folder: Path) -> None:
            self.folder, self.away = folder, tmp_path / "away"
            folder.rename(self.away)

        def take_back(self) -> None:
            self.away.rename(self.folder)

    monkeypatch.setattr("core.trash.move", Trashed)
    folder = make_run(tmp_path / "runs", "rain-2", model=True)
    with desk(qapp, tmp_path) as at:
        at.panel.restore.click()
        restoring = at.window.page
        assert isinstance(restoring, RestorePage)
        at.wait(lambda: restoring._inspector.choices.model.currentText() == "rain-2")
        at.window.show_page("train")
        at.panel.trash.click()
        at.wait(lambda: not at.page.library.runs)
        models = restoring._inspector.choices.model
        assert "rain-2" not in [models.itemText(row) for row in range(models.count())]
        at.press_banner("rain-2 is in the trash")
        at.wait(lambda: [run.folder for run in at.page.library.runs] == [folder])
        assert any("rain-2 is back" in text for text in at.texts())


def test_nothing_moves_under_the_hand_when_a_run_gets_going(
    qapp: QApplication, tmp_path: Path, trainer: QuickTrainer
) -> None:
    trainer.holds_at = 15
    with desk(qapp, tmp_path) as at:
        at.start("rain-1")
        at.wait(at.panel.steering.isVisible)
        settle()
        places = [at.panel.pause.mapTo(at.panel, QPoint()), at.panel.trash.mapTo(at.panel, QPoint())]
        at.wait_step(15)
        at.wait(lambda: at.panel.best_row.value.full == "30.00 dB at 10")
        settle()
        assert [at.panel.pause.mapTo(at.panel, QPoint()), at.panel.trash.mapTo(at.panel, QPoint())] == places


def test_without_a_trash_it_asks_before_it_deletes(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_path: str) -> None:
        raise OSError("no trash on this disk")

    monkeypatch.setattr("send2trash.send2trash", none)
    folder = make_run(tmp_path / "runs", "rain-1")
    seen: list[str] = []
    with desk(qapp, tmp_path) as at:
        answer(monkeypatch, "Keep", seen)
        at.panel.trash.click()
        at.wait(lambda: seen)
        settle()
        assert folder.is_dir() and "no trash on this disk" in seen[0]
        answer(monkeypatch, "Delete for good", seen)
        at.panel.trash.click()
        at.wait(lambda: not folder.exists())
        at.wait(lambda: at.page.stage().is_new)


def test_a_run_that_is_gone_from_the_disk_leaves_the_page(qapp: QApplication, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs", "rain-1")
    with desk(qapp, tmp_path) as at:
        folder.rename(tmp_path / "elsewhere")
        at.page.library.refresh()
        at.wait(lambda: at.page.stage().is_new)
        assert at.page.library.runs == ()


def test_the_folder_of_runs_can_be_chosen(qapp: QApplication, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "rain-1")
    make_run(tmp_path / "other runs", "snow-1")
    with desk(qapp, tmp_path) as at:
        at.settings.runs_folder = tmp_path / "other runs"
        at.wait(lambda: [run.name for run in at.page.library.runs] == ["snow-1"])
        at.settings.runs_folder = None
        assert at.page.library.folder == runs.default_folder()


def test_damaged_runs_are_listed_with_what_is_wrong(qapp: QApplication, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs", "rain-1")
    (folder / "recipe.toml").write_text("name = ", "utf-8")
    with desk(qapp, tmp_path) as at:
        assert at.page.shown == folder
        assert "not valid TOML" in at.panel.note.text() and not at.panel.proceed.isVisible()
        assert not at.panel.clone.isEnabled() and at.panel.trash.isEnabled()
