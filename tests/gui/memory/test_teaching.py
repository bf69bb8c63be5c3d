"""Teaching the memory with the brush: what is damage and what is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from core.cli import program
from core.images import io as image_io
from memorynet_gui.compare.masks.mask import Brush
from tests.gui.memory.memory_kit import Desk, shown
from tests.ui import unnamed_focusable


def test_every_change_of_the_whole_mask_can_be_made_while_teaching(desk: Desk, source: Path) -> None:
    desk.open(source)
    teach = desk.page.teach
    teach.start()
    mask = teach.tool.mask
    assert mask is not None
    painted = np.zeros(mask.shape, np.uint8)
    painted[20:60, 30:70] = 255
    teach.tool.did(mask.replace(painted))
    for wish in ("grow", "shrink", "feather", "snap", "invert", "clear"):
        teach.bar.wanted.emit(wish)
        assert not np.array_equal(mask.values, painted), wish
        teach.bar.wanted.emit("undo")
        assert np.array_equal(mask.values, painted), wish


def test_teaching_overrules_the_photo_is_kept_with_it_and_serves_the_command_line(
    desk: Desk, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.open(source)
    page, canvas, teach = desk.page, desk.page.canvas, desk.page.teach
    desk.idle()
    before = shown(desk)
    QTest.mouseClick(page.toolbar.teach, Qt.MouseButton.LeftButton)
    assert teach.active and not teach.bar.isHidden() and page.words.isHidden()
    assert page.toolbar.segments.key == "", "the photo itself shows: that is no way to compare"
    assert teach.bar.uses.buttons["denied"].text() == "This is not rain"
    assert unnamed_focusable(teach.bar) == []
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    teach.tool.set_brush(Brush(size_px=48, feather=0.0))
    QTest.mousePress(canvas, left, none, desk.at(40, 40))
    QTest.mouseMove(canvas, desk.at(80, 40))
    QTest.mouseRelease(canvas, left, none, desk.at(80, 40))
    tint, _after = canvas.tints
    assert tint is not None and (tint.values[4:6, 4:10] == 0).all() and page.pins.places == []
    teach.bar.uses.buttons["asserted"].click()
    QTest.mouseClick(canvas, left, none, desk.at(120, 90))
    tint, _after = canvas.tints
    assert tint is not None and tint.values[11, 15] == pytest.approx(1)
    assert "of the photo is not rain" in teach.bar.says.text()
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert not teach.active and page.stage.shows_change
    assert page.toolbar.segments.key == canvas.mode == desk.settings.compare_mode == "wipe"
    desk.idle()
    now = shown(desk)
    photo_ = page.stage.rgb
    assert photo_ is not None
    assert np.array_equal(now[30:50, 40:80], photo_[30:50, 40:80])
    assert not np.array_equal(before[30:50, 40:80], photo_[30:50, 40:80])
    assert "You say:" in desk.panel.edit._step_buttons[-1].accessibleName()
    # as the command line does it
    page.teach.start()
    page.teach.save(tmp_path / "street.taught.png")
    page.teach.stop()
    argv = [
        "restore",
        str(source),
        "--model",
        desk.settings.choice.model,
        "--out",
        str(tmp_path / "out"),
        "--scale",
        "1",
    ]
    assert program.main([*argv, "--precision", "fp32", "--taught", str(tmp_path / "street.taught.png")]) == 0
    capsys.readouterr()
    made = image_io.read(tmp_path / "out" / "street.derained.png")
    assert np.abs(made.pixels.astype(int) - now).max() <= 2  # bf16 and tiles aside
    assert image_io.read_provenance(tmp_path / "out" / "street.derained.png")["taught"] != "none"
    # undone, done again, and there again under another name
    page.handle("undo")
    assert not page.stage.shows_change
    page.handle("redo")
    moved = tmp_path / "moved.png"
    teach._background._pool.waitForDone()
    source.rename(moved)
    desk.open(moved)
    assert page.edits.now.taught is not None and not page.can("undo")
    page.edits.reset()
    teach._background._pool.waitForDone()
    desk.open(moved)
    assert page.edits.now.taught is None
