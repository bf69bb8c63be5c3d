"""A first guess of where the rain is: shown, corrected or cleared, and only there anything changes. With the weights that ship."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core import tasks
from core.cli import program as cli
from core.images import io as image_io
from core.model import catalog
from core.restoring import which
from memorynet_gui.compare.masks.mask import Brush
from memorynet_gui.restore.command import arguments
from memorynet_gui.restore.masks.desk import NOT, ONLY
from tests.gui.restore.test_mask_desk import at, drag, painted
from tests.restore_page_kit import Desk, desk, wait, write

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same photo with rain in its left half, and dry."""
    folder = tmp_path_factory.mktemp("photos")
    sample = next(each for each in catalog.samples() if each.name == "Rain over the hill")
    assert sample.truth is not None
    wet, dry = (image_io.read(path).pixels[:320, :400] for path in (sample.path, sample.truth))
    half = np.arange(wet.shape[1])[None, :, None] < wet.shape[1] / 2
    return write(folder / "partly.png", np.where(half, wet, dry)), write(folder / "dry.png", dry)


@pytest.fixture
def page(qapp: QApplication, tmp_path: Path, shots: tuple[Path, Path]) -> Iterator[Desk]:
    with desk(qapp, tmp_path / "home") as made:
        made.settings.tile_px = None
        made.add(*shots)
        show(made, shots[0])
        choices = made.panel.choices
        choices.task.setCurrentIndex(choices.task.findData("derain"))
        made.page.handle("paint_mask")
        yield made


def show(page: Desk, shot: Path) -> None:
    page.page.session.set_current(page.item(shot).id)
    page.wait_shown(shot)


def ask(page: Desk) -> None:
    masks = page.page.masks
    QTest.mouseClick(masks.bar.guess, LEFT)
    assert masks.bar.says.text().startswith("Looking for the ")
    wait(lambda: masks._guessing is None)


def test_a_guess_is_shown_corrected_and_only_there_it_rains_no_more(
    page: Desk, shots: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    shot, canvas, masks = shots[0], page.page.canvas, page.page.masks
    assert masks.bar.uses.key == ONLY and masks.bar.guess.isVisible() and not painted(page).any()
    plain = canvas.grab().toImage()
    ask(page)
    guessed = painted(page).copy()
    assert (guessed[:, :150] > 127).mean() > 0.7 and (guessed[:, 250:] > 127).mean() < 0.1
    assert "may change: where rain is seen. Brush and eraser correct it" in masks.bar.says.text()
    seen, unseen = at(page, 80, 160), at(page, 380, 160)
    shown = canvas.grab().toImage()
    assert shown.pixelColor(seen) != plain.pixelColor(seen)
    assert shown.pixelColor(unseen) == plain.pixelColor(unseen)
    assert page.item(shot).result is None, "nothing is changed before it is asked for"
    page.page.handle("undo")
    assert not painted(page).any() and "nothing painted" in masks.bar.says.text()
    page.page.handle("redo")
    assert np.array_equal(painted(page), guessed)
    QTest.mouseClick(masks.bar.done, LEFT)
    assert masks.store.get(page.item(shot).only) is not None

    # accepted as it is: what the command line guesses by itself
    page.page.handle("run")
    page.wait_idle()
    saved = page.save(shot)
    before, after = image_io.read(shot).pixels, image_io.read(saved).pixels
    assert np.array_equal(after[guessed == 0], before[guessed == 0]), "elsewhere not a bit changes"
    dry = image_io.read(shots[1]).pixels.astype(int)
    assert np.abs(after - dry).mean() < 0.7 * np.abs(before - dry).mean()
    words = arguments(page.item(shot), masks=page.page.place.masks_dir)
    first = saved.read_bytes()
    assert cli.main([*words, "--overwrite"]) == 0
    assert saved.read_bytes() == first
    at_only = words.index("--only") + 1
    assert cli.main([*words[:at_only], "auto", *words[at_only + 1 :], "--overwrite"]) == 0
    assert np.array_equal(image_io.read(saved).pixels, after)
    capsys.readouterr()

    # corrected by a stroke
    page.page.handle("paint_mask")
    masks.tool.set_brush(Brush(60, 0.3, 1.0))
    drag(page, (340, 40), (380, 40))
    assert painted(page)[40, 360] == 255
    QTest.mouseClick(masks.bar.done, LEFT)
    page.page.handle("run")
    page.wait_idle()
    saved = page.save(shot)
    words = arguments(page.item(shot), masks=page.page.place.masks_dir)
    first = saved.read_bytes()
    assert cli.main([*words, "--overwrite"]) == 0
    assert saved.read_bytes() == first
    capsys.readouterr()


def test_what_must_stay_is_guessed_as_the_rest(page: Desk) -> None:
    masks = page.page.masks
    QTest.mouseClick(masks.bar.uses.buttons[NOT], LEFT)
    ask(page)
    assert (painted(page)[:, 250:] > 127).mean() > 0.9 and (painted(page)[:, :150] > 127).mean() < 0.3
    assert "stays as it is: there no rain is seen" in masks.bar.says.text()


def test_in_a_dry_photo_nothing_is_marked_and_that_is_said(page: Desk, shots: tuple[Path, Path]) -> None:
    show(page, shots[1])
    masks = page.page.masks
    wait(lambda: masks._item_id == page.item(shots[1]).id)
    drag(page, (40, 60), (60, 60))
    mine = painted(page).copy()
    ask(page)
    assert masks.bar.says.text() == "No place with rain found, nothing is marked: paint over what may change"
    assert np.array_equal(painted(page), mine), "what was painted stays"


def test_painting_goes_on_over_a_photo_that_takes_time_to_read(page: Desk, shots: tuple[Path, Path]) -> None:
    masks, stage = page.page.masks, page.page.stage
    stage.loader.forget(page.item(shots[1]).id)  # not read ahead
    page.page.session.set_current(page.item(shots[1]).id)
    assert stage.shown is None and not masks.active
    page.wait_shown(shots[1])
    assert masks.active and masks.bar.isVisible() and masks._item_id == page.item(shots[1]).id
    page.page.handle("paint_mask")
    stage.reopen()
    page.wait_shown(shots[1])
    assert not masks.active, "who has stopped painting does not begin again"


def test_under_auto_what_the_photo_shows_is_looked_for(
    page: Desk, shots: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = page.panel.choices
    choices.task.setCurrentIndex(choices.task.findData(tasks.AUTO))
    seen = which.Which({"derain": 9.0})
    monkeypatch.setattr(which, "look", lambda *_all, **_more: seen)
    masks = page.page.masks
    assert masks.bar.uses.key == ONLY
    ask(page)
    assert (painted(page)[:, :150] > 127).mean() > 0.7
    masks.do("clear")
    page.page._task_said("derain")
    QTest.mouseClick(masks.bar.guess, LEFT)
    assert masks.bar.says.text() == "Looking for the rain…"
    wait(lambda: masks._guessing is None)
    assert painted(page).any()


def test_a_photo_that_cannot_be_looked_at_says_why(page: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_all: object) -> None:
        raise MemoryError

    monkeypatch.setattr("memorynet_gui.restore.masks.guessing.find_damage", fail)
    monkeypatch.setattr("memorynet_gui.restore.masks.desk.find_damage", fail)
    QTest.mouseClick(page.page.masks.bar.guess, LEFT)
    wait(lambda: page.page.masks._guessing is None)
    assert page.page.masks.bar.says.text().startswith("The rain could not be looked for: ")
    assert not painted(page).any()
