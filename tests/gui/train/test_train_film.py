"""The film shows the pictures that are there, keeps up with those that come, and bears those that cannot be read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from core.training.film import _put
from memorynet_gui.look.theme import Theme
from memorynet_gui.train import film_files as train_film_files
from memorynet_gui.train import film_view as view_train_film
from memorynet_gui.train.film_files import FilmFiles
from memorynet_gui.train.film_view import TrainFilm, sampled
from tests.ui import settle, unnamed_focusable, wait_until


def add(run: Path, name: str, level: int, width: int = 64) -> None:
    folder = run / "film"
    folder.mkdir(parents=True, exist_ok=True)
    _put(folder / f"{name}.webp", np.full((48, width, 3), level, np.uint8))


def add_frames(run: Path, steps: range, crops: int = 2) -> None:
    for crop in range(crops):
        add(run, f"input-{crop}", 20)
        add(run, f"truth-{crop}", 220)
        for step in steps:
            add(run, f"step-{step:08d}-{crop}", 40 + step // 50)


@pytest.fixture
def film(qtbot: QtBot) -> Iterator[TrainFilm]:
    made = TrainFilm()
    qtbot.addWidget(made)
    made.resize(900, 130)
    made.show()
    settle()
    yield made
    made.shut_down()


def captions(film: TrainFilm) -> list[str]:
    return [cell.caption for _, cell in film.strip.cells()]


def level_in(film: TrainFilm, caption: str) -> int:
    rect = next(rect for rect, cell in film.strip.cells() if cell.caption == caption)
    return int(film.strip.grab().toImage().pixelColor(rect.center().toPoint()).red())


@given(st.integers(1, 200), st.integers(1, 12), st.data())
def test_the_chosen_step_is_always_among_those_shown(count: int, most: int, data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, count - 1))
    found = sampled(count, most, chosen)
    assert chosen in found
    assert found == sorted(set(found))
    assert len(found) <= max(most, 1)
    if most >= 3:
        assert found[0] == 0
        assert found[-1] == count - 1


def test_without_a_run_or_pictures_it_says_what_will_come(film: TrainFilm, tmp_path: Path) -> None:
    assert film.words.text() == view_train_film.NO_RUN
    assert not film.strip.isVisible()
    film.set_run(tmp_path / "nothing")
    assert film.words.text() == view_train_film.NO_FRAMES
    assert film.step is None


def test_the_newest_picture_stands_between_input_and_truth(film: TrainFilm, tmp_path: Path) -> None:
    add_frames(tmp_path, range(500, 8001, 500))
    film.set_run(tmp_path)
    assert film.step == 8000
    wait_until(lambda: level_in(film, "8,000") in range(196, 205), 30)
    shown = captions(film)
    assert shown[0] == "input"
    assert shown[-2:] == ["8,000", "truth"]
    assert len(shown) < 18
    wait_until(lambda: abs(level_in(film, "input") - 20) < 4, 30)
    wait_until(lambda: abs(level_in(film, "truth") - 220) < 4, 30)


def test_slider_keys_and_clicks_scrub(film: TrainFilm, tmp_path: Path) -> None:
    add_frames(tmp_path, range(500, 5001, 500))
    film.set_run(tmp_path)
    steps: list[int] = []
    film.step_changed.connect(steps.append)
    film.slider.setValue(2)
    film.strip.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_Home, Qt.Key.Key_Left, Qt.Key.Key_End):
        QTest.keyClick(film.strip, key)
    assert steps == [1500, 2000, 1500, 500, 5000]
    assert film.slider.value() == 9
    rect, cell = next((rect, cell) for rect, cell in film.strip.cells() if cell.step not in (None, 5000))
    QTest.mouseClick(film.strip, Qt.MouseButton.LeftButton, pos=rect.center().toPoint())
    assert film.step == cell.step
    assert film.strip.accessibleDescription().startswith(f"Crop 1, step {cell.step:,}, picture")
    film.set_step(1760)
    assert film.step == 2000 if 2000 - 1760 < 1760 - 1500 else 1500


def test_a_click_on_what_is_chosen_enlarges_it(film: TrainFilm, tmp_path: Path) -> None:
    add_frames(tmp_path, range(0, 5000, 1000))
    film.resize(1200, 130)  # all steps have a place, whichever theme a test before has left
    settle()
    film.set_run(tmp_path)
    wait_until(lambda: level_in(film, "4,000") > 100)

    def click(caption: str) -> None:
        rect = next(rect for rect, cell in film.strip.cells() if cell.caption == caption)
        QTest.mouseClick(film.strip, Qt.MouseButton.LeftButton, pos=rect.center().toPoint())

    click("3,000")
    assert film.step == 3000 and film.large.isHidden(), "the first click chooses"
    click("3,000")
    assert not film.large.isHidden()
    assert [caption for caption, _ in film.large.pictures] == ["input", "step 3,000", "truth"]
    window = QWidget()
    window.resize(1024, 640)
    film.large.open_over(window)
    assert all(rect.width() > 270 and rect.height() > 200 for rect in film.large.places()), "of 64 x 48 px"
    QTest.keyClick(film.large, Qt.Key.Key_Left)
    assert film.step == 2000
    wait_until(lambda: film.large.pictures[1][1] is not None)
    assert film.large.pictures[1][0] == "step 2,000"
    QTest.keyClick(film.large, Qt.Key.Key_Escape)
    assert film.large.isHidden()
    for again in (lambda: click("truth"), lambda: QTest.keyClick(film.strip, Qt.Key.Key_Return)):
        again()
        assert not film.large.isHidden()
        QTest.mouseClick(film.large, Qt.MouseButton.LeftButton)
        assert film.large.isHidden()


@pytest.mark.dressed
def test_four_crops_fit_beside_the_title(qapp: QApplication, film: TrainFilm, tmp_path: Path) -> None:
    Theme(qapp, "dark")
    add_frames(tmp_path, range(500, 1001, 500), crops=4)
    film.set_run(tmp_path)
    settle()
    assert all(button.isVisible() for button in film.crop_buttons)
    assert all(button.width() >= button.sizeHint().width() for button in film.crop_buttons)


def test_crops_are_chosen_by_button_and_by_key(film: TrainFilm, tmp_path: Path) -> None:
    add_frames(tmp_path, range(500, 2001, 500), crops=3)
    add(tmp_path, "step-00002500-0", 90)
    film.set_run(tmp_path)
    assert [button.isVisible() for button in film.crop_buttons] == [True, True, True, False]
    film.crop_buttons[2].click()
    assert (film.crop, film.step) == (2, 2000), "the nearest there is"
    QTest.keyClick(film.strip, Qt.Key.Key_Down)
    assert film.crop == 0
    QTest.keyClick(film.strip, Qt.Key.Key_Up)
    assert film.crop == 2
    with pytest.raises(ValueError, match="crop 3"):
        film.set_crop(3)


def test_it_keeps_up_only_while_the_newest_is_looked_at(film: TrainFilm, tmp_path: Path) -> None:
    add_frames(tmp_path, range(500, 1001, 500))
    film.set_run(tmp_path)
    add(tmp_path, "step-00001500-0", 90)
    film.refresh()
    assert film.step == 1500
    film.set_step(500)
    add(tmp_path, "step-00002000-0", 90)
    film.refresh()
    assert film.step == 500
    assert film.steps == (500, 1000, 1500, 2000)


def test_a_picture_made_anew_is_read_anew(film: TrainFilm, tmp_path: Path) -> None:
    add_frames(tmp_path, range(500, 501, 500), crops=1)
    film.set_run(tmp_path)
    wait_until(lambda: abs(level_in(film, "500") - 50) < 4, 30)
    add(tmp_path, "step-00000500-0", 150)
    path = tmp_path / "film" / "step-00000500-0.webp"
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))
    film.refresh()
    wait_until(lambda: abs(level_in(film, "500") - 150) < 4, 30)


def settled(run: Path) -> Path:
    """The film's folder, last changed a while ago."""
    folder = run / "film"
    os.utime(folder, ns=(1, time.time_ns() - 60_000_000_000))
    return folder


def names_only(run: Path, count: int, crops: int = 4) -> None:
    """A long film, whose pictures nobody reads."""
    folder = run / "film"
    folder.mkdir(parents=True)
    for crop in range(crops):
        for name in ("input", "truth", *(f"step-{step:08d}" for step in range(1, count + 1))):
            (folder / f"{name}-{crop}.webp").touch()


class Counted:
    """How often the disk was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lists = self.stats = 0
        scandir, stat = os.scandir, Path.stat

        def listed(path: Path) -> Any:
            self.lists += 1
            return scandir(path)

        def asked(path: Path, **options: Any) -> os.stat_result:
            self.stats += 1
            return stat(path, **options)

        monkeypatch.setattr(train_film_files.os, "scandir", listed)
        monkeypatch.setattr(Path, "stat", asked)


def test_a_thousand_frames_are_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names_only(tmp_path, 1000)
    settled(tmp_path)
    files = FilmFiles(tmp_path)
    count = Counted(monkeypatch)
    files.scan()
    assert count.lists == 1
    assert count.stats <= 12, "not one for every picture"
    assert [len(files.crops[crop].steps) for crop in range(4)] == [1000] * 4
    for _ in range(5):
        assert files.scan() == set()
    assert count.lists == 1, "the folder has not changed"
    for step in range(1001, 1006):
        for crop in range(4):
            (tmp_path / "film" / f"step-{step:08d}-{crop}.webp").touch()
        before = count.stats
        assert files.frame_came(step) == set()
        assert count.stats - before <= 20
    assert count.lists == 1, "the run says which are new"
    assert files.crops[3].steps == list(range(1, 1006))
    files.scan()
    assert count.lists == 2
    assert files.crops[3].steps == list(range(1, 1006))


def test_a_folder_that_has_just_changed_is_listed_again(tmp_path: Path) -> None:
    names_only(tmp_path, 3, crops=1)
    files = FilmFiles(tmp_path)
    files.scan()
    stamp = (tmp_path / "film").stat().st_mtime_ns
    (tmp_path / "film" / "step-00000004-0.webp").touch()
    os.utime(tmp_path / "film", ns=(stamp, stamp))  # within one tick of the disk's clock
    files.scan()
    assert files.crops[0].steps == [1, 2, 3, 4]


def test_a_run_that_went_back_is_not_shown_from_memory(tmp_path: Path) -> None:
    names_only(tmp_path, 5, crops=1)
    folder = tmp_path / "film"
    files = FilmFiles(tmp_path)
    files.scan()
    frames = {step: folder / f"step-{step:08d}-0.webp" for step in range(1, 8)}
    assert files.frame_came(3) == {frames[3], frames[4], frames[5]}
    assert files.crops[0].steps == [1, 2, 3]
    frames[4].unlink()
    frames[5].unlink()
    assert files.scan() == set()
    # another program goes back to 2 and makes 3 and 4 anew, all between two looks
    os.utime(frames[3], ns=(1, 1))
    frames[4].touch()
    assert files.scan() == {frames[1], frames[2], frames[3], frames[4]}
    frames[4].unlink()
    assert files.scan() == {frames[4]}
    frames[4].touch()
    assert files.scan() == set()


def test_frames_that_come_are_shown_without_a_look_at_the_others(
    film: TrainFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_frames(tmp_path, range(500, 1501, 500))
    film.set_run(tmp_path)
    count = Counted(monkeypatch)
    add(tmp_path, "step-00002000-0", 90)
    film.frame_came(2000)
    assert (film.step, film.steps) == (2000, (500, 1000, 1500, 2000))
    film.set_step(500)
    add(tmp_path, "step-00002500-0", 100)
    film.frame_came(2500)
    assert film.step == 500
    film.set_step(2500)
    assert count.lists == 0
    wait_until(lambda: abs(level_in(film, "2,500") - 100) < 4, 30)
    add(tmp_path, "step-00001000-0", 200)
    film.frame_came(1000)  # continued from an earlier checkpoint
    assert (film.step, film.steps) == (1000, (500, 1000))
    wait_until(lambda: abs(level_in(film, "1,000") - 200) < 4, 30)
    film.frame_came(3000)  # the disk was full: nothing was written
    assert film.steps == (500, 1000)


def test_the_first_frames_bring_input_and_truth(film: TrainFilm, tmp_path: Path) -> None:
    film.set_run(tmp_path)
    add_frames(tmp_path, range(500, 501, 500), crops=1)
    film.frame_came(500)
    assert captions(film) == ["input", "500", "truth"]


def test_damaged_and_vanished_pictures_are_borne(film: TrainFilm, tmp_path: Path) -> None:
    add_frames(tmp_path, range(500, 1501, 500), crops=1)
    (tmp_path / "film" / "step-00001000-0.webp").write_bytes(b"RIFF no picture")
    (tmp_path / "film" / "notes.txt").write_text("not a frame", "utf-8")
    (tmp_path / "film" / "step-00001000-9.webp").write_bytes(b"no such crop")
    film.set_run(tmp_path)
    film.set_step(1000)
    bad = tmp_path / "film" / "step-00001000-0.webp"
    wait_until(lambda: film._thumbnails.has_failed(bad), 30)
    assert captions(film) == ["input", "500", "1,000", "1,500", "truth"]
    add(tmp_path, "step-00001000-0", 120)
    film.refresh()
    wait_until(lambda: abs(level_in(film, "1,000") - 120) < 4, 30)
    for path in (tmp_path / "film").glob("step-*"):
        path.unlink()
    film.refresh()
    assert film.step is None
    assert captions(film) == ["input", "truth"]
    for path in (tmp_path / "film").iterdir():
        path.unlink()
    (tmp_path / "film").rmdir()
    film.refresh()
    assert film.words.isVisible()


def test_another_run_begins_at_its_own_newest(film: TrainFilm, tmp_path: Path) -> None:
    add_frames(tmp_path / "one", range(500, 2001, 500))
    add_frames(tmp_path / "two", range(100, 301, 100), crops=1)
    film.set_run(tmp_path / "one")
    film.set_crop(1)
    film.set_run(tmp_path / "two")
    assert (film.crop, film.step) == (0, 300)
    film.set_run(None)
    assert film.step is None


@pytest.mark.parametrize("size", [(420, 110), (900, 300), (1600, 100)])
def test_cells_stay_within_the_strip(film: TrainFilm, tmp_path: Path, size: tuple[int, int]) -> None:
    add_frames(tmp_path, range(100, 3001, 100), crops=1)
    film.set_run(tmp_path)
    film.resize(*size)
    settle()
    cells = film.strip.cells()
    assert len(cells) >= 3
    assert max(rect.right() for rect, _ in cells) <= film.strip.width() + 1
    assert {cell.caption for _, cell in cells} >= {"input", "3,000", "truth"}


def test_everything_that_takes_the_keyboard_has_a_name(film: TrainFilm, tmp_path: Path) -> None:
    add_frames(tmp_path, range(500, 1501, 500))
    film.set_run(tmp_path)
    assert unnamed_focusable(film) == []
