"""What the benchmarks compare is what they say it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import inference  # noqa: E402
import reference_networks  # noqa: E402

from core.network import MemoryNet, NetworkConfig  # noqa: E402


def test_the_reference_has_the_published_size() -> None:
    parameters, macs = reference_networks.check_reference()
    assert parameters == pytest.approx(17.1e6, rel=0.01)
    assert macs == pytest.approx(16e9, rel=0.03)


def test_a_reference_of_another_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
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
