"""The board draws what its stores hold, wherever the hand takes it, and says it in words."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from core.events import TrainStarted
from memorynet_gui.curves import charts
from memorynet_gui.curves.board import CurveBoard
from memorynet_gui.curves.legend import Legend
from memorynet_gui.curves.store import CurveStore
from memorynet_gui.frame.banner import Banner
from memorynet_gui.look.theme import Theme
from tests.gui.curves.test_curve_store import step_done, validated
from tests.ui import settle, unnamed_focusable, wait_until

ROOT = Path(__file__).resolve().parents[3]


def a_run(count: int = 60, seed: int = 0) -> CurveStore:
    store = CurveStore()
    rng = np.random.default_rng(seed)
    for at in range(1, count + 1):
        loss = 0.02 + 0.1 * np.exp(-at / 15) + 0.004 * rng.random()
        terms = {
            "pixel": 0.8 * loss,
            "edge": 1e-4,
            "distance_positive": 0.5 - at / 200,
            "distance_negative": 0.3 + at / 200,
        }
        store.append(step_done(10 * at, float(loss), terms=terms, process_mb=2000.0 + at))
        if at % 10 == 0:
            store.append(
                validated(10 * at, 26 + at / 10, at <= 50, memory={"memory_entropy": 0.9, "memory_dead": 2})
            )
    return store


@dataclass
class Desk:
    board: CurveBoard
    store: CurveStore
    theme: Theme


@pytest.fixture
def desk(qtbot: QtBot, qapp: QApplication) -> Iterator[Desk]:
    theme = Theme(qapp, "dark")
    board, store = CurveBoard(), a_run()
    qtbot.addWidget(board)
    board.resize(1000, 600)
    board.show()
    settle()
    board.set_run("rain-s-13", store)
    wait_until(lambda: not store._timer.isActive())
    settle()
    yield Desk(board, store, theme)
    board.set_run("", None)
    board.hide()
    store.shut_down()


def steps_shown(desk: Desk) -> tuple[float, float]:
    return desk.board._first, desk.board._last


def wheel(board: CurveBoard, share: float, notches: int) -> None:
    plot = board._cards[0].plot
    area = plot.area()
    at = QPointF(area.left() + share * area.width(), area.center().y())
    where = plot.viewport().mapToGlobal(at)
    nothing, button = QPoint(), Qt.MouseButton.NoButton
    event = QWheelEvent(
        at, where, nothing, QPoint(0, 120 * notches), button, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(plot.viewport(), event)
    settle()


@pytest.mark.dressed
def test_a_mark_on_the_newest_point_is_not_cut(desk: Desk) -> None:
    for card in desk.board._cards:
        if card.plot.isVisible():
            assert card.plot.area().right() + 5 <= card.plot.viewport().width()


# --- numbers and ticks -----------------------------------------------------------------------------


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(1, 12))
def test_ticks_lie_within_and_are_few(low: float, span: float, most: int) -> None:
    found, step = charts.ticks(low, low + span, most)
    assert len(found) <= most + 1
    slack = 1e-6 * span + 4 * float(np.spacing(abs(low) + span))  # numbers have no finer steps there
    assert all(low - slack <= value <= low + span + slack for value in found)
    mantissa = step / 10 ** np.floor(np.log10(step) + 1e-9)
    assert round(float(mantissa), 6) in {1.0, 2.0, 5.0, 10.0}


@given(st.floats(1e-8, 1e4), st.floats(1.01, 1e8), st.integers(2, 10))
def test_logarithmic_ticks_lie_within(low: float, times: float, most: int) -> None:
    found = charts.log_ticks(low, low * times, most)
    assert all(low * (1 - 1e-6) <= value <= low * times * (1 + 1e-6) for value, _ in found)
    assert len(found) <= most + 1


@given(st.floats(-1e5, 1e5), st.floats(0, 1e5), st.booleans())
def test_a_range_holds_its_curve(low: float, span: float, from_zero: bool) -> None:
    bottom, top = charts.padded(low, low + span, from_zero=from_zero)
    assert bottom < top
    assert bottom <= low + 1e-9 * abs(low)
    assert top >= low + span - 1e-9 * abs(low + span)
    if low >= 0:
        assert bottom >= 0


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 8120, ["0", "2k", "4k", "6k", "8k"]),
        (0, 10, ["0", "2", "4", "6", "8", "10"]),
        (4000, 5000, ["4.0k", "4.2k", "4.4k", "4.6k", "4.8k", "5.0k"]),
        (812_340, 812_364, ["812,340", "812,345", "812,350", "812,355", "812,360"]),
        (0, 10_000_000, ["0", "2M", "4M", "6M", "8M", "10M"]),
        (7, 8.5, ["7", "8"]),
    ],
)
def test_steps_read_as_people_say_them(low: float, high: float, texts: list[str]) -> None:
    assert [text for _, text in charts.step_ticks(low, high, 6)] == texts


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.02134, "0.0213"), (24.06, "24.1"), (0.0, "0"), (1.234e-6, "1.23e-06"), (12345.6, "12,346")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert charts.number_text(value) == text


def test_every_series_of_a_run_is_on_some_chart(desk: Desk) -> None:
    shown = {line.series for chart in charts.CHARTS for line in chart.lines}
    assert set(desk.store.names) - shown == {"is_best"}


def test_colours_can_be_seen_on_the_panel_in_both_themes() -> None:
    from memorynet_gui.look.tokens import DARK, LIGHT, contrast

    for tokens, is_dark in ((DARK, True), (LIGHT, False)):
        for chart in charts.CHARTS:
            for line in chart.lines:
                found = charts.colour(line.colour, tokens, is_dark)
                assert contrast(found, tokens["panel"]) >= 3.0, (line.series, is_dark)
        for pair in charts.OTHERS:
            assert contrast(pair[0 if is_dark else 1], tokens["panel"]) >= 2.2


# --- loading ---------------------------------------------------------------------------------------


def test_pyqtgraph_waits_until_the_board_is_shown() -> None:
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import sys; from PySide6.QtWidgets import QApplication\n"
        "from memorynet_gui.curves.board import CurveBoard\n"
        "app = QApplication([]); board = CurveBoard(); board.set_run('none', None); board.set_log(True)\n"
        "assert 'pyqtgraph' not in sys.modules\n"
        "board.show(); app.processEvents()\n"
        "assert 'pyqtgraph' in sys.modules and 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_chart_that_there_is_not_is_refused(qtbot: QtBot) -> None:
    with pytest.raises(KeyError, match="fog"):
        CurveBoard(charts=("loss", "fog"))
    board = CurveBoard()
    qtbot.addWidget(board)
    with pytest.raises(ValueError, match="need 4"):
        board.set_charts(("loss",))


# --- what is drawn -----------------------------------------------------------------------------------


@pytest.mark.dressed
def test_a_message_covers_no_legend(desk: Desk) -> None:
    banner = Banner(desk.board)
    banner.resize(desk.board.width(), 0)
    banner.show()
    banner.say(
        "A sentence that is long enough to lie over both columns of the board when it is shown above it"
    )
    settle()

    def place(widget: QWidget) -> QRect:
        return QRect(widget.mapTo(desk.board, QPoint(0, 0)), widget.size())

    legends = [legend for legend in desk.board.findChildren(Legend) if legend.isVisible()]
    assert len(legends) == 4
    assert not any(place(banner.cards[0]).intersects(place(legend)) for legend in legends)


def test_the_board_says_the_newest_values(desk: Desk) -> None:
    said = desk.board.summary()
    assert "Validation PSNR (Y) at step 600: PSNR 32.00 dB, best 31.00 at 500." in said
    assert "memory 2.04 GB" in said
    assert "to positive" in said
    assert desk.board._cards[0].plot.accessibleDescription().startswith("Loss at step 600: total 0.0")
    assert desk.board.accessibleDescription()


def test_curves_are_drawn_where_their_values_are(desk: Desk) -> None:
    desk.board.set_smoothed(False)
    card = desk.board._cards[1]
    scene, area = card.plot.canvas.scene_shown, card.plot.area()
    points = scene.strokes[-1].polygon.toList()
    low, high = card._levels["left"]
    scores = desk.store.series("psnr_db")
    assert scores is not None
    assert len(points) == len(scores)
    for point, step, value in zip(points, scores.steps, scores.values, strict=True):
        assert point.x() == pytest.approx(step / 600 * area.width(), abs=0.01)
        assert point.y() == pytest.approx((high - value) / (high - low) * area.height(), abs=0.01)
    assert scene.reference is not None
    assert scene.reference[0] == pytest.approx((26.5 - low) / (high - low))
    assert scene.mark == (pytest.approx(500 / 600), pytest.approx((31 - low) / (high - low)))


def test_the_score_of_the_input_gives_way_to_a_closer_look(desk: Desk) -> None:
    desk.board.show_steps(450, 600)
    card = desk.board._cards[1]
    assert card.plot.canvas.scene_shown.reference is None
    assert card._levels["left"][0] > 26.5


def test_smoothed_adds_the_raw_course_behind_the_main_curve(desk: Desk) -> None:
    strokes = len(desk.board._cards[0].plot.canvas.scene_shown.strokes)
    desk.board.set_smoothed(False)
    assert not desk.board.is_smoothed
    assert len(desk.board._cards[0].plot.canvas.scene_shown.strokes) == strokes - 1


def test_logarithms_only_where_they_mean_something(desk: Desk) -> None:
    before = [card._levels["left"] for card in desk.board._cards]
    desk.board.set_log(True)
    after = [card._levels["left"] for card in desk.board._cards]
    assert after[0][0] == pytest.approx(-4, abs=1)
    assert after[1:] == before[1:]
    assert desk.board._cards[0].plot.canvas.scene_shown.corner == "log"


def test_a_loss_of_nought_does_not_break_the_logarithm(desk: Desk) -> None:
    desk.board.set_log(True)
    desk.store.append(step_done(610, 0.0))
    wait_until(lambda: steps_shown(desk)[1] == 610)
    assert np.isfinite(desk.board._cards[0]._levels["left"]).all()


def test_terms_nobody_has_described_are_shown_with_the_loss(desk: Desk) -> None:
    desk.store.append(step_done(610, terms={"new_term": 0.01}))
    wait_until(lambda: any(entry.name == "new term" for entry in desk.board._cards[0].legend.entries))


def test_no_two_terms_of_the_loss_look_alike(desk: Desk) -> None:
    terms = (
        "pixel",
        "edge",
        "contrastive",
        "polarity",
        "polarity_truth",
        "balance",
        "smooth",
        "spread",
        "new_term",
    )
    desk.store.append(step_done(610, terms=dict.fromkeys(terms, 0.01)))
    card = desk.board._cards[0]
    wait_until(lambda: any(entry.name == "new term" for entry in card.legend.entries))
    looks = [(entry.colour.name(), entry.dash) for entry in card.legend.entries]
    assert len(looks) == len(terms) + 1 and len(set(looks)) == len(looks)


def test_other_runs_lie_under_it_in_grey_with_their_names(desk: Desk) -> None:
    other, third = a_run(80, 1), a_run(20, 2)
    before = len(desk.board._cards[1].plot.canvas.scene_shown.strokes)
    desk.board.set_overlays([("rain-s-12", other), ("rain-s-12", third)])
    card = desk.board._cards[1]
    strokes = card.plot.canvas.scene_shown.strokes
    assert len(strokes) == before + 2
    red, green, blue, _ = strokes[0].colour.getRgb()
    assert red == green == blue
    assert [entry.name for entry in card.legend.entries][-2:] == ["rain-s-12", "rain-s-12"]
    assert steps_shown(desk) == (0, 800), "as far as the longest"
    card.legend.toggled.emit(card.legend.entries[-1].key)
    assert len(card.plot.canvas.scene_shown.strokes) == before + 1
    desk.board.set_overlays([])
    assert steps_shown(desk) == (0, 600)
    assert len(card.plot.canvas.scene_shown.strokes) == before


def test_the_legend_hides_and_shows_a_curve(desk: Desk) -> None:
    card = desk.board._cards[2]
    before = len(card.plot.canvas.scene_shown.strokes)
    rect, entry = card.legend._places[1]
    assert entry.name == "to negative"
    QTest.mouseClick(card.legend, Qt.MouseButton.LeftButton, pos=rect.center().toPoint())
    assert len(card.plot.canvas.scene_shown.strokes) == before - 2
    assert "to negative" not in card.summary()
    card._fill_menu()
    action = next(each for each in card._menu.actions() if each.text() == "Show to negative")
    assert not action.isChecked()
    action.trigger()
    assert len(card.plot.canvas.scene_shown.strokes) == before


def test_any_chart_can_stand_on_any_card_but_once(desk: Desk) -> None:
    card = desk.board._cards[0]
    card._fill_menu()
    next(each for each in card._menu.actions() if each.text() == "Memory slots").trigger()
    assert desk.board.charts == ("slots", "psnr", "distances", "speed")
    assert "entropy 0.900, dead 2" in card.summary()
    card._fill_menu()
    next(each for each in card._menu.actions() if each.text() == "Distances").trigger()
    assert desk.board.charts == ("distances", "psnr", "slots", "speed"), "they change places"


def test_an_empty_board_says_what_will_come(desk: Desk) -> None:
    desk.board.set_run("", None)
    assert desk.board.summary() == "No run is shown."
    assert desk.board._cards[1].plot.canvas.scene_shown.words == "Comes with the first validation"
    fresh = CurveStore()
    desk.board.set_run("new", fresh)
    assert "Loss: nothing yet." in desk.board.summary()
    fresh.append(step_done(10))
    wait_until(lambda: not desk.board._cards[0].plot.canvas.scene_shown.words)


@pytest.mark.dressed
def test_the_theme_can_change_while_the_board_is_open(desk: Desk) -> None:
    dark = desk.board._cards[0].plot.grab().toImage().pixelColor(1, 1).lightness()
    line = desk.board._cards[2].plot.canvas.scene_shown.strokes[-1].colour.name()
    desk.theme.set_mode("light")
    settle()
    assert dark < 60
    assert desk.board._cards[0].plot.grab().toImage().pixelColor(1, 1).lightness() > 200
    assert desk.board._cards[2].plot.canvas.scene_shown.strokes[-1].colour.name() != line
    desk.theme.set_mode("dark")


# --- the hand ----------------------------------------------------------------------------------------


def test_the_wheel_zooms_to_the_pointer_in_every_card(desk: Desk) -> None:
    wheel(desk.board, 0.25, 3)
    first, last = steps_shown(desk)
    assert 0 < first < last < 600
    assert first + 0.25 * (last - first) == pytest.approx(150, abs=2)
    for card in desk.board._cards:
        assert (card.plot.first, card.plot.last) == pytest.approx((first, last))
    wheel(desk.board, 0.25, -40)
    assert steps_shown(desk) == pytest.approx((0, 600))


def test_a_drag_pans_and_a_double_click_fits(desk: Desk) -> None:
    desk.board.show_steps(200, 400)
    plot = desk.board._cards[0].plot
    area = plot.area().toRect()
    start = area.center()
    QTest.mousePress(plot.viewport(), Qt.MouseButton.LeftButton, pos=start)
    for x in range(0, 60, 6):
        QTest.mouseMove(plot.viewport(), start + QPoint(x, 0))
        settle(2)
        QTest.qSleep(15)  # pyqtgraph takes no more than a hundred moves a second
    QTest.mouseRelease(plot.viewport(), Qt.MouseButton.LeftButton, pos=start + QPoint(60, 0))
    settle()
    first, last = steps_shown(desk)
    assert first < 195
    assert last - first == pytest.approx(200)
    QTest.mouseDClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=start)
    assert steps_shown(desk) == (0, 600)


def test_the_view_follows_the_newest_point_while_it_is_in_sight(desk: Desk) -> None:
    desk.board.show_steps(500, 600)
    desk.store.append(step_done(650))
    wait_until(lambda: steps_shown(desk) == (550, 650))
    desk.board.show_steps(100, 200)
    desk.store.append(step_done(660))
    wait_until(lambda: not desk.store._timer.isActive())
    settle()
    assert steps_shown(desk) == (100, 200)
    desk.board.fit()
    desk.store.append(step_done(700))
    wait_until(lambda: steps_shown(desk) == (0, 700))


def test_a_run_that_goes_back_stays_in_sight(desk: Desk) -> None:
    desk.board.show_steps(500, 600)
    desk.store.append(TrainStarted(300, 1000, 1, 1, "cpu", "fp32", None))
    wait_until(lambda: steps_shown(desk) == (200, 300))


def test_steps_that_do_not_rise_cannot_be_shown(desk: Desk) -> None:
    with pytest.raises(ValueError, match="must be larger"):
        desk.board.show_steps(300, 300)


def test_the_pointer_moves_one_crosshair_through_all_cards(desk: Desk) -> None:
    steps: list[int | None] = []
    desk.board.crosshair_moved.connect(steps.append)
    plot = desk.board._cards[0].plot
    area = plot.area()
    QTest.mouseMove(
        plot.viewport(), QPoint(round(area.left() + area.width() * 0.5), round(area.center().y()))
    )
    wait_until(lambda: bool(steps))
    assert steps[-1] is not None
    assert abs(steps[-1] - 300) <= 10
    assert {card.readout.text() for card in desk.board._cards} == {f"step {steps[-1]:,}"}
    assert "PSNR 29.00 dB" in desk.board._cards[1].summary()
    assert len(desk.board._cards[2].plot.canvas.scene_shown.dots) == 2
    plot.pointed.emit(None)
    assert steps[-1] is None
    assert desk.board._cards[1].readout.text() == "best 31.00 at 500"


def test_the_keyboard_does_what_the_mouse_does(desk: Desk) -> None:
    plot = desk.board._cards[0].plot
    steps: list[int | None] = []
    desk.board.crosshair_moved.connect(steps.append)
    plot.setFocus(Qt.FocusReason.TabFocusReason)
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Home):
        QTest.keyClick(plot, key)
    assert steps == [600, 590, 600, 10]
    QTest.keyClick(plot, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert steps[-1] == 110
    QTest.keyClick(plot, Qt.Key.Key_Plus)
    first, last = steps_shown(desk)
    assert last - first == pytest.approx(400)
    QTest.keyClick(plot, Qt.Key.Key_End)
    assert steps[-1] == 600
    assert steps_shown(desk)[1] >= 600, "the crosshair is kept in sight"
    QTest.keyClick(plot, Qt.Key.Key_PageUp)
    assert steps_shown(desk)[0] < first + 200
    QTest.keyClick(plot, Qt.Key.Key_Z)
    assert steps_shown(desk) == (0, 600)
    QTest.keyClick(plot, Qt.Key.Key_Escape)
    assert steps[-1] is None


def test_everything_that_takes_the_keyboard_has_a_name(desk: Desk) -> None:
    assert unnamed_focusable(desk.board) == []


@pytest.mark.dressed
@pytest.mark.parametrize("size", [(300, 400), (620, 320), (1400, 900)])
def test_cards_stay_within_a_board_of_any_size(desk: Desk, size: tuple[int, int]) -> None:
    desk.board.resize(*size)
    settle()
    for card in desk.board._cards:
        assert card.width() <= size[0]
        assert card.height() >= 150
    assert desk.board._cards[0].plot.area().height() > 20


# --- export --------------------------------------------------------------------------------------------


@pytest.mark.dressed
def test_the_picture_holds_the_board_with_its_name(desk: Desk, tmp_path: Path) -> None:
    from core.images import io as image_io

    desk.board.export_png(tmp_path / "curves.png")
    found = image_io.read(tmp_path / "curves.png")
    assert found.info.width >= 2 * 900
    assert len(np.unique(found.pixels.reshape(-1, 3)[::7], axis=0)) > 20
    with pytest.raises(OSError, match="gone"):
        (tmp_path / "gone").write_text("a file", "utf-8")
        desk.board.export_png(tmp_path / "gone" / "curves.png")


def test_the_table_holds_every_value_of_every_run(desk: Desk, tmp_path: Path) -> None:
    desk.board.set_overlays([("other, run", a_run(5, 1))])
    desk.board.csv_writer()(tmp_path / "curves.csv")
    with (tmp_path / "curves.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 65
    assert {row["run"] for row in rows} == {"rain-s-13", "other, run"}
    loss, scores = desk.store.series("loss"), desk.store.series("psnr_db")
    assert loss is not None
    assert scores is not None
    mine = [row for row in rows if row["run"] == "rain-s-13"]
    assert [np.float32(row["loss"]) for row in mine] == loss.values.tolist()
    assert [row["psnr_db"] for row in mine if row["psnr_db"]] == [str(value) for value in scores.values]
    assert [int(row["step"]) for row in mine] == loss.steps.tolist()


# --- many points -----------------------------------------------------------------------------------------


def test_a_million_points_become_no_more_than_the_columns_of_the_picture(desk: Desk) -> None:
    store = CurveStore()
    series = store._curves.series(store._curves.of_steps, "loss")
    series.extend(np.arange(1, 1_000_001), np.random.default_rng(0).random(1_000_000))
    desk.board.set_run("long", store)
    for first, last in ((0, 1_000_000), (200_000, 700_000), (500_000, 500_400)):
        desk.board.show_steps(first, last)
        for stroke in desk.board._cards[0].plot.canvas.scene_shown.strokes:
            assert 2 < stroke.polygon.size() <= 2 * desk.board._cards[0].plot.area().width() + 8
