from __future__ import annotations

import pytest
import torch

from core.jobs import Cancelled, JobControl
from core.model.config import MEMORIES, PRESETS, STRIDE_PX, NetworkConfig
from core.model.network import MemoryNet, with_memory
from tests.small import SMALL, small_network


@pytest.mark.parametrize(("name", "low", "high"), [("S", 1.0e6, 2.0e6), ("B", 3.0e6, 4.0e6)])
def test_presets_have_the_sizes_they_promise(name: str, low: float, high: float) -> None:
    network = MemoryNet(NetworkConfig.preset(name))
    assert low <= sum(p.numel() for p in network.parameters()) <= high
    assert network.config.halo_px <= 112


def test_a_new_network_returns_its_input() -> None:
    x = torch.rand(2, 3, 16, 24)
    assert torch.equal(MemoryNet(SMALL)(x).restored, x)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        NetworkConfig(width=4, blocks=(2, 2, 4), memory_dim=8, slots=(4, 3, 2)),
        NetworkConfig(4, (1, 3, 2), 8, (4, 3, 2)),
        NetworkConfig(4, (1, 1, 3), granularities=(), polarities=(), actual=False, spare=4),
    ],
)
def test_nothing_beyond_the_halo_reaches_a_pixel(config: NetworkConfig) -> None:
    network = MemoryNet(config)
    for parameter in network.parameters():  # positive weights: nothing cancels, every ReLU is open
        torch.nn.init.uniform_(parameter, 0.01, 0.1)
    edge = 2 * config.halo_px + 48
    summary = torch.rand(1, 2 * sum(config.slots), config.memory_dim)  # a photo's, as every tile gets it
    reach = 0
    for offset in range(STRIDE_PX):
        at = edge // 2 // STRIDE_PX * STRIDE_PX + offset
        x = torch.rand(1, 3, edge, edge, requires_grad=True)
        (gradient,) = torch.autograd.grad(network(x, summary=summary).restored[0, :, at, at].sum(), x)
        touched = (gradient.abs().sum((0, 1)) > 0).nonzero()
        reach = max(reach, at - int(touched.min()), int(touched.max()) - at)
    assert reach <= config.halo_px
    assert reach > config.halo_px - 2 * STRIDE_PX  # and the halo is not wastefully wide


def test_size_must_be_a_multiple_of_the_stride() -> None:
    with pytest.raises(ValueError, match="multiples of 8"):
        small_network()(torch.rand(1, 3, 16, 20))


def test_guidance_changes_the_result_and_defaults_to_zeros() -> None:
    network = small_network(1)
    x = torch.rand(1, 3, 16, 16)
    zeros = torch.zeros(1, 1, 16, 16)
    assert torch.equal(network(x).restored, network(x, guidance=zeros).restored)
    assert not torch.equal(network(x).restored, network(x, guidance=zeros + 1).restored)


def test_muting_the_memory_is_not_reading_it() -> None:
    network = small_network(2)
    x = torch.rand(1, 3, 32, 32)
    muted = network(x, mute_memory=True).restored
    assert not torch.equal(muted, network(x).restored)
    with torch.no_grad():
        assert network.memory is not None
        network.memory.out.weight.zero_()
    assert torch.equal(muted, network(x).restored)


def test_the_layout_in_memory_changes_nothing_and_is_kept_through_the_network() -> None:
    network = small_network().eval()
    image = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(4))
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        network.to(memory_format=layout)  # type: ignore[call-overload]
        with torch.no_grad():
            found.append(network(image).restored)
            assert all(part.is_contiguous(memory_format=layout) for part in network.encode(image))
    assert torch.allclose(found[0], found[1], atol=1e-5)


def test_a_cancel_takes_hold_between_blocks() -> None:
    network, control, calls = small_network(), JobControl(), []

    def between() -> None:
        calls.append(1)
        if len(calls) == 4:
            control.cancel()
        control.checkpoint()

    with pytest.raises(Cancelled):
        network(torch.rand(1, 3, 16, 16), between=between)
    assert len(calls) == 4


def test_config_survives_its_json_form() -> None:
    for config in (*PRESETS.values(), SMALL):
        assert NetworkConfig.from_dict(config.as_dict()) == config


@pytest.mark.parametrize(
    "values",
    [
        {"width": 2},
        {"blocks": [1, 2]},
        {"granularities": ["semantic", "part"]},
        {"granularities": []},
        {"slots": [0, 1, 1]},
        {"depth": 3},
        {"memory_dim": 0},
        {"blocks": ["a", 1, 1]},
    ],
)
def test_bad_configs_are_refused(values: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        NetworkConfig.from_dict(values)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", MEMORIES)
def test_twins_have_the_same_number_of_parameters(preset: str, kind: str) -> None:
    config = NetworkConfig.preset(preset)
    sizes = []
    with torch.device("meta"):
        for one in (config, with_memory(config, kind)):
            sizes.append(sum(p.numel() for p in MemoryNet(one).parameters()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.005)
    assert with_memory(config, kind).has_memory is (kind not in {"none", "path"})


@pytest.mark.parametrize("kind", ["none", "path"])
def test_a_network_without_a_memory_restores_and_has_nothing_to_show(kind: str) -> None:
    network = MemoryNet(with_memory(SMALL, kind))
    output = network(torch.rand(1, 3, 16, 16))
    assert output.address is None
    with pytest.raises(ValueError, match="no memory"):
        network.summarise(torch.rand(1, 3, 16, 16))
