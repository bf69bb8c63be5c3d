"""The Train page in the real window: every state of a run, what each control does, what is said and kept."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton

from core.training import runs
from core.training.recipe_folders import FolderMissing
from core.training.run_folder import DONE, INTERRUPTED, RUNNING, STOPPED, RunFolder
from core.training.trainer import TrainingError
from memorynet_gui.base.actions import ACTIONS
from memorynet_gui.frame import main_window
from memorynet_gui.restore.page import RestorePage
from memorynet_gui.train.notice import DesktopNotice
from memorynet_gui.train.page import TrainPage
from tests.run_makers import make_run
from tests.train_page_kit import QUICK, QuickTrainer, answer, desk, trainer
from tests.ui import settle, unnamed_focusable

__all__ = ["trainer"]  # a fixture


def test_the_rail_knows_the_page_before_it_is_imported() -> None:
    later = main_window.TRAIN
    assert (later.page_id, later.title, later.icon) == (TrainPage.page_id, TrainPage.title, TrainPage.icon)


def test_the_page_begins_with_setting_up_a_run(qapp: QApplication, tmp_path: Path) -> None:
    with desk(qapp, tmp_path) as at:
        assert at.page.shown is None and at.page.stage().is_new
        assert at.panel.empty.isVisible() and not at.panel.recipe_part.isVisible()
        assert not at.page.toolbar.export.isVisible() and at.page.toolbar.new.isVisible()
        assert unnamed_focusable(at.window) == []


def test_a_run_from_start_to_end(
    qapp: QApplication, tmp_path: Path, trainer: QuickTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(DesktopNotice, "tell", lambda self, title, text: told.append((title, text)))
    with desk(qapp, tmp_path) as at:
        trainer.holds_at = 15
        folder = at.start("rain-1", data=(tmp_path / "photos",))
        assert at.page.shown == folder and not at.page.stage().is_new
        at.wait_step(15)
        at.wait(lambda: at.window.job_bar.text.full == "Training rain-1 · step 15 of 40")
        assert at.window.job_bar.meter.share == 15 / 40
        assert at.panel.steps.value.full == "15 of 40"
        at.wait(at.panel.restore.isEnabled)  # the model of step 10
        store = at.page._stores.of(folder, True)  # type: ignore[union-attr]
        assert store.last_step == 15 and store.best == (10, 30.0)
        assert unnamed_focusable(at.window) == []
        trainer.let_go.set()
        at.wait_idle()
        assert at.window.job_bar.text.full == ""
        run = at.page.library.find(folder)
        assert run is not None and run.state is not None and run.state.state == DONE
        assert at.panel.state_row.value.full == "done" and not at.panel.steering.isVisible()
        assert any(
            "all 40 steps are done. Best validation PSNR (Y): 60.00 dB." in text for text in at.texts()
        )
        assert len(told) == 1 and "rain-1 is trained" in told[0][1]
        order = trainer.orders[0]
        assert order.folder == folder and order.data == (tmp_path / "photos",) and not order.resume


def test_pause_save_and_stop(qapp: QApplication, tmp_path: Path, trainer: QuickTrainer) -> None:
    with desk(qapp, tmp_path) as at:
        at.start("rain-1", steps=100_000, validate_every=100_000)
        at.wait_step(3)
        at.panel.pause.click()
        assert at.page.flow.paused
        at.wait(lambda: at.panel.pause.text() == "Resume")
        at.wait(lambda: at.window.job_bar.text.full.startswith("Paused · Training rain-1"))
        step = at.page.flow.step
        at.window.job_bar.pause.click()  # the bar at the bottom does the same
        assert not at.page.flow.paused
        at.wait_step(step + 2)
        assert at.page.flow.kept is None
        at.page.handle("save_run")
        at.wait(lambda: at.page.flow.kept is not None)
        at.window.refresh_actions()
        at.window.actions_by_id["cancel"].trigger()  # Esc, from any page: not by accident
        assert at.page.flow.busy and not at.page.flow.stopping
        at.stop()
        at.wait_idle()
        assert "can go on from there" in at.texts()[-1]
        assert at.panel.proceed.isVisible() and at.panel.state_row.value.full == "stopped"


def test_going_on_uses_the_runs_own_recipe_and_data(
    qapp: QApplication, tmp_path: Path, trainer: QuickTrainer
) -> None:
    folder = make_run(tmp_path / "runs", "rain-1", STOPPED, step=20, steps=40, data=("/photos/rain",))
    recipe = RunFolder(folder).recipe()
    trainer.holds_at = 21
    with desk(qapp, tmp_path) as at:
        assert at.page.shown == folder  # the newest run is what one comes back to
        assert at.page.can("start_run")
        at.window.refresh_actions()
        at.window.actions_by_id["start_run"].trigger()
        at.wait(lambda: at.panel.kept_row.value.full == "step 20")
        trainer.let_go.set()
        at.wait_idle()
        order = trainer.orders[0]
        assert (order.resume, order.recipe, order.data) == (True, recipe, (Path("/photos/rain"),))
        store = at.page._stores.of(folder, False)  # type: ignore[union-attr]
        assert store.last_step == 40
        steps = store.series("loss")
        assert steps is not None and list(steps.steps) == list(range(1, 41))
        assert not at.page.can("start_run")


def test_an_interrupted_run_can_go_on_and_a_locked_one_cannot(qapp: QApplication, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs", "rain-1", RUNNING, step=20, steps=40)
    lock = RunFolder(folder).locked()
    lock.__enter__()
    with desk(qapp, tmp_path) as at:
        assert "Another program" in at.panel.note.text() and not at.panel.proceed.isVisible()
        assert not at.page.can("start_run")
        at.page.starts.go_on(folder)
        assert not at.page.flow.busy
        at.page.trash_run(folder)
        assert "when it has ended" in at.texts()[-1]
        lock.__exit__(None, None, None)
        at.page.library.refresh()
        at.wait(at.panel.proceed.isVisible)
        assert at.panel.state_row.value.full == "interrupted"
        found = at.page.library.find(folder)
        assert found is not None and found.state is not None and found.state.state == INTERRUPTED


def test_a_failure_is_told_and_the_run_stays(
    qapp: QApplication, tmp_path: Path, trainer: QuickTrainer
) -> None:
    trainer.fails_at = (12, TrainingError("step 12: a training photo cannot be read any more: gone.png"))
    with desk(qapp, tmp_path) as at:
        folder = at.start("rain-1")
        at.wait_idle()
        assert at.panel.problem_box.isVisible() and "gone.png" in at.panel.problem_box.why.text()
        assert at.panel.problem_box.copy.isVisible() and at.panel.proceed.isVisible()
        assert at.window.banner.cards[-1].kind == "warning" and "stopped at step 12" in at.texts()[-1]
        assert at.page.library.find(folder) is not None
        at.settings.inspector_shown = False  # then the banner has to say it all
        at.panel.continue_requested.emit()
        at.wait(lambda: at.page.flow.busy)
        at.wait_idle()
        assert "gone.png" in at.texts()[-1]
        at.settings.inspector_shown = True
    with desk(qapp, tmp_path) as at:  # what went wrong is known next time, too
        assert at.panel.problem_box.isVisible() and "It broke" in at.panel.problem_box.why.text()


def test_what_cannot_go_on_is_not_said_to_have_stopped_at_its_beginning(
    qapp: QApplication, tmp_path: Path, trainer: QuickTrainer
) -> None:
    make_run(tmp_path / "runs", "rain-1", STOPPED, step=12)
    trainer.fails_first = FolderMissing("DATA/clean: no such folder")
    with desk(qapp, tmp_path) as at:
        at.wait(at.panel.proceed.isVisible)
        at.panel.proceed.click()
        at.wait(lambda: bool(trainer.orders))
        at.wait_idle()
        assert at.texts()[-1].startswith("rain-1 did not get going. The run is kept")
        assert at.panel.problem_box.isVisible()
        assert at.panel.problem_box.what.text() == "A folder of photos is not there."


@pytest.mark.dressed
def test_the_words_of_the_buttons_fit_in_the_narrowest_panel(
    qapp: QApplication, tmp_path: Path, trainer: QuickTrainer
) -> None:
    trainer.holds_at = 5
    with desk(qapp, tmp_path) as at:
        at.window.resize(1000, 600)
        at.start("rain-1")
        at.wait(at.panel.steering.isVisible)
        at.panel.pause.click()
        at.wait(lambda: at.panel.pause.text() == "Resume")
        settle()
        for button in (at.panel.pause, at.panel.save, at.panel.stop):
            assert button.width() >= button.sizeHint().width(), button.text()
        at.stop()
        at.wait_idle()


def test_what_fails_before_it_begins_leads_back_to_the_form(
    qapp: QApplication, tmp_path: Path, trainer: QuickTrainer
) -> None:
    from core.training.recipe import RecipeError

    trainer.fails_first = RecipeError("DATA/clean: no such folder")
    with desk(qapp, tmp_path) as at:
        (at.runs_folder / "rain-1").mkdir(parents=True)
        RunFolder(at.runs_folder / "rain-1").lock_file.touch()  # as the trainer leaves it
        folder = at.start("rain-1")
        at.wait_idle()
        assert at.page.stage().is_new and at.page.shown is None
        assert "was not started" in at.texts()[-1] and "DATA/clean" in at.texts()[-1]
        assert not folder.exists() and at.page.library.runs == ()


def test_restoring_goes_first_and_the_run_goes_on_by_itself(
    qapp: QApplication, tmp_path: Path, trainer: QuickTrainer
) -> None:
    release = threading.Event()
    with desk(qapp, tmp_path) as at:
        at.start("rain-1", steps=100_000)
        at.wait_step(3)
        at.window.runner.start(lambda _emit, _control: release.wait(60))
        assert at.page.flow.held and not at.page.flow.paused
        at.wait(lambda: at.window.job_bar.text.full.endswith("lets other work go first"))
        at.wait(lambda: at.panel.state_row.value.full == "lets others go first")
        assert "goes on by itself" in at.panel.state_row.toolTip()
        elapsed_s = at.page.flow.elapsed_s
        time.sleep(0.05)
        settle()
        assert at.page.flow.elapsed_s == elapsed_s, "to wait is no work"
        release.set()
        at.wait(lambda: not at.page.flow.held)
        at.wait_step(at.page.flow.step + 10)
        assert at.page.flow.elapsed_s > elapsed_s
        at.page.flow.stop()
        at.wait_idle()


def test_one_run_at_a_time(qapp: QApplication, tmp_path: Path, trainer: QuickTrainer) -> None:
    trainer.holds_at = 5
    with desk(qapp, tmp_path) as at:
        at.start("rain-1")
        at.wait_step(5)
        at.start("rain-2")
        assert "rain-1 is training" in at.texts()[-1]
        assert [order.name for order in trainer.orders] == ["rain-1"]


def test_closing_asks_checkpoints_and_goes_on_next_time(
    qapp: QApplication, tmp_path: Path, trainer: QuickTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.holds_at = 25
    seen: list[str] = []
    with desk(qapp, tmp_path) as at:
        folder = at.start("rain-1")
        at.wait_step(25)
        answer(monkeypatch, "Keep training", seen)
        assert not at.window.close()
        assert at.page.flow.busy and at.window.isVisible()
        assert "goes on from here next time" in seen[0] and "step 25 of 40" in seen[0]
        assert set(seen[1:]) == {"Stop and close", "Keep training"}
        answer(monkeypatch, "Stop and close", seen)
        assert at.window.close()
        assert not at.window.context.training.busy and not RunFolder(folder).is_locked()
    assert runs.read(folder).state.state == STOPPED  # type: ignore[union-attr]
    trainer.let_go.set()
    with desk(qapp, tmp_path) as at:
        assert at.page.shown == folder and at.panel.proceed.isVisible()
        at.panel.proceed.click()
        at.wait_idle()
        assert trainer.orders[-1].resume
        assert at.panel.state_row.value.full == "done"


def test_the_model_goes_to_the_restore_page(qapp: QApplication, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs", "rain-7", model=True)
    with desk(qapp, tmp_path) as at:
        at.panel.restore.click()
        restoring = at.window.page
        assert isinstance(restoring, RestorePage)
        at.wait(lambda: restoring._inspector.choices.model.currentText() == "rain-7")
        assert restoring._inspector.choices.choice().model == str(folder / "model")


# --- recipes and keys ----------------------------------------------------------------------------


def test_a_recipe_file_is_offered_in_the_form(qapp: QApplication, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('[run]\nname = "mine"\n[training]\nlr = 0.0005\n', "utf-8")
    bad.write_text("[training]\nlr = 7.0\n", "utf-8")
    with desk(qapp, tmp_path) as at:
        at.window.open_paths([good])
        recipe = at.page.stage().new_run.recipe()
        assert (recipe.name, recipe.lr) == ("mine", 0.0005)
        at.window.open_paths([bad])
        assert at.window.banner.cards[-1].kind == "warning" and "lr" in at.texts()[-1]
        assert at.page.stage().new_run.recipe().name == "mine"
        at.window.open_paths([tmp_path / "photo.jpg"])
        assert "Drop folders" in at.texts()[-1]


def test_keys_belong_to_the_page_that_shows(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(TrainPage, "_ask_for_recipe", lambda self: asked.append("recipe"))
    make_run(tmp_path / "runs", "rain-1")
    with desk(qapp, tmp_path) as at:
        at.window.activateWindow()
        at.wait(at.window.isActiveWindow)
        at.window.refresh_actions()
        enabled = {name for name, action in at.window.actions_by_id.items() if action.isEnabled()}
        assert {"new_run", "open_recipe", "export_run"} <= enabled and not {"open", "save", "run"} & enabled
        QTest.keyClick(at.window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
        assert asked == ["recipe"]
        QTest.keyClick(at.window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
        assert at.page.stage().is_new
        at.window.show_page("restore")
        at.window.refresh_actions()
        enabled = {name for name, action in at.window.actions_by_id.items() if action.isEnabled()}
        assert "open" in enabled and not {"new_run", "open_recipe", "export_run"} & enabled
    train = [action for action in ACTIONS.values() if action.page == "train"]
    assert len(train) == 5


def test_the_looks_of_curves_are_remembered(qapp: QApplication, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "rain-1")
    with desk(qapp, tmp_path) as at:
        bar = at.page.toolbar
        for button in bar.smoothing.findChildren(QPushButton) + bar.scale.findChildren(QPushButton):
            if button.text() in ("Raw", "Linear"):
                button.click()
        assert not at.settings.curves_smoothed and not at.settings.curves_log
        assert not at.page.stage().board.is_smoothed and not at.page.stage().board.is_log
        at.settings.save()
    with desk(qapp, tmp_path) as at:
        assert not at.page.stage().board.is_smoothed and not at.page.stage().board.is_log


def test_everything_is_exported(qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path / "runs", "rain-1", model=True)
    with desk(qapp, tmp_path) as at:
        menu = at.page._run_menu()
        run = at.page.library.runs[0]
        places: list[Path] = []

        def ask(_self: object, _title: str, name: str, _kind: str, _confirm: bool, then: object) -> None:
            places.append(tmp_path / "out" / name)
            then(places[-1])  # type: ignore[operator]

        (tmp_path / "out").mkdir()
        monkeypatch.setattr(type(menu.exporter), "_ask", ask)
        built = menu.build_export(at.page._now(run), at.page)
        actions = {action.text(): action for action in built.actions() if action.text()}
        for text in ("Recipe…", "Curves as picture…", "Curves as table…", "Model folder…"):
            actions[text].trigger()
        at.wait(lambda: not at.window.runner.busy)
        at.wait((tmp_path / "out" / "rain-1.csv").exists)
        settle()
        assert {path.name for path in places} == {"rain-1.toml", "rain-1.png", "rain-1.csv", "rain-1"}
        assert all(place.exists() for place in places)
        assert (tmp_path / "out" / "rain-1" / "model.safetensors").is_file()
        actions["Model folder…"].trigger()  # the place is taken now
        at.wait(lambda: not at.window.runner.busy)
        settle()
        assert [text.count("was not exported") for text in at.texts() if "was not exported" in text] == [1]
        assert at.window.job_bar.text.full == ""


@pytest.mark.dressed
def test_small_and_large_windows_hold_everything(qapp: QApplication, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "a run with a very long name that goes on and on and on", STOPPED, step=12)
    with desk(qapp, tmp_path) as at:
        for size in ((1000, 600), (1440, 900)):
            at.window.resize(*size)
            settle()
            assert at.page.stage().width() <= at.page.width()
            bar = at.page.toolbar
            shown = (bar.new, bar.open, bar.parts, bar.smoothing, bar.scale, bar.export)
            rects = [each.rect().translated(each.mapTo(at.window, each.rect().topLeft())) for each in shown]
            for one, other in itertools.pairwise(rects):
                assert one.right() < other.left()


# --- setting up ----------------------------------------------------------------------------------


def test_the_form_starts_a_run_in_a_new_folder(
    qapp: QApplication, tmp_path: Path, trainer: QuickTrainer
) -> None:
    with desk(qapp, tmp_path) as at:
        view = at.page.stage().new_run
        view.set_recipe(replace(QUICK, name="from the form"))
        at.wait(lambda: view.is_valid)
        at.wait(lambda: at.page.can("start_run"))
        at.window.refresh_actions()
        at.window.actions_by_id["start_run"].trigger()
        at.wait_idle()
        order = trainer.orders[0]
        assert order.recipe == replace(QUICK, name="from the form")
        assert order.folder == at.runs_folder / "from the form" and at.page.shown == order.folder
        view.form.set_values({"lr": 5e-4})  # changes nothing of what ran
        assert RunFolder(order.folder).recipe() == order.recipe
        at.page.new_run()
        at.wait(lambda: view.is_valid)
        view.start()  # the name is taken now
        at.wait(lambda: at.page.flow.busy)
        at.wait_idle()
        assert trainer.orders[1].folder.name == "from the form-2"


def test_a_start_that_is_refused_leaves_no_folder(
    qapp: QApplication, tmp_path: Path, trainer: QuickTrainer
) -> None:
    trainer.holds_at = 5
    with desk(qapp, tmp_path) as at:
        at.start("rain-1")
        at.wait_step(5)
        view = at.page.stage().new_run
        at.page.new_run()
        view.set_recipe(replace(QUICK, name="second"))
        at.wait(lambda: view.is_valid)
        assert at.page.can("start_run")  # and its key says why not
        at.page.handle("start_run")
        assert "rain-1 is training" in at.texts()[-1]
        assert [folder.name for folder in at.runs_folder.iterdir()] == ["rain-1"]


def test_the_checks_run_on_the_worker_and_answer(qapp: QApplication, tmp_path: Path) -> None:
    with desk(qapp, tmp_path) as at:
        view = at.page.stage().new_run
        view.set_recipe(QUICK)
        at.wait(lambda: view.is_valid and view.doctor.button.isEnabled())
        reports: list[object] = []
        show = view.show_report
        at.page.stage().checks._view.show_report = lambda report: (reports.append(report), show(report))  # type: ignore[method-assign]
        view.doctor.requested.emit()
        assert at.window.runner.busy and at.page.can("cancel")
        assert "Checking the photos" in at.window.job_bar.text.full
        view.estimate.requested.emit()  # one at a time
        at.wait(lambda: reports)
        at.wait(lambda: not at.window.runner.busy)
        assert reports[0].photos > 0 and not view.questions.is_open  # type: ignore[attr-defined]
        assert at.window.job_bar.text.full == "" and not at.page.can("cancel")


def test_a_check_can_be_cancelled_and_one_that_cannot_run_says_so(qapp: QApplication, tmp_path: Path) -> None:
    release = threading.Event()
    with desk(qapp, tmp_path) as at:
        view = at.page.stage().new_run
        view.set_recipe(QUICK)
        at.wait(lambda: view.is_valid and view.doctor.button.isEnabled())
        view.doctor.requested.emit()
        at.page.handle("cancel")
        at.wait(lambda: not at.window.runner.busy)
        assert not view.questions.is_open and at.window.job_bar.text.full == ""
        at.window.runner.start(lambda _emit, _control: release.wait(60))
        view.doctor.requested.emit()
        assert not view.questions.is_open and not at.page.stage().checks.busy
        release.set()
        at.wait(lambda: not at.window.runner.busy)


def test_the_first_paint_waits_for_nothing_of_it() -> None:
    """Neither the page nor the plotting library is imported before the page is first shown."""
    trial = (
        "import sys; from memorynet_gui.frame import main_window; main_window.page_types(); "
        "late = [name for name in sys.modules if name.startswith(('pyqtgraph', 'memorynet_gui.train', 'memorynet_gui.newrun'))]; "
        "sys.exit(f'imported early: {late}' if late else 0)"
    )
    done = subprocess.run([sys.executable, "-c", trial], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
