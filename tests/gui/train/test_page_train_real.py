"""A real run in the real window, small as it is: it learns, is paused, stopped, closed over, gone on with and used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

from core.training import runs
from core.training.run_folder import DONE, STOPPED, RunFolder, read_curve
from memorynet_gui.restore.page import RestorePage
from memorynet_gui.restore.queue_item import ItemState
from memorynet_gui.train.awake import StayAwake
from tests.restore_page_kit import rainy, write
from tests.train_page_kit import desk
from tests.ui import settle

STEPS = 24


def test_a_run_from_its_start_to_a_restored_photo(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StayAwake, "hold", lambda self: None)
    photo = write(tmp_path / "photo.png", rainy()[0])
    with desk(qapp, tmp_path) as at:
        flow, page = at.page.flow, at.page
        folder = at.start("rain-1", steps=STEPS, validate_every=4)
        at.wait_step(2)
        store = page._stores.of(folder, True)  # type: ignore[union-attr]
        at.panel.pause.click()
        at.wait(lambda: flow.paused and RunFolder(folder).state().state == "paused")  # type: ignore[union-attr]
        at.wait(lambda: at.panel.pause.text() == "Resume")
        held = store.last_step
        assert held == flow.step >= 2
        at.panel.pause.click()
        at.wait_step(5)
        assert store.last_step > held
        at.wait(lambda: flow.kept is not None and flow.best_psnr_db is not None)
        at.wait(lambda: len(page.stage().film.steps) > 0)
        step = flow.step
        at.panel.restore.click()
        restoring = at.window.page
        assert isinstance(restoring, RestorePage)
        at.wait(lambda: restoring._inspector.choices.model.currentText() == "rain-1")
        restoring.open_paths([photo])
        at.wait(lambda: restoring.can("run"))
        restoring.handle("run")
        assert flow.held and flow.busy
        at.wait(lambda: not at.window.runner.busy and not restoring.flow.busy)
        settle()
        item = restoring.session.find(photo)
        assert item is not None and item.state is ItemState.DONE, item
        assert item.result is not None and item.result.made.model_name == "rain-1"
        at.window.show_page("train")
        at.wait_step(step + 3)
        at.stop()
        at.wait_idle()
        stopped = runs.read(folder)
        assert stopped.state is not None and stopped.state.state == STOPPED and stopped.model is not None
        assert 5 <= stopped.state.step < STEPS
        assert at.panel.proceed.isVisible() and at.panel.restore.isEnabled()
        at.panel.proceed.click()
        at.wait_step(stopped.state.step + 1)
        at.window.close_now()  # in the midst of it
        assert not RunFolder(folder).is_locked()
    interrupted = runs.read(folder)
    assert interrupted.state is not None and interrupted.state.step < STEPS
    with desk(qapp, tmp_path) as at:
        assert at.page.shown == folder
        at.panel.proceed.click()
        at.wait_idle()
        done = runs.read(folder)
        assert done.state is not None and (done.state.state, done.state.step) == (DONE, STEPS)
        # the course is whole, and what the window drew is what lies on the disk
        steps = [line["step"] for line in read_curve(folder) if line["kind"] == "step"]
        assert steps == list(range(1, STEPS + 1))
        drawn = at.page._stores.of(folder, False).series("loss")  # type: ignore[union-attr]
        assert drawn is not None and list(drawn.steps) == steps
        losses = [line["loss"] for line in read_curve(folder) if line["kind"] == "step"]
        assert np.allclose(drawn.values, losses)
