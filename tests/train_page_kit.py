"""What the tests of the Train page share: the real window, and a trainer that is quick and does as the real one does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton

from core import atomic
from core.events import CheckpointSaved, StepDone, TrainStarted, Validated
from core.jobs import Cancelled, Emit, JobControl, TrainControl
from core.training.curve import Curve
from core.training.recipe import TrainRecipe
from core.training.run_folder import DONE, FAILED, PAUSED, RUNNING, STOPPED, RunFolder, RunState
from memorynet_gui.base.settings import Settings
from memorynet_gui.frame.main_window import MainWindow
from memorynet_gui.look.theme import Theme
from memorynet_gui.train import flow as train_flow
from memorynet_gui.train.awake import StayAwake
from memorynet_gui.train.flow import TrainOrder
from memorynet_gui.train.page import TrainPage
from tests.small import save_small_model
from tests.ui import settle, wait_until

LIMIT_S = 90.0
QUICK = TrainRecipe(
    name="tiny",
    kind="clean",
    train=("SAMPLES/train",),
    validation=("SAMPLES/validation",),
    preset="custom",
    width=4,
    steps=40,
    batch=2,
    crops_per_photo=2,
    patch_px=16,
    warmup_steps=2,
    validate_every=10,
    validate_crop_px=32,
    log_every=1,
)


class Result:
    def __init__(self, stopped: bool) -> None:
        self.stopped = stopped


class QuickTrainer:
    """Everything a run leaves and tells, without a network: lock, recipe, state, curve, model, events, control."""

    def __init__(self) -> None:
        self.orders: list[TrainOrder] = []
        self.holds_at: int | None = None  # waits there until let go, or until it is asked to end
        self.let_go = threading.Event()
        self.fails_at: tuple[int, Exception] | None = None
        self.fails_first: Exception | None = None  # before anything is written

    def __call__(self, order: TrainOrder, emit: Emit, control: JobControl) -> Any:
        assert isinstance(control, TrainControl)
        self.orders.append(order)
        if self.fails_first is not None:
            raise self.fails_first
        folder = RunFolder(order.folder)
        with folder.locked():
            return self._run(order, folder, emit, control)

    def _run(self, order: TrainOrder, folder: RunFolder, emit: Emit, control: TrainControl) -> Result:
        recipe = order.recipe
        before = folder.state() if order.resume else None
        first = before.step if before is not None else 0
        if not order.resume:
            assert not folder.recipe_file.exists()
            atomic.write_text(folder.recipe_file, recipe.to_toml())
        curve = Curve(folder.path)
        best = before.best_psnr_db if before is not None else None
        step = first

        def tell(kind: str, reason: str = "") -> None:
            data = tuple(str(path) for path in order.data)
            folder.write_state(
                RunState(kind, step, recipe.steps, best, 10, 5.0, data=data, device="cpu", reason=reason)
            )

        tell(RUNNING)
        resumed = f"step-{first}" if first else None
        emit(TrainStarted(first, recipe.steps, 5000, 13, "cpu", "fp32", resumed))
        try:
            while step < recipe.steps:
                if step == self.holds_at:
                    while not (
                        self.let_go.is_set() or control.stopping or control.cancelled or control.paused
                    ):
                        time.sleep(0.002)
                if self.fails_at is not None and self.fails_at[0] == step:
                    raise self.fails_at[1]
                step += 1
                entry = {"loss": 1 / step, "lr": 1e-3, "grad_norm": 0.1, "pixel": 1 / step}
                curve.append([{"kind": "step", "step": step, **entry, "images_per_s": 9.0, "data_wait": 0.0}])
                emit(
                    StepDone(
                        step, 1 / step, {"pixel": 1 / step}, 1e-3, 0.1, 9.0, 0.0, recipe.steps - step + 0.5
                    )
                )
                if step % recipe.validate_every == 0:
                    best = 20.0 + step
                    curve.append(
                        [{"kind": "validation", "step": step, "psnr_db": best, "ssim": 0.9, "is_best": True}]
                    )
                    if not (folder.model / "config.json").exists():
                        save_small_model(folder.model, name=recipe.name)
                    emit(Validated(step, best, 0.9, 18.0, "Y", True, 0.1))
                if control.take_save() or step % recipe.validate_every == 0:
                    emit(CheckpointSaved(step, "", True))
                if control.stopping:
                    tell(STOPPED)
                    emit(CheckpointSaved(step, "", False))
                    return Result(True)
                if control.paused:
                    tell(PAUSED)
                control.checkpoint()
                time.sleep(0.002)
        except Cancelled:
            tell(STOPPED)
            emit(CheckpointSaved(step, "", False))
            raise
        except Exception as error:
            tell(FAILED, f"It broke: {error}.")
            raise
        tell(DONE)
        return Result(False)


class Desk:
    """The real window on the Train page, with folders of its own."""

    def __init__(self, qapp: QApplication, home: Path) -> None:
        self.settings = Settings(home)
        self.settings.page = "train"
        self.runs_folder = home / "runs"
        self.settings.runs_folder = self.runs_folder
        self.window = MainWindow(self.settings, Theme(qapp, "dark"))
        self.window.resize(1280, 800)
        self.window.show()
        page = self.window.page
        assert isinstance(page, TrainPage)
        self.page = page
        self.panel = page._inspector
        self.wait(lambda: page._stage is not None and page._chosen)

    @staticmethod
    def wait(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
        wait_until(lambda: bool(condition()), limit_s)

    def texts(self) -> list[str]:
        """What the banner says."""
        return [card.text for card in self.window.banner.cards]

    def press_banner(self, text: str) -> None:
        """The action of the card that says so."""
        card = next(card for card in self.window.banner.cards if text in card.text)
        assert card.action_button is not None
        card.action_button.click()

    def start(self, name: str = "rain-1", data: tuple[Path, ...] = (), **recipe: Any) -> Path:
        from dataclasses import replace

        folder = self.runs_folder / name
        made = replace(QUICK, **({"name": name} | recipe))
        self.page.stage().new_run.start_requested.emit(made, data, folder)
        return folder

    def wait_step(self, step: int) -> None:
        self.wait(lambda: self.page.flow.step >= step)

    def wait_idle(self) -> None:
        """Nothing trains, and the list has heard of it."""
        library = self.page.library
        self.wait(lambda: not self.page.flow.busy)
        settle()
        self.wait(lambda: not library._is_reading and not library._again)
        settle()

    def stop(self) -> None:
        """By the page's button, which asks."""

        def agree() -> None:
            box = QApplication.activeModalWidget()
            if isinstance(box, QMessageBox):
                next(button for button in box.buttons() if button.text() == "Stop training").click()
            else:
                QTimer.singleShot(10, agree)

        QTimer.singleShot(0, agree)
        self.panel.stop.click()

    def close(self) -> None:
        self.window.close_now()
        self.window.deleteLater()
        settle()


@contextmanager
def desk(qapp: QApplication, home: Path) -> Iterator[Desk]:
    made = Desk(qapp, home)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Iterator[QuickTrainer]:
    """In the place of training; the machine is not kept awake."""
    made = QuickTrainer()
    monkeypatch.setattr(train_flow, "train_run", made)
    monkeypatch.setattr(StayAwake, "hold", lambda self: None)
    yield made
    made.let_go.set()


def answer(monkeypatch: pytest.MonkeyPatch, word: str, seen: list[str]) -> None:
    """Press the button of the next question that says this."""

    def execute(box: QMessageBox) -> int:
        seen.append(box.informativeText())
        seen.extend(button.text() for button in box.buttons())
        button = next(button for button in box.buttons() if button.text() == word)
        assert isinstance(button, QPushButton)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        return 0

    monkeypatch.setattr(QMessageBox, "exec", execute)
