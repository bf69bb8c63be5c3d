"""Before a run begins, all that it imports is there, and the collector leaves it alone."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Signal

from core.training import ready as training_ready
from memorynet_gui import app
from memorynet_gui.base import warm_up
from memorynet_gui.newrun import ready
from tests.training_kit import make_data

ROOT = Path(__file__).parents[2]

# A window's program in a process of its own: what it imports after the warm-up, while a run learns and is shown.
RUN = """
import gc, sys
from pathlib import Path
from PySide6.QtWidgets import QApplication
qt = QApplication([])
from core.jobs import TrainControl
from core.training.recipe import TrainRecipe
from memorynet_gui.train import page as page_train, stage as train_stage, stores as train_stores
from memorynet_gui.base import warm_up
from memorynet_gui.newrun import ready
from memorynet_gui.train.flow import TrainOrder, train_run
from memorynet_gui.curves.board import CurveBoard
recipe = TrainRecipe(
    name="tiny", kind="clean", train=("DATA/clean",), validation=("DATA/val",), preset="custom", width=4,
    steps=4, batch=2, crops_per_photo=2, patch_px=16, validate_every=2, validate_crop_px=32, log_every=1,
    contrastive_every=1,
)
with warm_up.imports():
    import core.model.tensors
thread = ready.begin_for_training()
thread.join()
assert gc.isenabled()
walked, spared = len(gc.get_objects()), gc.get_freeze_count()
before = set(sys.modules)

said = []
order = TrainOrder(recipe, (Path(sys.argv[2]),), Path(sys.argv[1]) / "run")
train_run(order, said.append, TrainControl())
stores = train_stores.Stores()
for event in said:
    stores.append(order.folder, event)
board = CurveBoard()
board.set_run("run", stores.of(order.folder, True))
board.resize(800, 600)
board.show()
qt.processEvents()
assert board.summary().count("step 4")
said = [type(event).__name__ for event in said]
assert said.count("Validated") == 2 and "CheckpointSaved" in said and "FilmFrame" in said, said
print(walked, spared, *sorted(set(sys.modules) - before))
"""


def run(code: str, *words: str) -> str:
    environment = os.environ | {
        "QT_QPA_PLATFORM": "offscreen",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_imports_nothing_after_the_warm_up(tmp_path: Path) -> None:
    walked, spared, *late = run(RUN, str(tmp_path), str(make_data(tmp_path / "data"))).split()
    assert late == []
    assert int(spared) > 300_000, "torch and what it brings"
    assert int(walked) < 20_000, "what the collector still walks"


def test_a_warm_up_changes_no_random_number() -> None:
    import torch

    before = torch.get_rng_state()
    training_ready.import_all()
    assert torch.equal(torch.get_rng_state(), before)


class Circle:
    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def heap() -> Iterator[None]:
    gc.collect()  # what the tests before have left would stay for good: it is not looked at any more
    gc.enable()  # as in the program
    yield
    gc.collect()


@pytest.mark.usefixtures("heap")
def test_what_is_made_later_is_still_collected() -> None:
    with warm_up.imports():
        assert not gc.isenabled()
        with warm_up.imports():
            pass
        assert not gc.isenabled(), "the outer one goes on"
    assert gc.isenabled()
    later = weakref.ref(Circle())
    gc.collect()
    assert later() is None


@pytest.mark.usefixtures("heap")
def test_a_collector_that_was_off_stays_off_and_an_error_ends_the_rest() -> None:
    gc.disable()
    try:
        with warm_up.imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(ImportError), warm_up.imports():
        raise ImportError
    assert gc.isenabled()


@pytest.mark.usefixtures("heap")
def test_what_cannot_be_imported_is_left_to_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[bool] = []

    def fails() -> None:
        tried.append(gc.isenabled())
        raise ImportError("no module named scipy")

    monkeypatch.setattr(ready, "_is_ready_to_train", threading.Event())
    monkeypatch.setattr(training_ready, "import_all", fails)
    ready.for_training()
    assert "no module named scipy" in caplog.text
    ready.for_training()
    assert tried == [False], "once, and out of the collector's way"


# --- when it begins ------------------------------------------------------------------------------


class Switch(QObject):
    currentChanged, devices_ready, ended = Signal(int), Signal(), Signal()


class Window:
    """What :func:`memorynet_gui.app.prepare_training` asks of the window."""

    def __init__(self) -> None:
        self.stack = self.context = self.runner = self.page = self
        self.switch = Switch()
        self.currentChanged, self.ended = self.switch.currentChanged, self.switch.ended
        self.devices_ready = self.switch.devices_ready
        self.page_id, self.busy = "restore", False
        self.found: tuple[str, ...] = ("cpu",)

    def devices(self) -> tuple[str, ...]:
        return self.found


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    found: list[threading.Thread] = []

    def begin() -> threading.Thread:
        found.append(threading.Thread())
        return found[-1]

    monkeypatch.setattr(ready, "begin_for_training", begin)
    return found


def show(window: Window) -> None:
    window.page_id = "train"
    window.currentChanged.emit(1)


def comes_late(window: Window) -> None:
    window.found = ()
    show(window)
    window.found = ("cpu",)
    window.devices_ready.emit()


def works(window: Window) -> None:
    window.busy = True
    show(window)
    window.busy = False
    window.ended.emit()


@pytest.mark.parametrize("what", [show, comes_late, works])
def test_it_begins_once_with_the_train_page(
    what: Callable[[Window], None], begun: list[threading.Thread]
) -> None:
    window, threads = Window(), list[threading.Thread]()
    app.prepare_training(window, threads)  # type: ignore[arg-type]
    window.currentChanged.emit(0)
    window.devices_ready.emit()
    assert begun == [], "who restores is spared it"
    what(window)
    assert threads == begun
    assert len(begun) == 1
    show(window)
    assert len(begun) == 1


def test_it_waits_for_devices_and_the_worker(begun: list[threading.Thread]) -> None:
    window = Window()
    app.prepare_training(window, [])  # type: ignore[arg-type]
    window.busy = True
    show(window)
    window.busy, window.found = False, ()
    show(window)
    assert begun == []
