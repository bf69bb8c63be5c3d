"""Sliders of a registered degradation: what they set is what a recipe takes, and the samples follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.data.degrade import DEGRADATIONS
from memorynet_gui.newrun.degrade_preview import SAMPLES, DegradePreview
from memorynet_gui.newrun.degrade_rows import ParameterRow, Scale, SharesRow, value_text, with_share
from memorynet_gui.widgets.range_slider import TICKS, RangeSlider
from tests.restore_page_kit import write
from tests.small import photo
from tests.ui import unnamed_focusable, wait_until


@pytest.fixture
def preview(qtbot: QtBot) -> Iterator[DegradePreview]:
    made = DegradePreview()
    qtbot.addWidget(made)
    made.resize(700, 700)
    made.show()
    yield made
    made.shut_down()


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Path, ...]:
    return tuple(write(tmp_path / f"{n}.png", photo(96, 80, n)) for n in range(2))


def pixels(preview: DegradePreview, index: int, clean: bool = False) -> bytes:
    return bytes(preview.strip.image(index, clean).constBits())


@pytest.mark.parametrize("task", sorted(DEGRADATIONS))
def test_scrolling_past_moves_no_slider(preview: DegradePreview, task: str) -> None:
    preview.set_task(task)
    for name in preview._defaults:
        row = preview.row(name)
        for slider in row.sliders if isinstance(row, SharesRow) else (row.slider,):
            for turn in (-120, 120):
                middle = slider.rect().center().toPointF()
                event = QWheelEvent(
                    middle, slider.mapToGlobal(middle), QPoint(), QPoint(0, turn), Qt.MouseButton.NoButton,
                    Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
                )  # fmt: skip
                event.accept()
                QApplication.sendEvent(slider, event)
                assert not event.isAccepted()  # it is for what scrolls
    assert preview.parameters() == {}


@pytest.mark.parametrize("task", sorted(DEGRADATIONS))
def test_every_parameter_has_a_slider_and_every_setting_is_one_a_recipe_takes(
    preview: DegradePreview, task: str
) -> None:
    preview.set_task(task)
    made = DEGRADATIONS[task]
    assert preview.parameters() == {}
    for name in preview._defaults:
        row = preview.row(name)
        if isinstance(row, SharesRow):
            row.sliders[-1].setValue(TICKS // 2)
        elif isinstance(row.slider, RangeSlider):
            row.slider.setFocus()
            QTest.keyClick(row.slider, Qt.Key.Key_End)
        else:
            row.slider.setValue(TICKS // 3)
        assert name in preview.parameters()
        made.params(preview.parameters())
    assert unnamed_focusable(preview) == []
    preview.reset.click()
    assert preview.parameters() == {}


def test_samples_follow_the_sliders_and_show_the_clean_photo_while_held(
    preview: DegradePreview, photos: tuple[Path, ...]
) -> None:
    preview.set_task("derain")
    preview.set_parameters({"mist": 0.0, "jpeg": 0.0})
    preview.set_photos(photos)
    wait_until(lambda: preview.strip.count == SAMPLES, 60)
    first = [pixels(preview, at) for at in range(SAMPLES)]
    clean = [pixels(preview, at, clean=True) for at in range(SAMPLES)]
    assert all(a != b for a, b in zip(first, clean, strict=True))
    row = preview.row("mist")
    assert isinstance(row, ParameterRow)
    row.slider.setFocus()
    QTest.keyClick(row.slider, Qt.Key.Key_End)
    assert preview.parameters()["mist"] == 1.0
    wait_until(lambda: pixels(preview, 0) != first[0], 60)
    assert [pixels(preview, at, clean=True) for at in range(SAMPLES)] == clean, "the same places"
    QTest.keyPress(preview.strip, Qt.Key.Key_Space)
    assert preview.strip._held
    QTest.keyRelease(preview.strip, Qt.Key.Key_Space)
    assert not preview.strip._held


def test_while_one_set_is_made_only_the_newest_wish_waits(
    preview: DegradePreview, photos: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    import core.doctor.preview as room

    real, asked = room.samples_for_preview, []

    def counting(task: str, parameters: dict[str, object], *rest: object) -> object:
        asked.append(parameters.get("mist"))
        return real(task, parameters, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(room, "samples_for_preview", counting)
    preview.set_task("derain")
    preview.set_photos(photos)
    wait_until(lambda: preview.strip.count == SAMPLES, 60)
    asked.clear()
    row = preview.row("mist")
    assert isinstance(row, ParameterRow)
    for tick in range(0, TICKS, 50):
        row.slider.setValue(tick)
    wait_until(lambda: bool(asked) and asked[-1] == preview.parameters()["mist"], 60)
    wait_until(lambda: not preview._running, 60)
    assert len(asked) <= 2


def test_what_cannot_be_is_said_and_the_pictures_stay(
    preview: DegradePreview, photos: tuple[Path, ...]
) -> None:
    preview.set_task("derain")
    preview.set_photos(photos)
    wait_until(lambda: preview.strip.count == SAMPLES, 60)
    preview.set_parameters({"drawn": 0.9, "deep": 0.9})
    wait_until(lambda: "deep" in preview.note.text(), 60)
    assert preview.strip.count == SAMPLES
    preview.set_parameters({})
    wait_until(lambda: "Hold" in preview.note.text(), 60)


def test_a_photo_that_cannot_be_read_is_named(preview: DegradePreview, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    preview.set_task("derain")
    preview.set_photos((broken,))
    wait_until(lambda: bool(preview.note.text()), 60)
    assert "broken.png" in preview.note.text()


@given(st.floats(0.01, 10), st.floats(1.5, 1000), st.integers(0, TICKS))
def test_a_tick_is_a_value_within_the_range_and_comes_back(low: float, ratio: float, tick: int) -> None:
    scale = Scale(low, low * ratio)
    value = scale.value(tick)
    assert low <= value <= low * ratio
    assert abs(scale.tick(value) - tick) <= 0.02 * TICKS  # three figures


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.integers(0, 5), st.floats(0, 1))
def test_shares_still_sum_to_one(raw: list[float], at: int, share: float) -> None:
    total = sum(raw)
    shares = tuple(value / total for value in raw) if total > 1e-6 else (1.0, *[0.0] * (len(raw) - 1))
    made = with_share(shares, at % len(shares), share)
    assert abs(sum(made) - 1) < 1e-8
    assert min(made) >= -1e-9
    assert abs(made[at % len(shares)] - share) < 1e-4


def test_range_handles_do_not_pass_each_other(qtbot: QtBot) -> None:
    slider = RangeSlider("Length")
    qtbot.addWidget(slider)
    told: list[tuple[int, int]] = []
    slider.moved.connect(lambda low, high: told.append((low, high)))
    slider.set_ends(200, 300)
    slider.resize(214, 22)
    slider.show()
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_Home)  # the upper handle stops at the lower
    assert slider.ends == (200, 200)
    QTest.keyClick(slider, Qt.Key.Key_Up)
    QTest.keyClick(slider, Qt.Key.Key_Home)
    assert slider.ends == (0, 200)
    assert told == [(200, 200), (0, 200)]
    with pytest.raises(ValueError, match="400 to 300"):
        slider.set_ends(400, 300)


def test_samples_are_of_eight_bit(preview: DegradePreview) -> None:
    clean = np.zeros((8, 12, 3), np.uint8)
    preview.strip.set_samples([(clean, clean + 9)])
    assert preview.strip.image(0).pixelColor(0, 0).red() == 9
    assert preview.strip.image(0, clean=True).pixelColor(0, 0).red() == 0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.16, "%", "16 %"),
        (1000.0, "px", "1,000 px"),
        (0.625, "px", "0.625 px"),
        (-24.0, "°", "−24°"),
        (0.38, "", "0.38"),
    ],
)
def test_values_are_said_as_people_write_them(value: float, unit: str, text: str) -> None:
    assert value_text(value, unit) == text
