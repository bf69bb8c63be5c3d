"""What the benchmarks compare is what they say it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

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
