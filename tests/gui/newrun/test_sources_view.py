"""Mixing one's own: rows of sources, their shares, folders and samples, and what is wrong with one of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QFileDialog

from core.data.source import DataSource
from core.doctor.examination import examine
from core.doctor.preview import samples_of_source
from core.jobs import JobControl, ignore
from core.training.data import read_data
from core.training.recipe import TrainRecipe
from memorynet_gui.newrun.degrade_rows import ParameterRow
from memorynet_gui.newrun.presets import PRESETS
from memorynet_gui.newrun.view import NewRunView
from memorynet_gui.widgets.range_slider import TICKS
from tests.gui.newrun.new_run_kit import view
from tests.restore_page_kit import write
from tests.small import photo
from tests.ui import settle, unnamed_focusable, wait_until

__all__ = ["view"]  # a fixture

STANDARD = PRESETS[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("clean", "val")):
        for number in range(3):
            write(root / name / f"{name}{number}.png", photo(64, 48, 10 * seed + number))
    layer = np.zeros((64, 64, 3), np.uint8)
    layer[:, 20:28] = 160
    write(root / "layers" / "one.png", layer)
    for seed, scene in enumerate("abcdefgh"):
        truth = photo(48, 48, 50 + seed) // 2
        write(root / "wet" / "target" / f"{scene}_1.png", truth)
        write(root / "wet" / "input" / f"{scene}_1.png", truth + 40)
    (root / "empty").mkdir()
    return root


DRAWN = DataSource("drawn", 2.0)
LAYERS = DataSource("layers", 1.0, layers="DATA/layers", degradation={"veil": 0.0})
PAIRS = DataSource("pairs", 1.0, folders=("DATA/wet",), hold_out=0.3)
CLEAN = DataSource("clean", 1.0)


def mixture(*sources: DataSource) -> TrainRecipe:
    return TrainRecipe(
        kind="sources", train=("DATA/clean",), validation=("DATA/val",), patch_px=32, batch=2, crops_per_photo=1,
        sources=sources,
    )  # fmt: skip


def looked(view: NewRunView) -> None:
    wait_until(lambda: view.photos.is_settled, 60)


def show(view: NewRunView, data: Path, *sources: DataSource) -> None:
    view.set_recipe(mixture(*sources))
    view.set_data((data,))
    looked(view)


def words(view: NewRunView) -> list[str]:
    return [row.words.text().replace("\u200b", "") for row in view.sources.rows]


def sampled(view: NewRunView) -> list[np.ndarray]:
    """The degraded samples that are shown, once they are those of now."""
    wait_until(
        lambda: (
            not view.preview._rest.isActive() and not view.preview._running and view.preview.strip.count > 0
        ),
        60,
    )
    images = [view.preview.strip.image(at) for at in range(view.preview.strip.count)]
    return [np.frombuffer(bytes(image.constBits()), np.uint8) for image in images]


def choose(view: NewRunView, button: object, folder: Path) -> None:
    button.click()  # type: ignore[attr-defined]
    dialog = view.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit(str(folder))
    dialog.close()
    settle()


@pytest.mark.dressed
def test_a_mixture_shows_a_row_for_each_source(view: NewRunView, data: Path) -> None:
    recipe = mixture(DRAWN, LAYERS, PAIRS, CLEAN)
    show(view, data, *recipe.sources)
    assert view.recipe() == recipe and view.why_not() is None
    rows = view.sources.rows
    assert [row.radio.text() for row in rows] == [
        "1 · Drawn rain", "2 · Rain from layers", "3 · Pairs", "4 · Clean photos"
    ]  # fmt: skip
    assert [row.percent.text() for row in rows] == ["40 %", "20 %", "20 %", "20 %"]
    assert words(view)[:2] == ["3 clean photos", "3 clean photos, 1 layer"]
    assert words(view)[2] == "8 pairs (input/target) in DATA/wet"
    assert "Scored on 3 other photos in val and on scenes kept apart" in view.data.words.text()
    assert view.bar.reason.text().endswith("3 photos and 8 pairs · 8,000 steps")
    for row in rows:
        row.fold.setChecked(True)
    assert unnamed_focusable(view) == []
    inside = view.area.widget()
    assert inside is not None and inside.minimumSizeHint().width() <= 640


def test_a_share_makes_room_among_the_others(view: NewRunView, data: Path) -> None:
    show(view, data, DRAWN, CLEAN, replace(CLEAN, camera_share=0.5))
    first = view.sources.rows[0]
    first.slider.setFocus()
    QTest.keyClick(first.slider, Qt.Key.Key_Right)
    assert [source.share for source in view.recipe().sources] == [0.51, 0.245, 0.245]
    assert first.percent.text() == "51 %"
    first.slider.setValue(TICKS)
    assert [source.share for source in view.recipe().sources] == [0.98, 0.01, 0.01], "nobody vanishes"
    view.sources.rows[1].slider.setValue(0)
    assert view.recipe().sources[1].share == 0.01
    assert view.form.is_valid and "changed" in view.head.source.full


def test_samples_and_sliders_are_those_of_the_source_selected(view: NewRunView, data: Path) -> None:
    show(view, data, DRAWN, LAYERS, PAIRS, CLEAN)
    drawn = sampled(view)
    view.preview.row("length_px")
    view.activateWindow()
    view.sources.rows[0].radio.setFocus()
    QTest.keyClick(view.sources.rows[0].radio, Qt.Key.Key_Down)
    assert view.sources.selected == 1 and view.sources.rows[1].details.isVisible()
    assert not view.sources.rows[0].details.isVisible()
    row = view.preview.row("screen")
    laid = sampled(view)
    assert not any(np.array_equal(one, other) for one, other in zip(drawn, laid, strict=True))
    assert isinstance(row, ParameterRow)
    row.slider.setValue(TICKS)
    assert view.recipe().sources[1].degradation == {"veil": 0.0, "screen": 1.0}
    assert view.recipe().sources[0] == DRAWN and view.recipe().degradation == {}
    QTest.mouseClick(view.sources.rows[2], Qt.MouseButton.LeftButton)  # anywhere on it
    assert "bring their own damage" in view._preview_words.text()
    sampled(view)
    for at in range(view.preview.strip.count):
        wet, dry = (view.preview.strip.image(at, clean).pixelColor(5, 5).red() for clean in (False, True))
        assert wet - dry == 40
    assert not view.preview.reset.isVisible() and not view.preview.fold.isVisible()
    view.sources.select(3)
    sampled(view)
    for at in range(view.preview.strip.count):
        assert view.preview.strip.image(at) == view.preview.strip.image(at, clean=True)


def test_samples_of_a_source_are_those_of_training(data: Path) -> None:
    for source in (DRAWN, LAYERS, PAIRS, replace(CLEAN, camera_share=1.0, noise_share=1.0)):
        alone = replace(mixture(source), guidance_share=0.0, seed=5)
        trained, _, _ = read_data(alone, (data,))
        shown = samples_of_source("derain", source, alone.train, (data,), 5, 3, 32)
        assert len(shown) == 3
        for index, (clean, degraded) in enumerate(shown):
            real, truth, _ = trained.photo(index)[0]
            assert np.array_equal(clean, np.rint(truth * 255).astype(np.uint8)), source.kind
            if source.kind != "drawn":  # of which a share is left clean in training
                assert np.array_equal(degraded, np.rint(real * 255).astype(np.uint8)), source.kind


def test_folders_are_chosen_and_named(view: NewRunView, data: Path, tmp_path: Path) -> None:
    show(view, data, DRAWN, CLEAN)
    mine = write(tmp_path / "mine" / "1.png", photo(64, 48, 1)).parent
    row = view.sources.rows[0]
    assert row.folders.shown.full == "the training photos"
    choose(view, row.folders.choose, mine)
    choose(view, row.folders.choose, data / "val")
    assert view.recipe().sources[0].folders == (str(mine), "DATA/val")
    looked(view)
    assert row.folders.shown.full == "mine, DATA/val" and str(mine) in row.folders.shown.toolTip()
    row.folders.clear.click()
    assert view.recipe().sources[0].folders == ()
    row.numbers["camera_share"].slider.setValue(TICKS // 2)
    row.numbers["noise_share"].slider.setValue(TICKS // 4)
    assert (view.recipe().sources[0].camera_share, view.recipe().sources[0].noise_share) == (0.5, 0.25)


def test_sources_are_added_taken_away_and_brought_back(view: NewRunView, data: Path) -> None:
    show(view, data, DRAWN)
    row = view.sources.rows[0]
    assert not row.remove.isEnabled() and not row.slider.isEnabled(), "the last one stays"
    actions = {action.text(): action for action in view.sources._menu.actions()}
    assert list(actions) == ["Drawn rain", "Rain from layers", "Pairs", "Clean photos"]
    actions["Rain from layers"].trigger()
    assert view.sources.selected == 1
    assert words(view)[1] == "Need the folder of the layers."
    assert view.why_not() == "Source 2: need the folder of the layers."
    looked(view)
    view.sources.select(0)
    view.bar.show_button.click()
    assert view.sources.selected == 1
    choose(view, view.sources.rows[1].layers.choose, data / "layers")
    looked(view)
    assert view.recipe().sources[1].layers == "DATA/layers" and view.is_valid
    mixed = view.recipe()
    assert [source.share for source in mixed.sources] == [0.5, 0.5]
    view.sources.rows[0].remove.click()
    settle()
    assert [source.kind for source in view.recipe().sources] == ["layers"]
    assert view.sources.undo.text() == "Bring back: Drawn rain"
    view.sources.undo.click()
    assert view.recipe() == mixed and view.sources.undo.isHidden()


def test_what_is_wrong_with_a_folder_stands_at_its_source(
    view: NewRunView, data: Path, tmp_path: Path
) -> None:
    gone = str(tmp_path / "gone")
    show(view, data, DRAWN, replace(LAYERS, layers=gone), replace(CLEAN, folders=(str(data / "empty"),)))
    assert words(view)[0] == "3 clean photos"
    assert words(view)[1] == f"{gone}: no such folder."
    assert words(view)[2] == "There are no photos to learn from in it."
    assert view.why_not() == f"Source 2: {gone}: no such folder."
    assert not view.bar.start.isEnabled()
    view.bar.show_button.click()
    assert view.sources.selected == 1
    wait_until(lambda: view.preview.strip._message.startswith("Samples appear"), 60)
    choose(view, view.sources.rows[1].layers.choose, data / "empty")
    looked(view)
    assert words(view)[1] == "There are no layers to learn from in it."


def test_one_source_and_back(view: NewRunView, data: Path) -> None:
    looked(view)
    before = view.recipe()
    assert before.kind == "clean" and view.sources.rows == []
    view.sources.mix.click()
    looked(view)
    made = view.recipe()
    assert [source.kind for source in made.sources] == ["drawn"] and view.is_valid
    view.sources.one.click()
    assert view.recipe() == before
    view.sources.mix.click()
    view.sources._menu.actions()[-1].trigger()
    view.sources.rows[0].slider.setValue(700)
    mixed = view.recipe()
    view.sources.one.click()
    assert view.recipe().kind == "clean" and view.sources.rows == []
    view.sources.mix.click()
    assert view.recipe() == mixed, "the mixture is brought back"


def test_the_kind_of_data_can_be_chosen_among_all_settings(view: NewRunView) -> None:
    looked(view)
    before = view.recipe()
    kind = view.form.row("kind").editor.field_widget()
    assert isinstance(kind, QComboBox)
    for choice, rows in (("sources", 1), ("clean", 0)):
        kind.setCurrentIndex(kind.findData(choice))
        kind.activated.emit(kind.currentIndex())
        assert view.form.is_valid and len(view.sources.rows) == rows
    assert view.recipe() == before


def test_layers_are_said_to_be_of_rain_when_the_task_changes(view: NewRunView, data: Path) -> None:
    show(view, data, replace(DRAWN, degradation={"mist": 0.3}), LAYERS)
    task = view.form.row("task").editor.field_widget()
    assert isinstance(task, QComboBox)
    task.setCurrentIndex(1)
    task.activated.emit(1)
    assert [row.radio.text() for row in view.sources.rows] == ["1 · Drawn shadows", "2 · Rain from layers"]
    assert words(view)[1] == "Layers are of rain, and the task is deshadow."
    assert "Rain from layers" not in [action.text() for action in view.sources._menu.actions()]
    view.preview.row("penumbra_px")
    view.sources.rows[1].remove.click()
    settle()
    looked(view)
    assert view.is_valid and view.recipe().sources == (DRAWN,), "rain's parameters are gone with it"


def test_a_folder_that_a_mixture_does_not_fit_is_learnt_from_without_it(
    view: NewRunView, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = replace(DRAWN, camera_share=0.75, degradation={"mist": 0.3})
    recipe = mixture(drawn, LAYERS, PAIRS, CLEAN)
    monkeypatch.setattr("memorynet_gui.newrun.view.load", lambda _name: recipe)
    view.choose_preset(STANDARD)
    looked(view)
    assert view.why_not() == "Choose the folder with your photos."
    assert len(view.sources.rows) == 4 and words(view) == ["", "", "", ""]
    mine = write(tmp_path / "mine" / "1.png", photo(64, 48, 1)).parent
    view.set_data((mine,))
    wait_until(lambda: view.form.value("kind") == "clean", 60)
    looked(view)
    made = view.recipe()
    assert (made.train, made.sources, view.why_not()) == ((str(mine),), (), None)
    assert (made.camera_share, made.degradation) == (0.75, {"mist": 0.3}), "drawn as the mixture draws"
    assert view.head.source.full == "Standard"
    view.set_data((data,))
    wait_until(lambda: view.form.value("kind") == "clean" and view.photos.folders == (data,), 60)
    view.choose_preset(STANDARD)
    looked(view)
    assert view.recipe() == recipe and view.photos.data == (data,) and view.is_valid
    view.photos.use_bundled()
    looked(view)
    assert view.recipe().kind == "clean" and view.is_valid and view.sources.rows == []


def test_a_mixture_of_ones_own_goes_on_with_other_folders(view: NewRunView, data: Path) -> None:
    looked(view)
    view.mix_sources()
    view.sources._menu.actions()[-1].trigger()
    view.set_data((data / "clean",))
    wait_until(lambda: view.form.value("train") == (str(data / "clean"),), 60)
    assert [source.kind for source in view.recipe().sources] == ["drawn", "clean"]
    view.data.add([data / "wet"])
    wait_until(lambda: len(view.sources.rows) == 3, 60)
    looked(view)
    assert view.recipe().sources[2].folders == (str(data / "wet"),) and view.is_valid


def test_a_mixture_comes_back_from_its_file(view: NewRunView, data: Path, tmp_path: Path) -> None:
    show(view, data, DRAWN, LAYERS, PAIRS)
    view.sources.rows[1].slider.setValue(300)
    row = view.preview.row("mist")
    assert isinstance(row, ParameterRow)
    row.slider.setValue(500)
    mixed = view.recipe()
    assert view.save_recipe(tmp_path / "mine.toml")
    view.choose_preset(PRESETS[0])
    assert view.sources.rows == []
    view.open_recipe(tmp_path / "mine.toml")
    assert TrainRecipe.from_toml(tmp_path / "mine.toml") == view.recipe()
    assert view.recipe().as_dict() == mixed.as_dict()
    assert len(view.sources.rows) == 3


def test_the_doctor_looks_at_a_mixture_and_start_freezes_it(view: NewRunView, data: Path) -> None:
    show(view, data, DRAWN, LAYERS, PAIRS, CLEAN)
    view.doctor.button.click()
    view.show_report(examine(view.recipe(), (data,), ignore, JobControl()))
    assert "to learn from" in view.doctor.summary.text()
    started: list[tuple[object, ...]] = []
    view.start_requested.connect(lambda *args: started.append(args))
    looked(view)
    view.start()
    assert len(started) == 1 and started[0][:2] == (view.recipe(), (data,))
