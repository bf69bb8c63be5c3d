"""What the benchmarks compare is what they say it is."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import ablation  # noqa: E402
import fuzz  # noqa: E402
import gpu  # noqa: E402
import inference  # noqa: E402
import reference_networks  # noqa: E402
import training  # noqa: E402

from core.model.config import NetworkConfig  # noqa: E402
from core.model.network import MemoryNet  # noqa: E402
from core.training.learning.learner import Learner  # noqa: E402
from core.training.recipe import TrainRecipe  # noqa: E402
from tests.forked import Forked, script  # noqa: E402
from tests.small import small_samples  # noqa: E402
from tests.training_kit import RECIPE  # noqa: E402


def test_the_reference_has_the_published_size() -> None:
    parameters, macs = reference_networks.check_reference()
    assert parameters == pytest.approx(17.1e6, rel=0.01)
    assert macs == pytest.approx(16e9, rel=0.03)


def test_a_reference_of_another_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_networks, "ReferenceNet", torch.nn.Identity)
    monkeypatch.setattr(reference_networks, "parameter_count", lambda _network: 17_110_000)
    monkeypatch.setattr(reference_networks, "macs", lambda _network: 16_000_000_000)
    assert reference_networks.check_reference() == (17_110_000, 16_000_000_000)
    monkeypatch.setattr(reference_networks, "PUBLISHED_PARAMETERS", 16.8e6)
    with pytest.raises(AssertionError, match="parameters"):
        reference_networks.check_reference()
    monkeypatch.setattr(reference_networks, "PUBLISHED_PARAMETERS", 17.1e6)
    monkeypatch.setattr(reference_networks, "PUBLISHED_MACS_AT_256", 17e9)
    with pytest.raises(AssertionError, match="MACs"):
        reference_networks.check_reference()


def test_macs_are_counted_as_by_hand() -> None:
    network = torch.nn.Conv2d(3, 8, 3, padding=1, device="meta")
    assert reference_networks.macs(network, 32) == 32 * 32 * 8 * 3 * 9


@pytest.mark.parametrize(("preset", "low", "high"), [("S", 1e6, 2e6), ("B", 3e6, 4e6)])
def test_our_presets_have_the_size_they_are_named_for(preset: str, low: float, high: float) -> None:
    network = MemoryNet(NetworkConfig.preset(preset))
    assert low < reference_networks.parameter_count(network) < high
    assert reference_networks.macs(network, 64) > 0


def test_the_reference_computes_the_same_in_both_memory_formats() -> None:
    torch.manual_seed(0)
    network = reference_networks.ReferenceNet(8, (1, 1), 1, (1, 1)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)  # its scales begin at zero: let every layer count
    x = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        plain = network(x)
        network.to(memory_format=torch.channels_last)
        last = network(x.contiguous(memory_format=torch.channels_last))
    assert plain.shape == x.shape
    assert not torch.equal(plain, x)
    torch.testing.assert_close(last, plain, rtol=1e-3, atol=1e-4)


def _case(network: str, precision: str, seconds: list[float], log: list[str] | None = None) -> inference.Case:
    left = iter(seconds)

    def run() -> float:
        if log is not None:
            log.append(network)
        return next(left)

    return inference.Case(network, precision, "whole", "channels_last", 1, 1.0, run)


def test_rounds_take_turns_after_a_warm_up() -> None:
    log: list[str] = []
    cases = [_case(name, "fp32", [9.0, 1.0, 2.0, 6.0], log) for name in "abc"]
    inference.measure(cases, 3, lambda _: None)
    assert log == [*"abc", *"abc", *"bca", *"cab"]
    assert cases[0].seconds == [1.0, 2.0, 6.0], "the warm-up does not count"
    assert cases[0].megapixels_per_s(1000) == pytest.approx(0.5)


def test_the_ratio_is_taken_within_rounds_at_our_best_precision() -> None:
    reference = _case("theirs", "bf16", [0.0, 8.0, 4.0, 16.0])
    slow, fast = _case("ours", "fp32", [0.0, 4.0, 4.0, 4.0]), _case("ours", "bf16", [0.0, 2.0, 2.0, 2.0])
    cases = [reference, slow, fast]
    inference.measure(cases, 3, lambda _: None)
    (row,) = inference.compare(cases, reference)
    assert (row["precision"], row["times_reference"], row["min"], row["max"]) == ("bf16", 4.0, 2.0, 8.0)


def test_the_reference_is_given_its_fastest_form() -> None:
    cases = [_case("fp32", "fp32", [1.0, 5.0, 4.0]), _case("bf16", "bf16", [9.0, 3.0, 6.0])]
    assert inference.fastest(cases).precision == "bf16", "the best of its trials counts, not the warm-up"


@pytest.mark.parametrize("wrong", [["--edge", "100"], ["--repeats", "0"], ["--tile", "x"]])
def test_wrong_numbers_are_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        inference.main(wrong)
    assert exit_.value.code == 2


# --- training ------------------------------------------------------------------------------------

TINY = TrainRecipe(
    name="tiny", preset="custom", width=4, batch=2, patch_px=16, crops_per_photo=1, contrastive_every=2,
    train=("SAMPLES/train",), validation=("SAMPLES/validation",), precision="fp32",
)  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with small_samples(tmp_path_factory.mktemp("samples") / "photos"):
        yield


@pytest.fixture(scope="module")
def row(photos: None) -> training.Row:
    return training.measure(TINY, "cpu", 3, matrix_rate=1e12)


def test_a_training_is_measured(row: training.Row) -> None:
    assert (row.preset, row.patch_px, row.batch, row.precision) == ("custom", 16, 2, "fp32")
    assert row.steps == 4, "whole rounds, each with one step that contrasts"
    assert row.images_per_s == pytest.approx(2 / row.step_s)
    assert 0 < row.step_fastest_s <= row.step_s <= row.step_slowest_s
    assert 0 <= row.data_wait < 1 and row.batch_made_s > 0
    assert 0 < row.convolutions < 1 and row.convolutions_of_kernels is None
    assert row.peak_process_mb > 10 and row.peak_device_mb is None
    assert row.tflop_per_s == pytest.approx(row.step_tflop / row.step_s)
    assert row.share_of_matrix_rate == pytest.approx(row.tflop_per_s), "of 10^12 a second"


@pytest.mark.usefixtures("photos")
def test_operations_of_a_step_are_those_of_the_network_three_times_over() -> None:
    alone = replace(TINY, contrastive_weight=0.0, polarity_weight=0.0, balance_weight=0.0, edge_weight=0.0)
    counted = training.Bench(alone, "cpu").operations()
    forward = 2 * alone.batch * reference_networks.macs(MemoryNet(NetworkConfig(width=4)), 16)
    # forward, and backward for inputs and for weights; some have no input, or none that learns
    assert 2.3 * forward < counted <= 3 * forward
    assert training.Bench(replace(TINY, contrastive_weight=0.01), "cpu").operations() > counted


@pytest.mark.usefixtures("photos")
def test_what_optimizers_multiply_is_left_out() -> None:
    muon, adamw = (
        training.Bench(replace(TINY, optimizer=name), "cpu").operations() for name in ("muon", "adamw")
    )
    assert muon == adamw


@pytest.mark.usefixtures("photos")
def test_waiting_for_data_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(self: training.Bench, step: int) -> object:
        time.sleep(0.05)
        return step

    monkeypatch.setattr(training.Learner, "learn", lambda *_: None)
    monkeypatch.setattr(training.Bench, "_make", slow)
    bench = training.Bench(TINY, "cpu")
    with bench.batches() as batches:
        seconds = sum(bench.timed_round(batches.take) for _ in range(4))
    assert 0.5 * seconds < bench.waited_s <= seconds, "learning takes no time here"


def test_the_training_benchmark_prints_json(
    row: training.Row, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[TrainRecipe] = []

    def measure(recipe: TrainRecipe, *_: object) -> training.Row:
        measured.append(recipe)
        return replace(row, preset=recipe.preset, patch_px=recipe.patch_px, batch=recipe.batch)

    monkeypatch.setattr(training, "measure", measure)
    recipe = tmp_path / "every step contrasts.toml"
    recipe.write_text(replace(TINY, contrastive_every=1).to_toml(), "utf-8")
    words = "--presets S --patches 16 --steps 1 --batch 1 --device cpu --json --recipe"
    assert training.main([*words.split(), str(recipe)]) == 0
    result = json.loads(capsys.readouterr().out)
    (told,) = result["rows"]
    assert (told["preset"], told["patch_px"], told["batch"]) == ("S", 16, 1)
    assert [recipe.contrastive_every for recipe in measured] == [1]
    assert result["matrix_tflop_per_s"] is None and "CPU" in result["device_title"]
    table = training.report(result).splitlines()
    assert f"{told['images_per_s']:.2f}" in table[-1] and table[-2].split()[0] == "preset"


def test_the_matrix_rate_is_operations_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))  # each product takes a second
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    assert training.measured_matrix_rate("cpu", "bf16", edge=8, times=2) == 2 * 8**3


@pytest.mark.parametrize(
    "wrong",
    [
        ["--patches", "20"],
        ["--steps", "0"],
        ["--presets", "X"],
        ["--recipe", "none"],
        ["--device", "cuda:99"],
    ],
)
def test_wrong_trainings_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        training.main(wrong)
    assert exit_.value.code == 2
    assert wrong[1] in capsys.readouterr().err


def test_the_window_is_watched_while_a_run_learns(tmp_path: Path) -> None:
    """In a process of its own: the benchmark ends it hard."""
    words = "--page train --seconds 1 --idle-seconds 0.3 --validate-every 1000 --patch 32"
    (tmp_path / "tmp").mkdir()
    done = Forked(
        tmp_path, script, str(BENCHMARKS / "ui_delay.py"), *words.split(), TMPDIR=str(tmp_path / "tmp")
    )
    assert done.wait(400) == 0, done.err.read_text()
    said = done.out.read_text()
    lines = [line.split() for line in said.splitlines()]
    assert {"idle", "starting", "training", "beside"} <= {line[0] for line in lines}
    beats = next(int(line[1]) for line in lines if line[0] == "training")
    assert 1 <= beats <= 1000, "however little of the processor it gets"
    assert "preset S" in said and "with the Train page open" in said
    assert not list((tmp_path / "tmp").glob("memorynet-ui-delay-*")), "the run is removed"


def test_without_a_card_it_is_said_and_nothing_is_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "measure", lambda *_: pytest.fail("measured"))
    assert gpu.main([]) == 0 and gpu.main(["--device", "cpu"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and all(line.startswith("No card here: nothing is measured.") for line in said)


def test_the_parts_for_a_card_run_and_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the processor, and small: what a card is asked for is at least no nonsense."""
    monkeypatch.setattr(gpu, "learning", lambda *_: {"images_per_s": 1.0})
    sizes = gpu.Sizes(matrix=64, edge_px=64, photo_px=(160, 96), piece_px=64)
    said: list[str] = []
    found = gpu.measure("cpu", sizes, time.monotonic() + 600, said.append)
    assert set(found) == {"rate", "network", "photo", "training"} and len(said) == 4
    assert found["network"]["images_per_s"] > 0 and found["network"]["share_of_rate"] > 0
    assert found["photo"]["levels_from_processor"] == 0 and found["photo"]["device"] == "cpu"
    assert set(gpu.measure("cpu", sizes, time.monotonic() - 1, said.append).values()) == {None}
    assert said[-1] == "training: left out, the time is up"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no card here")
def test_a_card_that_runs_short_is_stepped_down_from() -> None:
    sizes = gpu.Sizes(photo_px=(6000, 4000))
    assert gpu.out_of_memory("cuda:0", sizes)["steps"]


# --- damage at random ------------------------------------------------------------------------------


def test_a_few_seeds_of_the_fuzzer_find_nothing_and_it_can_find(tmp_path: Path) -> None:
    files = fuzz.subjects(tmp_path)
    came = [fuzz.tried(seed, files, tmp_path) for seed in range(80)]
    assert [find for _, find in came if find] == []
    assert {"read", "DamagedImage"} <= {said for said, _ in came}

    def breaks(_path: Path) -> None:
        raise KeyError("strips")

    said, find = fuzz.tried(7, [("whole.tif", b"II*\0" * 9, breaks)], tmp_path)
    assert said == "find" and find == "seed 7, whole.tif: KeyError: 'strips'"


def test_slots_that_stay_random_are_learned_by_nothing() -> None:
    recipe = replace(RECIPE, polarity_weight=0.1)
    clean = np.random.default_rng(1).random((recipe.batch, 16, 16, 3), np.float32)
    samples = clean * 0.5, clean, np.zeros_like(clean[..., :1])

    def learned(learner: Learner) -> set[str]:
        """Names of the parameters that two steps change: what is new and zero lets little through in the first."""
        before = {name: value.detach().clone() for name, value in learner.network.named_parameters()}
        for _ in range(2):
            learner.learn(samples)
        after = dict(learner.network.named_parameters())
        return {name for name, value in before.items() if not torch.equal(after[name], value)}

    with ablation.slots_kept_random():
        random = Learner(recipe, "cpu", "fp32", has_masks=False)
        assert random.shaper.reseed(0, torch.zeros(1), torch.zeros(1), torch.zeros(1)) == {}
        found = learned(random)
    assert "memory.query.weight" in found
    left = learned(Learner(recipe, "cpu", "fp32", has_masks=False)) - found
    assert left == {"memory.parts", "memory.to_instance", "memory.to_semantic"}
