"""Curves: what comes in is what is shown, however it came in and however much of it there is."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from core.events import Notice, StepDone, TrainStarted, Validated
from core.images.metrics import PROTOCOLS
from core.jobs import Cancelled
from core.training import runs
from core.training.run_folder import RunDamaged
from memorynet_gui.curves import store as curve_store
from memorynet_gui.curves.series import FACTOR, Series
from memorynet_gui.curves.store import CurveStore, read
from tests.ui import wait_until


def step_done(step: int, loss: float = 0.5, **more: Any) -> StepDone:
    values: dict[str, Any] = {
        "terms": {"pixel": 0.8 * loss, "distance_positive": 0.1}, "lr": 1e-3, "grad_norm": 0.3,
        "images_per_s": 24.0, "data_wait": 0.01, "seconds_left": 9.0,
    }  # fmt: skip
    return StepDone(step=step, loss=loss, **(values | more))


def validated(step: int, psnr_db: float, is_best: bool = True, **more: Any) -> Validated:
    values: dict[str, Any] = {"ssim": 0.9, "input_psnr_db": 26.5, "protocol": PROTOCOLS["Y"], "seconds": 1.0}
    return Validated(step=step, psnr_db=psnr_db, is_best=is_best, **(values | more))


def write_curve(run: Path, lines: list[dict[str, Any]], tail: str = "") -> Path:
    run.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run / "curve.jsonl").write_text(text + tail, "utf-8")
    return run


def step_line(step: int, loss: float, **more: Any) -> dict[str, Any]:
    return {"kind": "step", "step": step, "loss": loss, "lr": 1e-3, **more}


def validation_line(step: int, psnr_db: float, is_best: bool = True) -> dict[str, Any]:
    return {"kind": "validation", "step": step, "psnr_db": psnr_db, "ssim": 0.9, "is_best": is_best}


@pytest.fixture
def store(qtbot: QtBot) -> Iterator[CurveStore]:
    made = CurveStore()
    yield made
    made.shut_down()


# --- one series ----------------------------------------------------------------------------------


def by_hand(values: np.ndarray, keep: float) -> list[float]:
    total, out = 0.0, []
    for count, value in enumerate(values, 1):
        total = keep * total + (1 - keep) * float(value)
        out.append(total / (1 - keep**count))
    return out


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=700), st.sampled_from([0.0, 0.5, 0.95]))
@settings(max_examples=25, deadline=None)
def test_smoothing_is_the_corrected_mean_in_one_go_and_point_by_point(
    values: list[float], keep: float
) -> None:
    expected = by_hand(np.array(values), keep)
    steps = np.arange(len(values)) * 10
    at_once, one_by_one, mixed = Series("a", keep), Series("b", keep), Series("c", keep)
    at_once.extend(steps, np.array(values))
    for step, value in zip(steps.tolist(), values, strict=True):
        one_by_one.append(step, value)
    half = len(values) // 2
    mixed.extend(steps[:half], np.array(values[:half]))
    for step, value in zip(steps[half:].tolist(), values[half:], strict=True):
        mixed.append(step, value)
    for series in (at_once, one_by_one, mixed):
        np.testing.assert_allclose(series.smoothed, expected, rtol=1e-5, atol=1e-4)


def test_smoothing_goes_on_rightly_after_a_step_back() -> None:
    rng = np.random.default_rng(0)
    kept, other, after = rng.random(400), rng.random(90), rng.random(50)
    series, expected = Series("loss"), Series("loss")
    series.extend(np.arange(400), kept)
    series.extend(np.arange(400, 490), other)
    for step, value in enumerate(after, 400):
        series.append(step, value)
    expected.extend(np.arange(450), np.concatenate((kept, after)))
    assert series.steps.tolist() == list(range(450))
    np.testing.assert_allclose(series.smoothed, expected.smoothed, rtol=1e-5)


def test_what_is_no_number_is_left_out() -> None:
    series = Series("loss")
    for step, value in enumerate([1.0, math.nan, math.inf, 2.0]):
        series.append(step, value)
    series.extend(np.array([4, 5]), np.array([np.nan, 3.0]))
    assert series.steps.tolist() == [0, 3, 5]
    assert series.values.tolist() == [1.0, 2.0, 3.0]


def test_steps_that_do_not_rise_are_refused_in_bulk() -> None:
    series = Series("loss")
    series.append(7, 1.0)
    with pytest.raises(ValueError, match="from 7 on"):
        series.extend(np.array([7, 8]), np.ones(2))
    with pytest.raises(ValueError, match="smoothing"):
        Series("loss", 1.0)


@given(
    st.integers(1, 60_000), st.integers(1, 300), st.floats(0, 1), st.floats(0.0005, 1), st.integers(0, 2**31)
)
@settings(max_examples=60, deadline=None)
def test_a_view_loses_no_extreme_and_keeps_its_ends(
    count: int, columns: int, where: float, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.integers(1, 20, count))
    values = rng.standard_normal(count).astype(np.float32)
    series = Series("loss")
    series.extend(steps, values)
    span = float(steps[-1] - steps[0])
    first = steps[0] + where * span * (1 - share)
    last = first + max(share * span, 1.0)
    seen = series.view(first, last, columns)
    inside = values[(steps >= first) & (steps <= last)]
    if len(inside):
        assert seen.low.min() <= inside.min()
        assert seen.high.max() >= inside.max()
    # at most one point beyond at each side, and a block's worth at the coarsest
    slack = FACTOR * (last - first) / columns * 2 + 40
    assert seen.steps[0] >= first - slack or seen.is_exact
    assert (np.diff(seen.steps) >= 0).all()
    assert len(seen) <= max(2 * columns, columns + 3)
    assert (seen.low <= seen.high).all()


def test_columns_stay_what_they_are_while_the_view_moves() -> None:
    rng = np.random.default_rng(3)
    series = Series("loss")
    series.extend(np.arange(200_000), rng.random(200_000))
    one = series.view(20_000, 120_000, 100)
    other = series.view(25_000, 125_000, 100)  # five columns further
    np.testing.assert_array_equal(one.low[10:90], other.low[5:85])
    np.testing.assert_array_equal(one.high[10:90], other.high[5:85])


def test_coarse_copies_follow_what_is_added_and_taken_away() -> None:
    rng = np.random.default_rng(4)
    values = rng.random(50_000)
    grown, fresh = Series("a"), Series("b")
    grown.extend(np.arange(40_000), values[:40_000])
    grown.view(0, 40_000, 50)  # the copies are made
    grown.extend(np.arange(40_000, 45_000), 5 + rng.random(5_000))
    grown.view(0, 45_000, 50)
    grown.cut(39_990)
    grown.extend(np.arange(39_990, 50_000), values[39_990:])
    fresh.extend(np.arange(50_000), values)
    for smoothed in (False, True):
        one, other = grown.view(0, 50_000, 50, smoothed), fresh.view(0, 50_000, 50, smoothed)
        np.testing.assert_allclose(one.low, other.low, rtol=1e-4)
        np.testing.assert_allclose(one.high, other.high, rtol=1e-4)
    assert grown.view(0, 50_000, 50).high.max() < 1.0


def test_the_smoothed_view_is_a_line_near_the_mean() -> None:
    series = Series("loss")
    rng = np.random.default_rng(5)
    series.extend(np.arange(100_000), 3 + rng.standard_normal(100_000))
    seen = series.view(0, 100_000, 200, smoothed=True)
    assert seen.is_exact
    assert np.abs(seen.low[5:-5] - 3).max() < 0.3


def test_the_nearest_point() -> None:
    series = Series("psnr_db")
    assert series.nearest(3) is None
    series.extend(np.array([10, 20, 40]), np.array([1.0, 2.0, 3.0]))
    assert [series.nearest(step) for step in (-5, 14, 16, 29, 31, 99)] == [0, 0, 1, 1, 2, 2]


# --- events --------------------------------------------------------------------------------------


def test_events_become_series(store: CurveStore) -> None:
    store.append(TrainStarted(0, 100, 1000, 5, "cpu", "fp32", None))
    for step in range(2, 12, 2):
        store.append(step_done(step, loss=1 / step, process_mb=800.0 + step))
    store.append(validated(10, 30.25, memory={"memory_entropy": 0.9, "memory_dead": 3}))
    store.append(Notice("nothing of a curve"))
    loss = store.series("loss")
    assert loss is not None
    assert loss.steps.tolist() == [2, 4, 6, 8, 10]
    np.testing.assert_allclose(loss.values, 1 / loss.steps, rtol=1e-6)
    assert store.newest("process_mb") == 810.0
    assert store.newest("memory_dead") == 3.0
    assert store.series("device_mb") is None, "not measured on the processor"
    assert store.best == (10, 30.25)
    assert store.input_psnr_db == 26.5
    assert store.protocol == "Y"
    assert store.last_step == 10
    assert {"pixel", "distance_positive", "lr", "psnr_db", "ssim"} <= set(store.names)


def test_a_memory_that_was_not_measured_is_no_point(store: CurveStore) -> None:
    store.append(step_done(2))
    assert store.series("process_mb") is None


def test_steps_that_go_back_overwrite(store: CurveStore) -> None:
    for step in range(10, 60, 10):
        store.append(step_done(step, loss=1.0))
    store.append(validated(50, 31.0))
    store.append(step_done(30, loss=2.0))  # the loss exploded: back to step 20
    store.append(step_done(40, loss=2.0))
    loss = store.series("loss")
    assert loss is not None
    assert loss.steps.tolist() == [10, 20, 30, 40]
    assert loss.values.tolist() == [1.0, 1.0, 2.0, 2.0]
    assert store.newest("psnr_db") is None, "that validation belongs to weights that are gone"
    store.append(validated(40, 29.0))
    assert store.best == (40, 29.0)
    assert loss.steps.tolist() == [10, 20, 30, 40], "a validation follows the report of its own step"


def test_a_run_that_goes_on_forgets_what_lies_past_its_checkpoint(store: CurveStore) -> None:
    for step in range(10, 60, 10):
        store.append(step_done(step))
    store.append(TrainStarted(30, 100, 1000, 5, "cpu", "fp32", "step-30.safetensors"))
    assert store.last_step == 30
    store.append(TrainStarted(0, 100, 1000, 5, "cpu", "fp32", None))
    assert store.last_step == 0


def test_changed_is_throttled_and_nothing_is_missed(store: CurveStore) -> None:
    times: list[float] = []
    seen: list[int] = []
    store.changed.connect(lambda: (times.append(time.monotonic()), seen.append(store.last_step)))
    until = time.monotonic() + 0.9
    step = 0
    while time.monotonic() < until:
        step += 1
        store.append(step_done(step))
        wait_until(lambda: True)
        time.sleep(0.002)
    wait_until(lambda: bool(seen) and seen[-1] == step)
    assert all(after - before > 0.18 for before, after in itertools.pairwise(times))


# --- folders -------------------------------------------------------------------------------------


def test_a_folder_is_read_as_its_events_were(store: CurveStore, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    for step in range(10, 210, 10):
        lines.append(step_line(step, 1 / step, pixel=0.5, device_mb=None))
        if step % 50 == 0:
            lines.append(validation_line(step, 20 + step / 100, step != 200))
    store.load(write_curve(tmp_path / "run", lines))
    loss, scores = store.series("loss"), store.series("psnr_db")
    assert loss is not None
    assert scores is not None
    assert loss.steps.tolist() == list(range(10, 210, 10))
    assert scores.steps.tolist() == [50, 100, 150, 200]
    assert store.best == (150, 21.5)
    assert store.series("device_mb") is None
    assert store.step_names == ("loss", "lr", "pixel")
    assert store.input_psnr_db is None


def given_up(rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    """Lines of a run that goes back now and then."""
    lines, step = [], 0
    for number in range(count):
        step += 10
        if rng.random() < 0.15:
            step = max(10, step - 10 * int(rng.integers(1, 8)))
        if rng.random() < 0.2:
            lines.append(validation_line(step, float(number)))
        else:
            lines.append(step_line(step, float(number)))
    return lines


@pytest.mark.parametrize("seed", range(8))
def test_courses_given_up_vanish_from_a_folder_as_from_events(tmp_path: Path, seed: int) -> None:
    lines = given_up(np.random.default_rng(seed), 120)
    found = read(write_curve(tmp_path / "run", lines))
    live = curve_store.Curves()
    for line in lines:
        if line["kind"] == "step":
            live.add_steps(line["step"], {"loss": line["loss"]})
        else:
            live.add_validation(line["step"], {"psnr_db": line["psnr_db"]})
    for name in ("loss", "psnr_db"):
        one, other = found.get(name), live.get(name)
        assert one is not None
        assert other is not None
        assert one.steps.tolist() == other.steps.tolist()
        assert one.values.tolist() == other.values.tolist()


def test_lines_that_cannot_be_used_cost_only_themselves(tmp_path: Path) -> None:
    lines: list[Any] = [
        step_line(10, 1.0), {"kind": "setback", "step": 10, "rate": 0.5}, [1, 2], {"kind": "step"}, "word",
        {"kind": "step", "step": "20", "loss": 3.0}, step_line(20, 2.0, note="words"), step_line(30, math.nan),
    ]  # fmt: skip
    found = read(write_curve(tmp_path / "run", lines, '{"kind": "step", "step": 40, "lo'))
    loss = found.get("loss")
    assert loss is not None
    assert loss.steps.tolist() == [10, 20]
    assert found.get("note") is None
    assert found.get("rate") is None


def test_no_curve_yet_is_an_empty_store(store: CurveStore, tmp_path: Path) -> None:
    store.append(step_done(10))
    store.load(tmp_path / "nothing")
    assert store.names == ()
    assert store.last_step == 0
    assert store.best is None


def test_the_score_of_the_input_is_found_beside_the_model(tmp_path: Path) -> None:
    run = write_curve(tmp_path / "run", [validation_line(10, 30.0)])
    (run / "model").mkdir()
    validation = {"input_psnr_db": 25.5, "protocol": PROTOCOLS["RGB"]}
    config = {"provenance": {"validation": validation}}
    (run / "model" / "config.json").write_text(json.dumps(config), "utf-8")
    found = read(run)
    assert (found.input_psnr_db, found.protocol) == (25.5, "RGB")
    (run / "model" / "config.json").write_text("[]", "utf-8")
    assert read(run).input_psnr_db is None


def test_the_score_of_the_input_stands_in_the_lines_and_is_no_curve(tmp_path: Path) -> None:
    line = validation_line(10, 30.0) | {"input_psnr_db": 26.5, "protocol": "Y"}
    run = write_curve(tmp_path / "run", [line])
    (run / "model").mkdir()
    config = {"provenance": {"validation": {"input_psnr_db": 1.0, "protocol": PROTOCOLS["RGB"]}}}
    (run / "model" / "config.json").write_text(json.dumps(config), "utf-8")
    found = read(run)
    assert (found.input_psnr_db, found.protocol) == (26.5, "Y")
    assert "input_psnr_db" not in found.of_validations and "psnr_db" in found.of_validations


def test_the_best_of_a_run_with_masks_is_one_number_wherever_it_is_read(
    store: CurveStore, tmp_path: Path
) -> None:
    scores = [(0, 30.0, 31.0), (10, 30.74, 29.68), (20, 30.5, 31.5)]
    lines = [validation_line(plain[0], plain[1]) | {"psnr_guided_db": guided} for *plain, guided in scores]
    write_curve(tmp_path, lines)
    for step, plain, guided in scores:
        store.append(validated(step, plain, step != 10, psnr_guided_db=guided))
    assert store.best == read_best(tmp_path) == (20, 31.0)
    state = runs.read(tmp_path).state
    assert state is not None and (state.best_step, state.best_psnr_db) == store.best


def test_a_start_that_was_best_is_marked(store: CurveStore) -> None:
    store.append(validated(0, 25.75))
    store.append(step_done(1))
    store.append(validated(10, 24.5, False))
    assert store.best == (0, 25.75)


def read_best(run: Path) -> tuple[int, float] | None:
    made = CurveStore()
    made.load(run)
    return made.best


def test_a_curve_that_is_no_text_says_so(store: CurveStore, tmp_path: Path) -> None:
    run = write_curve(tmp_path / "run", [step_line(10, 0.1)])
    (run / "curve.jsonl").write_bytes((run / "curve.jsonl").read_bytes() + b"\xff\xfe\n")
    problems: list[Exception] = []
    store.failed.connect(problems.append)
    store.load(run)
    wait_until(lambda: bool(problems))
    assert isinstance(problems[0], RunDamaged)


def test_a_curve_that_cannot_be_read_says_so(store: CurveStore, tmp_path: Path) -> None:
    (tmp_path / "run" / "curve.jsonl").mkdir(parents=True)
    problems: list[Exception] = []
    store.failed.connect(problems.append)
    store.load(tmp_path / "run")
    wait_until(lambda: bool(problems))
    assert isinstance(problems[0], OSError)
    assert not store.is_loading


def long_run(run: Path, count: int) -> Path:
    run.mkdir()
    with (run / "curve.jsonl").open("w", encoding="utf-8") as file:
        for step in range(1, count + 1):
            file.write(f'{{"kind": "step", "step": {step}, "loss": {1 / step:.6f}, "lr": 0.001}}\n')
    return run


def test_a_long_curve_is_read_elsewhere_and_events_wait(store: CurveStore, tmp_path: Path) -> None:
    run = long_run(tmp_path / "run", 20_000)
    done: list[int] = []
    store.loaded.connect(lambda: done.append(store.last_step))
    store.load(run)
    assert store.is_loading
    assert store.names == ()
    store.append(step_done(20_010, loss=0.25))
    wait_until(lambda: bool(done), 30)
    assert done == [20_000]
    assert store.last_step == 20_010
    assert store.newest("loss") == 0.25


def test_a_run_read_again_stays_in_sight_meanwhile(store: CurveStore, tmp_path: Path) -> None:
    run = long_run(tmp_path / "run", 20_000)
    store.append(step_done(19_000, loss=0.5))
    store.load(run, keep=True)
    assert store.is_loading and store.last_step == 19_000
    wait_until(lambda: not store.is_loading, 30)
    assert store.last_step == 20_000 and len(store.series("loss") or ()) == 20_000


def test_another_run_asked_for_meanwhile_wins(store: CurveStore, tmp_path: Path) -> None:
    long, short = long_run(tmp_path / "long", 20_000), write_curve(tmp_path / "short", [step_line(5, 1.0)])
    store.load(long)
    store.append(step_done(30_000))
    store.load(short)
    assert store.last_step == 5
    store.shut_down()
    wait_until(lambda: True)
    assert store.last_step == 5


def test_reading_ends_soon_when_nobody_wants_it(tmp_path: Path) -> None:
    run = long_run(tmp_path / "run", 5_000)
    asked: list[int] = []

    def wanted() -> bool:
        asked.append(1)
        return len(asked) < 3

    with pytest.raises(Cancelled):
        read(run, is_wanted=wanted)
    assert len(asked) == 3
