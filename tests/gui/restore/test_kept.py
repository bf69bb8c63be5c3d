"""Two results of one photo: kept, compared in the canvas, exchanged, let go, there again after a restart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.images import io as image_io
from memorynet_gui.restore.kept.desk import BEFORE_AND_AFTER, BOTH
from memorynet_gui.restore.menu import photo_menu
from memorynet_gui.restore.queue_item import Item, item_as_json, item_from_json
from tests.restore_page_kit import Desk, desk, rainy, wait, write

pytestmark = pytest.mark.usefixtures("small_models_ship", "rain_reads_firmer")

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "street.png", rainy()[0])


def seen(at: Desk) -> tuple[np.ndarray, np.ndarray]:
    """What the canvas has left and right of its line."""
    scene = at.page.canvas._scene
    assert scene.original is not None and scene.restored is not None
    return scene.original.crop(0, 0, 0, 160, 128).copy(), scene.restored.crop(0, 0, 0, 160, 128).copy()


def two_results(at: Desk, source: Path) -> tuple[np.ndarray, np.ndarray, Item]:
    """A result that is kept, and another at more thoroughness; pixels of both."""
    item = at.restored(source)
    first = at.page.store.get(item.id)
    assert first is not None and at.panel.kept.keep.isHidden()
    at.panel.choices.thoroughness.slider.setValue(150)
    wait(at.panel.kept.keep.isVisible)  # now that what is chosen makes another one
    QTest.mouseClick(at.panel.kept.keep, LEFT)
    wait(lambda: at.item(source).kept is not None)
    at.page.handle("run")
    at.wait_idle()
    second = at.page.store.get(item.id)
    assert second is not None and not np.array_equal(first, second)
    return first.copy(), second.copy(), at.item(source)


def test_two_results_stand_in_one_canvas_and_change_places(
    qapp: QApplication, tmp_path: Path, source: Path
) -> None:
    with desk(qapp, tmp_path / "home") as at:
        first, second, item = two_results(at, source)
        row, page = at.panel.kept, at.page
        assert item.kept is not None and row.says.text() == "Kept: thoroughness normal"
        before, after = seen(at)
        QTest.mouseClick(row.compare, LEFT)
        wait(lambda: page.canvas.words == BOTH)
        assert np.array_equal(seen(at)[0], first) and np.array_equal(seen(at)[1], second)
        at.panel.strength.setValue(0)  # of the present one alone
        wait(lambda: np.array_equal(seen(at)[1], before))
        assert np.array_equal(seen(at)[0], first)
        at.panel.strength.setValue(100)
        wait(lambda: np.array_equal(seen(at)[1], second))

        saved = at.save(source)
        QTest.mouseClick(row.take, LEFT)
        wait(lambda: at.item(source).result == item.kept.note and page.canvas.words == BOTH)  # type: ignore[union-attr]
        wait(lambda: np.array_equal(seen(at)[1], first))
        assert np.array_equal(seen(at)[0], second) and not at.item(source).is_saved
        assert row.says.text() == "Kept: thoroughness +50 %"
        assert np.array_equal(image_io.read(saved).pixels, second)
        assert np.array_equal(image_io.read(at.save(source)).pixels, first)

        page.handle("compare_kept")
        assert page.canvas.words == BEFORE_AND_AFTER
        wait(lambda: np.array_equal(seen(at)[0], before) and np.array_equal(seen(at)[1], first))
        assert not np.array_equal(after, first)
        entries = [
            action.text() for action in photo_menu(page, at.item(source)).actions() if action.isEnabled()
        ]
        assert "Compare with the kept result" in entries

        row.let_go.click()
        assert at.item(source).kept is None and not page.can("compare_kept")
        callback = at.said[-1].callback
        assert callback is not None
        callback()
        assert at.item(source).kept is not None and page.can("compare_kept")


def test_a_kept_result_is_there_after_a_restart_as_long_as_its_pixels_are(
    qapp: QApplication, tmp_path: Path, source: Path
) -> None:
    home = tmp_path / "home"
    with desk(qapp, home) as at:
        first, _second, item = two_results(at, source)
        assert item_from_json(json.loads(json.dumps(item_as_json(item)))) == item
        key = item.kept.key if item.kept is not None else ""
    with desk(qapp, home) as at:
        wait(lambda: at.page.session.find(source) is not None)
        again = at.item(source)
        assert again.kept == item.kept and np.array_equal(at.page.store.get(key), first)  # type: ignore[arg-type]
        at.page.store.drop(key)
    with desk(qapp, home) as at:
        wait(lambda: at.page.session.find(source) is not None)
        assert at.item(source).kept is None and at.item(source).result == item.result
    data = item_as_json(item)
    data["kept"]["key"] = "../../elsewhere"
    with pytest.raises(ValueError, match="kept result"):
        item_from_json(data)
