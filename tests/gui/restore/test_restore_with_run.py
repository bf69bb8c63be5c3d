"""The model of a training run on the Restore page: offered under the run's name, chosen, and there next time."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from core.training.recipe import TrainRecipe
from memorynet_gui.base.models import name_of, trained_entries
from memorynet_gui.base.page import Page
from memorynet_gui.base.settings import Settings
from memorynet_gui.frame.main_window import MainWindow
from memorynet_gui.look.theme import Theme
from memorynet_gui.restore.queue_item import ItemState
from tests.restore_page_kit import desk, rainy, wait, write
from tests.small import save_small_model
from tests.ui import settle

pytestmark = pytest.mark.usefixtures("small_models_ship")


def run_with_model(parent: Path, name: str) -> Path:
    """The model's folder of something that looks like a finished run."""
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(TrainRecipe(name="tiny").to_toml(), "utf-8")
    save_small_model(folder / "model", name="tiny")
    return folder / "model"


def test_a_run_lends_its_name_to_its_model(tmp_path: Path) -> None:
    model = run_with_model(tmp_path, "rain-7")
    plain = tmp_path / "mine" / "model"
    save_small_model(plain)
    assert name_of(model) == "rain-7"
    assert name_of(plain) == "model"
    found = trained_entries([model, tmp_path / "gone" / "model", plain])
    assert [(entry.name, entry.path, entry.error) for entry in found] == [
        ("rain-7", model, None),
        ("model", plain, None),
    ]
    assert found[0].task == "derain" and found[0].parameters > 0


def test_the_model_is_chosen_restores_and_is_there_after_a_restart(
    qapp: QApplication, tmp_path: Path
) -> None:
    model = run_with_model(tmp_path / "runs", "rain-7")
    photo = write(tmp_path / "photo.png", rainy()[0])
    with desk(qapp, tmp_path / "home") as at:
        at.page.use_model(model)
        combo = at.panel.choices.model
        wait(lambda: combo.currentText() == "rain-7")
        assert at.panel.choices.choice().model == str(model)
        item = at.restored(photo)
        assert item.state is ItemState.DONE and item.result is not None
        assert at.settings.trained_models == (model,)
    with desk(qapp, tmp_path / "home") as at:
        wait(lambda: at.panel.choices.model.count() > 1)
        assert at.panel.choices.model.currentText() == "rain-7"
        assert at.panel.choices.choice().model == str(model)


def test_a_model_that_is_gone_leaves_the_usual_one(qapp: QApplication, tmp_path: Path) -> None:
    model = run_with_model(tmp_path / "runs", "rain-7")
    settings = Settings(tmp_path / "home")
    settings.trained_models = (model,)
    settings.set_model("derain", str(model))
    settings.save()
    model.rename(tmp_path / "elsewhere")
    with desk(qapp, tmp_path / "home") as at:
        wait(lambda: at.panel.choices.model.count() > 1)
        assert at.panel.choices.choice().model == "derain-s"


class Other(Page):
    page_id, title, icon = "other", "Other", "mdi6.chart-line"

    def inspector(self) -> Page:
        return Page()


class Restoring(Other):
    page_id, title = "restore", "Restore"

    def __init__(self, context: object, parent: object = None) -> None:
        super().__init__(parent)  # type: ignore[arg-type]
        self.used: list[Path] = []

    def use_model(self, path: Path) -> None:
        self.used.append(path)


class Asking(Restoring):
    page_id, title = "other", "Other"


def test_the_window_hands_a_model_from_one_page_to_the_other(qapp: QApplication, tmp_path: Path) -> None:
    window = MainWindow(Settings(tmp_path / "home"), Theme(qapp, "dark"), (Asking, Restoring))
    window.show()
    settle()
    window.context.page_wanted.emit("other")
    assert window.page.page_id == "other"
    window.context.model_wanted.emit(tmp_path / "model")
    assert isinstance(window.page, Restoring) and window.page.page_id == "restore"
    assert window.page.used == [tmp_path / "model"]
    window.context.page_wanted.emit("other")
    assert window.page.page_id == "other" and window.page.used == []
    window.close_now()
    window.deleteLater()
    settle()
