"""The Memory page with a real runner, a small real model and real events: opening, places, pins and files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from core.images import io as image_io
from core.model import catalog
from core.model.memory_edit import Slots
from core.restoring.memory import look as memory_look
from core.restoring.records import Choice
from core.restoring.verdict import Verdict
from core.tasks import TASKS
from memorynet_gui.base.page import PhotoAtHand
from memorynet_gui.memory import overlay
from memorynet_gui.memory.bench.records import Tried
from memorynet_gui.memory.overlay import Tint
from tests.gui.memory.memory_kit import Desk
from tests.restore_page_kit import wait, write
from tests.small import photo, small_resources
from tests.ui import unnamed_focusable


@pytest.mark.dressed
def test_an_empty_page_teaches_and_every_control_has_a_name(desk: Desk, source: Path) -> None:
    page = desk.page
    assert page._outer.currentWidget() is page.empty and not page.can("save") and page.can("open")
    page.setAccessibleName(page.title)  # as the window does
    assert unnamed_focusable(page) == [] and unnamed_focusable(desk.panel) == []
    desk.open(source)
    desk.click(40, 30)
    assert unnamed_focusable(page) == [] and unnamed_focusable(desk.panel) == []
    assert desk.panel.minimumSizeHint().width() <= 238  # what the window's panel leaves when it is narrow


def test_a_photo_is_looked_into_restored_and_looked_at_again(desk: Desk, source: Path) -> None:
    page, on_tiles = desk.page, []
    page.stage.progressed.connect(
        lambda text, *_: on_tiles.append(page.canvas.tints[1]) if "Restoring" in text else None
    )
    desk.open(source)
    assert page.stage.bench is not None and page.stage.restored_rgb is not None
    assert on_tiles and set(on_tiles) == {None}  # what the restored photo looks like is not known yet
    before, after = page.canvas.tints
    assert before is not None and after is not None
    assert np.array_equal(before.values, page.stage.bench.look.before.values)
    assert any(
        said in page.words.text() for said in ("of this photo for rain", "hardly anything", "may be among it")
    )
    assert "rain" in page.words.text() and desk.bar.texts
    assert not page.flow.busy and desk.bar.cleared


def test_clean_places_stay_untinted_on_a_fixed_scale(desk: Desk, source: Path) -> None:
    desk.open(source)
    desk.panel.threshold.setValue(60)
    tint, _after = desk.page.canvas.tints
    assert tint is not None
    alpha = tint.alpha()
    assert (alpha[tint.values <= 0.6] == 0).all() and (alpha[tint.values > 0.61] > 0).all()
    desk.panel.overlays.buttons["none"].click()
    assert desk.page.canvas.tints == (None, None)


def test_hover_looks_click_pins_del_unpins(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, canvas = desk.page, desk.page.canvas
    QTest.mouseMove(canvas, desk.at(30, 30))
    QTest.mouseMove(canvas, desk.at(100, 44))
    wait(lambda: page.pins.place is not None)
    assert canvas.looked is not None and (canvas.looked.x, canvas.looked.y) == (96, 40)
    assert page.pins.places == []
    desk.click(100, 44)
    desk.click(20, 90)
    assert len(page.pins.places) == 2 and page.pins.chosen == 1
    place = desk.panel.place
    assert place.title.full.startswith("Pin 2")
    assert len(place.negative.patches) == 5 and len(place.positive.patches) == 5
    assert "a usual place of this photo" in place.negative_words.text()
    assert page.stage.bench is not None
    is_damage = page.stage.bench.place((20, 90, 0, 0)).damaged
    for kind, of_kind, said in (
        ("damage", is_damage, place.negative_words),
        ("clean places", not is_damage, place.positive_words),
    ):
        looks_like = of_kind and said.text().startswith("More")
        title = place._near_titles[kind].text()
        assert title.startswith("Looks like th" if looks_like else "Most alike of the stored"), kind
    assert place.sources.patches and place.bars["positive"].slots
    wait(lambda: place.compared.images is not None)
    assert "of 255 levels" in place.effect.text() or "no measurable" in place.effect.text()
    assert place.compared.isVisible() and place.compared.images is not None
    without, with_it = place.compared.images
    assert without != with_it and without.size() == with_it.size()
    page.handle("previous")
    assert page.pins.chosen == 0 and place.title.full.startswith("Pin 1")
    page.handle("remove")
    assert len(page.pins.places) == 1
    rect = canvas._pin_point(canvas._panes()[0], canvas._pins[0]).toPoint()
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, rect)
    assert len(page.pins.places) == 1  # a click on a pin chooses it


def test_keys_move_the_place_and_pin_it(desk: Desk, source: Path) -> None:
    desk.open(source)
    canvas = desk.page.canvas
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_Right)
    first = desk.page.pins.place
    QTest.keyClick(canvas, Qt.Key.Key_Right)
    second = desk.page.pins.place
    assert first is not None and second is not None and second[0] - first[0] == 8
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert desk.page.pins.places == [second]


def test_keys_draw_a_region_pin_it_and_say_it(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, canvas = desk.page, desk.page.canvas
    canvas.setFocus()
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_Up):
        QTest.keyClick(canvas, key, both)
    assert canvas.accessibleDescription() == "Region of 16 × 24 px at 72, 40 px; Enter pins it"
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert page.pins.places == [(72, 40, 16, 24)]
    assert canvas.accessibleDescription().startswith("Pin 1 · 16 × 24 px at 72, 40 px.")
    QTest.keyClick(canvas, Qt.Key.Key_Right, both)
    override = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
    override.ignore()
    QApplication.sendEvent(canvas, override)
    assert override.isAccepted(), "Esc closes what is in front"
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert page.pins.places[0] == (72, 40, 16, 24) and all(not place[2] for place in page.pins.places[1:])
    for _ in range(40):
        QTest.keyClick(canvas, Qt.Key.Key_Right, both)  # no further than the photo goes
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    left, _top, width, _height = page.pins.places[-1]
    assert left + width == 160


def test_a_drag_pins_a_region_that_is_told_about_as_a_whole(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, canvas = desk.page, desk.page.canvas
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mousePress(canvas, left, none, desk.at(90, 70))
    QTest.mouseMove(canvas, desk.at(60, 50))
    QTest.mouseMove(canvas, desk.at(34, 28))
    QTest.mouseRelease(canvas, left, none, desk.at(34, 28))
    assert page.pins.places == [(34, 28, 57, 43)]
    assert canvas.looked == page.pins.mark(page.pins.places[0])
    assert (canvas.looked.x, canvas.looked.y, canvas.looked.width, canvas.looked.height) == (32, 24, 64, 48)
    place = desk.panel.place
    assert place.title.full == "Pin 1 · 64 × 48 px at 32, 24 px" and place.bars["positive"].slots
    wait(lambda: place.compared.images is not None)
    bench = page.stage.bench
    assert bench is not None
    assert bench.place((34, 28, 57, 43)).response == pytest.approx(bench.look.before.values[3:9, 4:12].mean())
    canvas.actual_size()
    QTest.mousePress(canvas, left, Qt.KeyboardModifier.ShiftModifier, desk.at(100, 90))
    QTest.mouseMove(canvas, desk.at(110, 100))
    QTest.mouseMove(canvas, desk.at(130, 110))
    QTest.mouseRelease(canvas, left, Qt.KeyboardModifier.ShiftModifier, desk.at(130, 110))
    assert len(page.pins.places) == 2 and page.pins.places[1][2:] == (31, 21)


def test_a_double_click_zooms_and_leaves_no_pin(desk: Desk, source: Path) -> None:
    desk.open(source)
    at = desk.at(80, 60)
    QTest.mouseClick(desk.page.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    QTest.mouseDClick(desk.page.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert desk.page.pins.places == [] and not desk.page.canvas.fitted


def test_a_slot_under_the_pointer_lights_its_area(desk: Desk, source: Path) -> None:
    desk.open(source)
    desk.click(40, 30)
    bars = desk.panel.place.bars["negative"]
    slot = bars.slots[0]
    QTest.keyClick(bars, Qt.Key.Key_Down)
    tint, _ = desk.page.canvas.tints
    assert tint is not None and f"{slot.granularity} {slot.slot}" in tint.title
    bench = desk.page.stage.bench
    assert bench is not None and np.array_equal(tint.values, bench.look.slot_map(slot.row))
    desk.page.places.light_slot(-1)
    assert "rain" in desk.page.canvas.tints[0].title  # type: ignore[union-attr]
    QTest.mouseClick(bars, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(20, 5))
    assert desk.panel.edit.chosen == Slots("negative", slot.granularity, (slot.slot,))


def test_the_restore_pages_photo_is_there_at_once(desk: Desk, source: Path) -> None:
    page = desk.page
    page.hide()
    pixels = image_io.read(source).pixels
    restored = pixels // 2
    desk.context.photo = PhotoAtHand(
        source,
        "one",
        Choice("derain", desk.settings.models["derain"], scale="1"),
        rgb=pixels,
        restored_rgb=restored,
        result=lambda: restored,
        verdict=Verdict("much", 0.85),
    )
    page.show()
    assert (
        page.stage.rgb is pixels and page.canvas._scene.restored is not None
    )  # before anything was computed
    wait(lambda: page.stage.after is not None)
    assert page.stage.base is not None and np.array_equal(
        page.stage.base.pixels, restored
    )  # it was not made again
    assert page.words.text().startswith("Much rain found, most of it gone. The memory takes")
    bench = page.stage.bench
    page.hide()
    page.show()
    assert page.stage.bench is bench  # the same photo in the same state is not looked into again


def test_what_pulls_against_the_rest_is_hatched_and_said(desk: Desk, source: Path) -> None:
    desk.open(source)
    place = desk.panel.place
    desk.click(40, 30)
    bench = desk.page.stage.bench
    assert bench is not None
    place.all_weights.click()
    for polarity, bars in place.bars.items():
        slots = bench.look.place(40, 30).of(polarity)
        pulls = any(min(slot.learned, slot.actual) < 0 for slot in slots)
        assert ("hatched" in place._captions[polarity].text()) == pulls == bars.pulls


def test_a_chosen_slot_says_where_its_content_came_from(desk: Desk, source: Path) -> None:
    desk.open(source)
    desk.click(40, 30)
    desk.idle()
    page, panel = desk.page, desk.panel
    bench = page.stage.bench
    assert bench is not None
    panel.overlays.buttons["sources"].click()
    whole, _ = page.canvas.tints
    assert whole is not None and whole.title == "Gives its content to this place"
    words = panel.place.source_words.text()
    assert "Half of it" in words or "half of it" in words
    bars = panel.place.bars["negative"]
    slot = bars.slots[0]
    QTest.mouseMove(bars, QPoint(20, 30))
    QTest.mouseMove(bars, QPoint(20, 5))
    tint, _ = page.canvas.tints
    claims = bench.look.claims[slot.row]
    assert tint is not None and np.allclose(tint.values, claims / claims.max())
    QTest.mouseClick(bars, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(20, 5))
    bars.leaveEvent(QEvent(QEvent.Type.Leave))
    tint, _ = page.canvas.tints
    assert tint is not None and tint.title == f"Gives {slot.name} its content", (
        "it stays when the pointer goes"
    )
    assert [child.text() for child in panel.place.findChildren(QLabel) if slot.name in child.text()]
    boxes = [(mark.x, mark.y) for mark in page.canvas._sources]
    assert boxes == [(each.x_px, each.y_px) for each in bench.look.sources(bench.look.place(40, 30), slot)]
    assert page.canvas._sources[0].share == 1 >= page.canvas._sources[-1].share
    QTest.mouseClick(bars, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(20, 5))
    bars.leaveEvent(QEvent(QEvent.Type.Leave))
    assert panel.edit.chosen == Slots() and page.canvas.tints[0].title == whole.title  # type: ignore[union-attr]


def test_a_sample_is_looked_into_for_what_it_shows_and_under_auto_any_photo(
    desk: Desk, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "RESOURCES", small_resources(tmp_path / "resources"))
    desk.settings.task = "auto"
    desk.open(source)
    bench = desk.page.stage.bench
    assert bench is not None and bench.look.task in TASKS
    assert desk.page.stage.subject == bench.subject and bench.subject.choice.task == bench.look.task
    for task in ("deshadow", "derain"):
        desk.settings.task = task
        desk.page.hide()
        desk.page.show()
        wait(lambda task=task: {button.sample.task for button in desk.page.empty.buttons} == {task})
    shaded = next(sample for sample in catalog.samples() if sample.task == "deshadow")
    desk.page.empty.sample_requested.emit(shaded)
    wait(lambda: desk.page.stage.bench is not None and desk.page.stage.bench is not bench)
    bench = desk.page.stage.bench
    assert bench is not None and bench.look.task == "deshadow" and bench.truth is not None
    desk.idle()


def test_a_hidden_page_leaves_the_worker_to_others(desk: Desk, source: Path) -> None:
    page = desk.page
    page.open_paths([source])
    page.hide()
    wait(lambda: not desk.runner.busy)
    assert page.stage.bench is None
    page.show()
    wait(lambda: page.stage.after is not None)


def test_points_of_the_photo_are_found_again(desk: Desk, source: Path) -> None:
    desk.open(source)
    canvas = desk.page.canvas
    for mode in ("wipe", "side"):
        canvas.set_mode(mode)
        for pixel in ((0, 0), (159, 119), (33, 71)):
            assert canvas.pixel_at(QPointF(desk.at(*pixel))) == pixel


def test_a_large_photo_is_looked_at_where_its_damage_is_seen(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a quarter of its size: cells are 32 px, and a change is carried up to the photo's own pixels."""
    monkeypatch.setattr(memory_look, "scale_for", lambda *_words: 4)
    large = write(tmp_path / "large.png", photo(644, 420, 5))
    desk.open(large)
    page, bench = desk.page, desk.page.stage.bench
    assert bench is not None and (bench.look.width, bench.look.height) == (161, 105)
    assert "1/4" in desk.panel.model.value.full
    page.pins.pin(643, 419)
    looked = page.canvas.looked
    assert looked is not None and (looked.x, looked.y, looked.width) == (640, 416, 32)
    assert desk.panel.place.title.full.startswith("Pin 1 · 640, 416")
    tint = page.canvas.tints[0]
    assert tint is not None and tint.cell_px == (32, 32)
    tried: list[Tried] = []
    page.stage.tried.connect(tried.append)
    desk.panel.edit.mute.click()
    desk.idle()
    part, whole = tried[0], tried[-1]
    assert whole.is_whole and whole.rgb.shape == (420, 644, 3) and whole.change.is_measurable
    x, y, w, h = part.region
    assert (
        page.stage.twin is not None and page.stage.base is not None
    )  # compared with what was made in the same way
    left = page.canvas._scene.original
    assert left is not None and np.array_equal(left.crop(0, 0, 0, 644, 420), page.stage.twin.rgb)
    apart = np.abs(part.rgb.astype(int) - whole.rgb[y : y + h, x : x + w])
    assert apart.mean() < 1 and np.quantile(apart, 0.99) <= 3


def test_what_is_seen_goes_into_files(desk: Desk, source: Path, tmp_path: Path) -> None:
    desk.open(source)
    desk.click(40, 30)
    desk.idle()
    bench, files = desk.page.stage.bench, desk.page.files
    assert bench is not None
    for kind in ("csv", "npz", "json", "png", "page.png"):
        files.export(tmp_path / f"seen.{kind}")
        wait(lambda kind=kind: any(said.text == f"Written to seen.{kind}." for said in desk.said))  # type: ignore[misc]
    lines = (tmp_path / "seen.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + 2 * (12 + 6 + 3) and lines[0].startswith("polarity,granularity,slot,row")
    assert lines[0].endswith("weight_pin_1")
    at_pin = [float(line.rsplit(",", 1)[1]) for line in lines[1:]]
    assert sum(at_pin) == pytest.approx(6, abs=1e-3), "all weights, in each of six groups 1"
    with np.load(tmp_path / "seen.npz") as record:
        sums = record["weights"].astype(np.float32)[:12].sum(0)
        assert (
            np.allclose(sums, 1, atol=0.01)
            and record["response_after"].shape == record["response_before"].shape
        )
        assert np.allclose(record["claims"], bench.look.claims, atol=1e-3)
        assert record["groups"][0].tolist() == ["positive", "part", "0", "12"]
        assert str(record["photo"]) == source.name and str(record["model_sha256"]) == bench.look.model_sha256
        scores = record["query"][3, 5].astype(np.float32) @ record["learned"].T  # of the pinned cell
        weights = record["weights"][:, 3, 5].astype(np.float32)
        assert scores[:12].argmax() == weights[:12].argmax(), "it looks up most what it is most like"
    told = json.loads((tmp_path / "seen.json").read_text("utf-8"))
    after = desk.page.stage.after
    assert after is not None and told["negative_response"]["after"] == after.as_dict()
    (place,) = told["places"]
    assert sum(slot["weight"] for slot in place["slots"]) == pytest.approx(6, abs=1e-3)
    assert place["effect_of_memory"] is not None and place["nearest_samples"]
    assert image_io.read_info(tmp_path / "seen.png").width > 100
    assert image_io.read_info(tmp_path / "seen.page.png").height == desk.page.height()
    files.export(tmp_path / "seen.txt")
    assert "a name ends with" in desk.said[-1].text
    files.export(tmp_path / "seen.csv" / "seen.csv")  # a file stands where the folder would be
    wait(lambda: "could not be written" in desk.said[-1].text)


def test_the_legend_covers_no_pin(desk: Desk) -> None:
    tint = Tint(
        np.zeros((2, 2), np.float32), "#e8934c", "Looks like rain", "clean 0", "1 rain", 0.5, 0.5, (8, 8)
    )
    photo, font = QRectF(50, 40, 600, 400), desk.page.canvas.font()
    right = overlay.legend_rect(tint, font, photo)
    assert right is not None and right.right() == photo.right() - 12
    assert overlay.legend_rect(tint, font, photo, [QRectF(300, 100, 8, 8)]) == right
    left = overlay.legend_rect(tint, font, photo, [QRectF(right.center(), QSizeF(8, 8))])
    assert left is not None and left.left() == photo.left() + 12
    pins = [QRectF(each.center(), QSizeF(8, 8)) for each in (right, left)]
    above = overlay.legend_rect(tint, font, photo, pins)
    assert above is not None and above.right() == right.right() and above.top() == photo.top() + 44
    pins += [QRectF(above.center(), QSizeF(8, 8)), QRectF(left.center().x(), above.center().y(), 8, 8)]
    assert overlay.legend_rect(tint, font, photo, pins) == right, "wherever it lies, it is there"
    assert overlay.legend_rect(tint, font, QRectF(0, 0, 90, 90)) is None
    short = overlay.legend_rect(tint, font, QRectF(0, 0, 270, 180))
    assert short is not None and short.width() * short.height() < 0.15 * 270 * 180
