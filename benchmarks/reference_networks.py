"""A published network of known size, to measure ours beside.

:class:`ReferenceNet` follows the description of NAFNet in Chen et al., "Simple Baselines for Image
Restoration" (arXiv 2204.04676): blocks without activation functions (a gate that multiplies one half of the
channels by the other), channel attention from the picture's mean, layer normalisation over channels. At
width 32 with the blocks of its deblurring model it has the published 17.1 M parameters and 16 GMACs at
256×256. It is written for timing: nobody trained it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

PUBLISHED_PARAMETERS = 17.1e6
PUBLISHED_MACS_AT_256 = 16e9


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of (B, C, H, W), in the way that suits the memory format."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if x.is_contiguous(memory_format=torch.channels_last):
            last = F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, 1e-6)
            return last.permute(0, 3, 1, 2)
        variance, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
        scale = self.weight[:, None, None] * torch.rsqrt(variance + 1e-6)
        return (x - mean) * scale + self.bias[:, None, None]


def gate(x: Tensor) -> Tensor:
    a, b = x.chunk(2, 1)
    return a * b


class GatedBlock(nn.Module):
    """Spatial mixing, then channel mixing; each is added through a learned, zero-initialised scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.norm1 = ChannelNorm(channels)
        self.widen1 = nn.Conv2d(channels, wide, 1)
        self.depthwise = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.attention = nn.Conv2d(channels, channels, 1)
        self.narrow1 = nn.Conv2d(channels, channels, 1)
        self.norm2 = ChannelNorm(channels)
        self.widen2 = nn.Conv2d(channels, wide, 1)
        self.narrow2 = nn.Conv2d(channels, channels, 1)
        self.scale1 = nn.Parameter(torch.zeros(channels, 1, 1))
        self.scale2 = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        mixed = gate(self.depthwise(self.widen1(self.norm1(x))))
        mixed = mixed * self.attention(F.adaptive_avg_pool2d(mixed, 1))
        x = x + self.narrow1(mixed) * self.scale1
        return x + self.narrow2(gate(self.widen2(self.norm2(x)))) * self.scale2


class ReferenceNet(nn.Module):
    """(B, 3, H, W) -> (B, 3, H, W); edges must be multiples of 16."""

    def __init__(
        self,
        width: int = 32,
        encoder: Sequence[int] = (1, 1, 1, 28),
        middle: int = 1,
        decoder: Sequence[int] = (1, 1, 1, 1),
    ) -> None:
        super().__init__()
        widths = [width << level for level in range(len(encoder))]
        deepest = width << len(encoder)
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.encoder = nn.ModuleList(
            nn.Sequential(*(GatedBlock(c) for _ in range(n))) for c, n in zip(widths, encoder, strict=True)
        )
        self.down = nn.ModuleList(nn.Conv2d(c, 2 * c, 2, stride=2) for c in widths)
        self.middle = nn.Sequential(*(GatedBlock(deepest) for _ in range(middle)))
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * c, 4 * c, 1, bias=False), nn.PixelShuffle(2))
            for c in reversed(widths)
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(*(GatedBlock(c) for _ in range(n)))
            for c, n in zip(reversed(widths), decoder, strict=True)
        )
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.first(image)
        kept = []
        for blocks, down in zip(self.encoder, self.down, strict=True):
            x = blocks(x)
            kept.append(x)
            x = down(x)
        x = self.middle(x)
        for blocks, up, skip in zip(self.decoder, self.up, reversed(kept), strict=True):
            x = blocks(up(x) + skip)
        return image + self.last(x)


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, edge_px: int = 256) -> int:
    """Multiply-accumulates of convolutions and matrix products on one square picture.

    Counted by PyTorch on the device the weights are on; on ``meta`` nothing is computed.
    """
    device = next(network.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, edge_px, edge_px, device=device))
    return int(counter.get_total_flops()) // 2  # it counts a multiply-accumulate as two operations


def check_reference() -> tuple[int, int]:
    """(parameters, MACs at 256×256) of the reference. Raises AssertionError when they are not as published."""
    with torch.device("meta"):
        network = ReferenceNet()
    parameters, cost = parameter_count(network), macs(network)
    if abs(parameters / PUBLISHED_PARAMETERS - 1) > 0.01:
        raise AssertionError(f"{parameters:,} parameters: published are {PUBLISHED_PARAMETERS:,.0f}")
    if abs(cost / PUBLISHED_MACS_AT_256 - 1) > 0.03:
        raise AssertionError(f"{cost:,} MACs at 256x256: published are {PUBLISHED_MACS_AT_256:,.0f}")
    return parameters, cost
