"""The drawer of the Memory page: slots, their health and names, arrows and map."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF
from PySide6.QtTest import QTest

from core import extras
from core.model.memory_edit import Slots
from core.restoring.memory import map as memory_map
from core.restoring.memory.map import Move, Sides
from memorynet_gui.memory.plots.map import LIKENESS, SPREAD
from memorynet_gui.memory.plots.moves import MovesPlot
from memorynet_gui.memory.tints import sample_tint
from memorynet_gui.memory.words import percent
from tests.gui.memory.memory_kit import Desk
from tests.restore_page_kit import wait, write
from tests.small import photo
from tests.ui import settle, unnamed_focusable


def test_the_browser_shows_every_slot_sorted_filtered_and_linked(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, browser = desk.page, desk.page.browser
    page.toolbar.explore.click()
    assert browser.isVisible() and len(browser.list.facts) == 2 * (12 + 6 + 3)
    empty = [facts for facts in browser.list.facts if not facts.typical]
    said = [
        browser.list.index(row).data(Qt.ItemDataRole.ToolTipRole) for row in range(browser.list.rowCount())
    ]
    assert 0 < len(empty) == sum("memorynet samples adds" in words for words in said)
    browser.polarity.setCurrentIndex(browser.polarity.findData("negative"))
    browser.granularity.setCurrentIndex(browser.granularity.findData("part"))
    assert {facts.polarity for facts in browser.list.facts} == {"negative"} and len(browser.list.facts) == 12
    browser.sort.setCurrentIndex(browser.sort.findData("usage"))
    used = [facts.usage for facts in browser.list.facts]
    assert used == sorted(used, reverse=True)
    first = browser.list.facts[0]
    page.browser.view.hovered.emit(first.row)
    tint = page.canvas.tints[0]
    assert tint is not None and f"part {first.slot}" in tint.title
    page.browser.view.hovered.emit(-1)
    browser.view.setFocus()
    browser.view.setCurrentIndex(browser.list.index(0))
    QTest.keyClick(browser.view, Qt.Key.Key_Return)
    assert desk.panel.edit.chosen == Slots("negative", "part", (first.slot,))
    desk.click(40, 30)
    bench = page.stage.bench
    assert bench is not None
    place = bench.look.place(40, 30)
    assert browser.list.lit == {slot.row: slot.weight for slot in place.slots}
    assert unnamed_focusable(browser) == []


def test_effects_of_slots_come_one_by_one(desk: Desk, source: Path) -> None:
    desk.open(source)
    browser = desk.page.browser
    desk.page.toolbar.explore.click()
    browser.granularity.setCurrentIndex(browser.granularity.findData("semantic"))
    browser.measure.click()
    desk.idle()
    wanted = {facts.row for facts in browser.list.facts if facts.usage > 0}
    assert set(browser.list.effects) == wanted
    browser.sort.setCurrentIndex(browser.sort.findData("effect"))
    changes = [browser.list.effects[f.row].change.mean for f in browser.list.facts if f.row in wanted]
    assert changes == sorted(changes, reverse=True)


def test_a_chosen_slot_is_told_about_and_leads_to_those_it_is_made_of(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, note = desk.page, desk.panel.note
    bench = page.stage.bench
    assert bench is not None
    rows = bench.look.slices["negative", "instance"]
    facts = max(bench.slots[rows.start : rows.stop], key=lambda facts: facts.usage)
    page.places.choose_slot(facts.row)
    assert (
        note.isVisible()
        and f"{facts.usage * 100:.2f} %" in note.about.text()
        and "Muting" not in note.about.text()
    )
    first = facts.made_of[0]
    assert first.share == max(bench.look.held.made_of["negative", "instance"][facts.slot])
    assert f"part {first.slot}</a> {percent(first.share)}" in note.others.text()
    assert f"instance {facts.near[0].slot}</a> {facts.near[0].cosine:.2f}" in note.others.text()
    assert unnamed_focusable(desk.panel) == []
    page.browser.effects_wanted.emit([facts.row])
    desk.idle()
    assert "Muting it changes" in note.about.text()
    desk.theme.set_mode("light")
    settle()
    seen, said = note.others.grab().toImage(), note.others.text()
    note.others.clear()
    note.others.setText(said)
    assert "<a href" in said and seen == note.others.grab().toImage(), "links follow the theme"
    desk.theme.set_mode("dark")
    note.others.setFocus()
    QTest.keyClick(note.others, Qt.Key.Key_Tab)  # to the first link
    note.others.linkActivated.emit(str(first.row))
    assert desk.panel.edit.chosen == Slots("negative", "part", (first.slot,))
    assert "Made of" not in note.others.text(), "a part is made of nothing"


def test_health_tells_dead_slots_and_twins_in_words_and_lights_them(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, health = desk.page, desk.page.drawer.health
    page.toolbar.explore.click()
    page.drawer.views.buttons["health"].click()
    bench = page.stage.bench
    assert bench is not None and health.table.rowCount() == len(bench.health.groups) == 6
    row = next(at for at, group in enumerate(bench.health.groups) if group.slots > 1)
    health.table.setCurrentCell(row, 0)
    group = bench.health.groups[row]
    assert f"{group.slots - len(group.dead)} of {group.slots}" == health.table.item(row, 1).text()
    colour = health.table.item(row, 0).foreground().color()
    assert colour == desk.theme.token(group.polarity), "and nothing overrules it"
    assert "stay silent" in health.reasons.text() and str(group.slots) in health.reasons.text()
    matrix = health.matrix
    matrix.setFocus()
    QTest.keyClick(matrix, Qt.Key.Key_Down)
    first = matrix.looked
    assert first is not None
    start = bench.look.slices[group.polarity, group.granularity].start
    assert page.places.hot_slot == start + first[0]
    QTest.keyClick(matrix, Qt.Key.Key_Return)
    assert desk.panel.edit.chosen == Slots(group.polarity, group.granularity, (first[0],))
    assert unnamed_focusable(page.drawer) == []


def test_a_slot_is_named_and_keeps_its_name_with_the_model(desk: Desk, source: Path, tmp_path: Path) -> None:
    shutil.copytree(desk.settings.models["derain"], tmp_path / "own")
    desk.settings.set_model("derain", str(tmp_path / "own"))
    desk.open(source)
    page, note = desk.page, desk.panel.note
    assert note.isHidden()
    page.places.choose_slot(2)
    assert not note.isHidden() and note.name.text() == ""
    QTest.keyClicks(note.name, "Wet leaves")
    QTest.keyClicks(note.note, "Seen in gardens.")
    page.places.choose_slot(3)  # what was typed is kept first
    assert note.name.text() == ""
    assert "Wet leaves" in str(page.browser.list.data(page.browser.list.index(page.browser.list.at(2))))
    page.browser.shown.setCurrentIndex(page.browser.shown.findData("named"))
    assert [facts.row for facts in page.browser.list.facts] == [2]
    kept = json.loads((tmp_path / "own" / "slots.json").read_text("utf-8"))
    assert kept["slots"][0]["name"] == "Wet leaves" and kept["slots"][0]["note"] == "Seen in gardens."
    again = write(tmp_path / "again.png", photo(96, 80, 3))
    desk.open(again)
    page.places.choose_slot(2)
    assert note.name.text() == "Wet leaves"


def test_usage_over_a_folder_is_told_instead(desk: Desk, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    for seed in (4, 5):
        write(folder / f"{seed}.png", photo(96, 96, seed))
    (folder / "broken.png").write_bytes(b"nothing")
    desk.open(source)
    page = desk.page
    page.slots.measure_folder(folder)
    wait(lambda: page.drawer.over.count() == 3)
    assert page.drawer.over.currentText() == "In holiday"
    bench = page.stage.bench
    assert bench is not None and page.browser.list.over == "there"
    usage = {facts.row: facts.usage for facts in page.browser.list.everything}
    assert any(abs(usage[facts.row] - facts.usage) > 1e-5 for facts in bench.slots)
    assert "1 photos could not" in desk.said[-1].text and "broken.png" in desk.said[-1].text
    page.drawer.over.setCurrentIndex(0)
    page.drawer.over.activated.emit(0)
    assert [facts.usage for facts in page.browser.list.everything] == [facts.usage for facts in bench.slots]
    page.slots.measure_folder(tmp_path / "home")
    wait(lambda: "could not be looked at" in desk.said[-1].text and "no photos" in desk.said[-1].text)


def test_arrows_tell_where_restoring_moved_pins_and_photo(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, view = desk.page, desk.page.drawer.moves
    page.toolbar.explore.click()
    page.drawer.views.buttons["moves"].click()
    assert "The photo looked" in view.said.text()
    desk.click(40, 30)
    desk.click(100, 90)
    names = [move.name for move in view.plot._moves]
    assert names[0] == "photo" and names[-2:] == ["1", "2"] and "Pin 2 looked" in view.said.text()
    bench = page.stage.bench
    assert bench is not None and page.stage.after is not None
    pin = view.plot._moves[-2]
    assert pin.before.response == pytest.approx(float(bench.look.before.values[3, 5]), abs=1e-5)
    assert pin.after.response == pytest.approx(float(page.stage.after.values[3, 5]), abs=1e-5)
    start, end = view.plot._ends(pin)
    at = ((start + end) / 2).toPoint()
    if view.plot.move_at(QPointF(at)) == pin:  # no other arrow lies over it
        QTest.mouseClick(view.plot, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        assert page.pins.chosen == 0


def test_names_of_arrows_do_not_cover_each_other(desk: Desk) -> None:
    plot = MovesPlot(desk.theme.token)
    plot.resize(420, 260)
    sides = [Sides(0.5, 0.8, 0.9), Sides(0.8, 0.6, 0.2)]
    moves = [Move(name, *sides) for name in ("photo", "damaged", "1", "2")]  # all in one place
    titles = {"photo": "the photo", "damaged": "places taken for rain", "1": "pin 1", "2": "pin 2"}
    plot.show_moves(moves, titles, "rain", "1")
    at = [place for _move, place in plot._labels(QFontMetricsF(plot.font()))]
    assert not any(a.intersects(b) for a, b in combinations(at, 2))
    assert all(QRectF(plot.rect()).contains(place) for place in at)
    plot.grab()


def test_the_tint_of_a_sample_is_the_similarity_that_is_told(desk: Desk, source: Path) -> None:
    """Also where the network is told where the damage is: samples are compared with what a place looks like without."""
    desk.open(source)
    bench = desk.page.stage.bench
    assert bench is not None and bench.samples is not None
    guided = replace(bench, look=replace(bench.look, query=-bench.look.query))
    place = guided.place((40, 30, 0, 0))
    near = guided.look.nearest(place, bench.samples, "positive")
    like = bench.samples.embeddings("positive").numpy() @ guided.look.query_of(place)
    tint = sample_tint(guided, "positive", int(like.argmax()), 0.5)
    assert tint is not None
    assert tint.values[3, 5] == pytest.approx(near.samples[0][1], abs=1e-3)  # embeddings are kept in 16 bits


def test_the_map_is_linked_with_photo_and_slots(desk: Desk, source: Path) -> None:
    desk.open(source)
    page, plot = desk.page, desk.page.drawer.map.plot
    page.toolbar.explore.click()
    page.drawer.views.buttons["map"].click()
    bench = page.stage.bench
    assert bench is not None and plot._map is bench.map
    desk.click(40, 30)
    assert [label for label, _before, _after in plot._arrows] == ["1"]
    QTest.mouseMove(page.canvas, desk.at(90, 60))
    QTest.mouseMove(page.canvas, desk.at(92, 60))
    assert plot._place is not None and len(plot._ringed) == 8
    plot.grab()
    laid = plot._laid
    QTest.mouseMove(page.canvas, desk.at(60, 30))
    plot.grab()
    assert laid is not None and plot._laid is laid, (
        "pictures are laid out once, whatever the pointer looks at"
    )
    row = int(np.argmax(bench.map.slots[:, 0]))  # at the edge: nothing lies over it

    def where() -> QPointF:
        return QPointF(*plot._points(bench.map.slots[row][None])[0])

    at = where().toPoint()
    QTest.mouseMove(plot, at + QPoint(40, 0))
    QTest.mouseMove(plot, at)
    assert page.places.hot_slot >= 0
    QTest.mouseClick(plot, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert desk.panel.edit.chosen.numbers
    plot.leaveEvent(QEvent(QEvent.Type.Leave))
    assert page.places.hot_slot == -1
    plot.sample_hovered.emit(bench.map.sample_of[0])
    tint, _after = page.canvas.tints
    assert tint is not None and tint.title == "Like this sample"
    plot.sample_hovered.emit(None)
    tint, _after = page.canvas.tints
    assert tint is not None and tint.title == "Looks like rain"
    page.places.light_slot(3)
    assert plot._lit_slot == 3
    before = where()
    plot.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Left):
        for _ in range(len(bench.map.slots)):
            QTest.keyClick(plot, key)  # from slot to slot, to the last that way
    assert page.places.hot_slot not in (-1, 3)
    assert plot.accessibleDescription() == plot._slot_words(page.places.hot_slot)
    chosen = page.places.hot_slot
    QTest.keyClick(plot, Qt.Key.Key_Return)
    (polarity, granularity), number = bench.look.group_of(chosen)
    assert desk.panel.edit.chosen == Slots(polarity, granularity, (number,))
    QTest.keyClick(plot, Qt.Key.Key_Plus)
    plot.grab()
    assert where() != before and plot._laid is not laid
    QTest.mouseDClick(plot, Qt.MouseButton.LeftButton)
    assert where() == before
    assert unnamed_focusable(page.drawer) == []


def test_the_map_is_arranged_by_likeness_where_its_library_is(
    desk: Desk, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open(source)
    page, view = desk.page, desk.page.drawer.map
    page.toolbar.explore.click()
    page.drawer.views.buttons["map"].click()
    bench = page.stage.bench
    assert bench is not None and view.plot._map is bench.map and "% of the spread" in view.foot.full
    button = view.arrangements.buttons[LIKENESS]
    if not button.isEnabled():
        assert "scikit-learn" in button.toolTip()
        button.setEnabled(True)

    def fails(_look: object, _samples: object) -> None:
        raise extras.MissingExtra("Maps by likeness need scikit-learn")

    monkeypatch.setattr(memory_map, "likeness_map", fails)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    wait(lambda: "scikit-learn" in view.foot.full)
    assert view.arrangements.key == SPREAD
    alike = replace(bench.map, explained=None)
    monkeypatch.setattr(memory_map, "likeness_map", lambda _look, _samples: alike)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    wait(lambda: view.plot._map is alike)
    assert "Neighbours stand together" in view.foot.full
    desk.click(40, 30)
    assert [label for label, _before, _after in view.plot._arrows] == ["1"]
    QTest.mouseClick(view.arrangements.buttons[SPREAD], Qt.MouseButton.LeftButton)
    assert view.plot._map is bench.map and view.plot._arrows
    monkeypatch.setattr(memory_map, "likeness_map", fails)
    desk.open(write(source.with_name("again.png"), photo(96, 80, 3)))
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert view.plot._map is alike, "it is the model's, whatever the photo"
    assert unnamed_focusable(page.drawer) == []
