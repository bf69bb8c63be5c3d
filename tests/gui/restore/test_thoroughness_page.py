"""The slider of thoroughness and what the Restore page makes of it; tests/restoring has what it means."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.cli import program as cli
from core.images import io as image_io
from core.model import checkpoint
from core.model.network import MemoryNet, with_memory
from memorynet_gui.restore.command import arguments
from memorynet_gui.restore.panel.thoroughness import Thoroughness
from memorynet_gui.restore.queue_item import item_as_json, item_from_json
from tests.restore_page_kit import Desk, desk, rainy, wait, write
from tests.small import SMALL

# --- the slider ------------------------------------------------------------------------------------


@pytest.fixture
def slider(qapp: QApplication) -> Iterator[Thoroughness]:
    made = Thoroughness()
    made.resize(260, 80)
    made.show()
    yield made
    made.deleteLater()


def heard(slider: Thoroughness) -> list[int]:
    found: list[int] = []
    slider.changed.connect(lambda: found.append(slider.percent))
    return found


def test_keys_go_in_steps_of_five(slider: Thoroughness) -> None:
    found = heard(slider)
    for key, expected in (
        (Qt.Key.Key_Right, 105),
        (Qt.Key.Key_PageUp, 115),
        (Qt.Key.Key_Left, 110),
        (Qt.Key.Key_End, 200),
        (Qt.Key.Key_Right, 200),
        (Qt.Key.Key_Home, 100),
        (Qt.Key.Key_Left, 100),
    ):
        QTest.keyClick(slider.slider, key)
        word = "normal" if expected == 100 else f"+{expected - 100} %"
        assert (slider.percent, slider.ends.value.text()) == (expected, word)
    assert found == [105, 115, 110, 200, 100]


@pytest.mark.parametrize("width", [220, 600])
def test_the_handle_follows_the_pointer_and_rests_on_a_step(slider: Thoroughness, width: int) -> None:
    slider.resize(width, 80)
    QApplication.processEvents()
    line, found = slider.slider, heard(slider)
    y, left = line.height() // 2, Qt.MouseButton.LeftButton
    QTest.mousePress(line, left, pos=QPoint(int(0.37 * line.width()), y))
    assert slider.percent in (135, 140)
    for x in range(int(0.37 * line.width()), int(0.8 * line.width()), 2):
        QTest.mouseMove(line, QPoint(x, y))
    QTest.mouseRelease(line, left, pos=QPoint(int(0.8 * line.width()) - 1, y))
    assert abs(slider.percent - 180) <= 5
    assert line.value() == slider.percent
    assert found == sorted(set(found)) and all(percent % 5 == 0 for percent in found)


def test_scrolling_past_changes_nothing(slider: Thoroughness) -> None:
    slider.set_wanted(150)
    at = QPointF(slider.slider.rect().center())
    event = QWheelEvent(
        at, slider.slider.mapToGlobal(at), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(slider.slider, event)
    assert slider.percent == 150 and not event.isAccepted()


def test_a_model_without_it_has_a_hundred_and_the_wish_is_kept(slider: Thoroughness) -> None:
    slider.set_wanted(163)
    assert (slider.percent, slider.slider.value()) == (165, 165)
    slider.set_available(False)
    assert (slider.percent, slider.slider.value(), slider.wanted_percent) == (100, 100, 165)
    assert not slider.slider.isEnabled() and "no memory of damage" in slider.slider.toolTip()
    assert slider.ends.toolTip() == slider.slider.toolTip()
    slider.set_available(True)
    assert (slider.percent, slider.slider.value()) == (165, 165)
    assert "fine detail" in slider.slider.toolTip()


# --- the page --------------------------------------------------------------------------------------

pytestmark = pytest.mark.usefixtures("small_models_ship", "rain_reads_firmer")


@pytest.fixture
def wet(tmp_path: Path) -> Path:
    return write(tmp_path / "rain.png", rainy()[0])


@pytest.fixture(scope="module")
def plain_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One without a memory."""
    folder = tmp_path_factory.mktemp("plain") / "plain"
    network = MemoryNet(with_memory(SMALL, "none"))
    return checkpoint.save(folder, network, name="plain", task="derain", provenance={})


def caption(at: Desk) -> str:
    return at.panel.choices.thoroughness.ends.left.text()


def receipt(at: Desk) -> dict[str, str]:
    rows = [at.panel.receipt.rows.itemAt(index).widget() for index in range(at.panel.receipt.rows.count())]
    return {row.name.text(): row.value.full for row in rows}


def test_it_needs_the_network_again_and_says_so(at: Desk, wet: Path) -> None:
    item = at.restored(wet)
    plain = at.page.store.get(item.id)
    assert plain is not None and item.result is not None
    assert item.result.choice.thoroughness == 1 and "Thoroughness" not in receipt(at)
    assert caption(at) == "As learnt"
    slider = at.panel.choices.thoroughness.slider
    for _ in range(5):
        QTest.keyClick(slider, Qt.Key.Key_PageUp)
    assert at.panel.choices.choice().thoroughness == 1.5
    assert not at.runner.busy and np.array_equal(at.page.store.get(item.id), plain)
    assert caption(at) == "Restore again to see it" and at.panel.restore.text() == "Restore again"
    QTest.mouseClick(at.panel.restore, Qt.MouseButton.LeftButton)
    at.wait_idle()
    strong = at.page.store.get(item.id)
    assert strong is not None and not np.array_equal(strong, plain)
    assert caption(at) == "As learnt" and receipt(at)["Thoroughness"] == "+50 %"
    again = at.item(wet)
    assert item_from_json(json.loads(json.dumps(item_as_json(again)))) == again
    QTest.keyClick(slider, Qt.Key.Key_Home)
    assert caption(at) == "Restore again to see it" and receipt(at)["Thoroughness"] == "+50 %"
    QTest.mouseClick(at.panel.restore, Qt.MouseButton.LeftButton)
    at.wait_idle()
    assert np.array_equal(at.page.store.get(item.id), plain) and "Thoroughness" not in receipt(at)


def test_a_saved_file_says_it_and_the_command_makes_it_again(
    at: Desk, wet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at.panel.choices.thoroughness.slider.setValue(175)
    item = at.restored(wet)
    at.panel.choices.thoroughness.slider.setValue(100)  # of the next run, not of this result
    saved = at.save(wet)
    record = image_io.read_provenance(saved)
    assert record is not None and record["memory"] == "read with thoroughness 1.75"
    at.page.handle("copy_command")
    words = shlex.split(QGuiApplication.clipboard().text())
    assert words[1:] == arguments(at.item(wet)) and words[words.index("--thoroughness") + 1] == "1.75"
    data = saved.read_bytes()
    assert cli.main([*words[1:], "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["status"] == "skipped"
    saved.unlink()
    assert cli.main(words[1:]) == 0
    assert saved.read_bytes() == data
    assert item.result is not None
    assert "--thoroughness" not in arguments(
        replace(item, result=replace(item.result, choice=replace(item.result.choice, thoroughness=1.0)))
    )


def test_it_is_remembered(qapp: QApplication, tmp_path: Path, wet: Path) -> None:
    home = tmp_path / "own"
    with desk(qapp, home) as at:
        at.panel.choices.thoroughness.slider.setValue(130)
        at.restored(wet)
        at.panel.choices.thoroughness.slider.setValue(145)
    with desk(qapp, home) as at:
        assert at.panel.choices.choice().thoroughness == 1.45
        assert at.panel.choices.thoroughness.slider.value() == 145
        at.page.session.set_current(at.item(wet).id)
        at.wait_shown(wet)
        result = at.item(wet).result
        assert result is not None and result.choice.thoroughness == 1.3
        assert receipt(at)["Thoroughness"] == "+30 %" and caption(at) == "Restore again to see it"


def test_models_without_a_memory_have_none_in_the_window(at: Desk, wet: Path, plain_model: Path) -> None:
    part = at.panel.choices.thoroughness
    part.slider.setValue(150)
    usual = at.panel.choices.choice().model
    at.page.chooser.open_model(plain_model)
    wait(lambda: at.panel.choices.choice().model == str(plain_model))
    assert not part.slider.isEnabled() and at.panel.choices.choice().thoroughness == 1
    result = at.restored(wet).result
    assert result is not None and result.made.model_name == "plain" and result.choice.thoroughness == 1
    assert at.settings.thoroughness == 1.5 and caption(at) == "As learnt"
    model = at.panel.choices.model
    model.setCurrentIndex(model.findData(usual))
    model.activated.emit(model.currentIndex())
    assert part.slider.isEnabled() and at.panel.choices.choice().thoroughness == 1.5


def test_tab_comes_from_strength_to_thoroughness_and_on(at: Desk, wet: Path) -> None:
    at.restored(wet)
    at.panel.activateWindow()
    at.panel.strength.setFocus()
    wait(at.panel.strength.hasFocus)
    found: list[Callable[[], bool]] = [
        at.panel.choices.thoroughness.slider.hasFocus,
        at.panel.choices.scale.combo.hasFocus,
    ]
    for has_focus in found:
        focused = QApplication.focusWidget()
        assert focused is not None
        QTest.keyClick(focused, Qt.Key.Key_Tab)
        assert has_focus()


def test_a_smear_is_undone_first_unless_it_is_not_to_be(at: Desk, wet: Path) -> None:
    """The box stands where smears are known; of other tasks what it says is neither asked nor outdated."""
    choices = at.panel.choices
    assert not choices.undo.isVisibleTo(choices) and choices.choice().undo
    at.restored(wet)
    choices.task.setCurrentIndex(choices.task.findData("deblur"))
    assert choices.undo.isVisibleTo(choices) and choices.undo.isChecked()
    choices.undo.click()
    assert not choices.choice().undo and not at.settings.undo
    choices.task.setCurrentIndex(choices.task.findData("derain"))
    assert choices.choice().undo and choices.remembered_choice.undo is False
    assert not choices.undo_caption.isVisibleTo(choices)
