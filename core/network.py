"""The network: a small encoder-decoder of dense convolutions around a prototype memory.

Chosen for exact tiling: no statistic over the whole picture inside ``forward``, a field of known radius
(:attr:`NetworkConfig.halo_px`) and strides that divide :data:`STRIDE_PX`. So a tile computed with its halo
equals the same pixels of the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.memory import PrototypeMemory, Retrieval

STRIDE_PX = 8  # pixels per position of the memory; tiles start at multiples of it


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Everything that decides the shapes of the weights.

    ``width`` is the channel count at full resolution (doubled at 1/2 and again at 1/4); ``blocks`` the
    residual blocks at full, 1/2 and 1/4 resolution, the first two counted once for each side.
    """

    width: int = 32
    blocks: tuple[int, int, int] = (2, 2, 3)
    memory_dim: int = 64
    slots: tuple[int, int, int] = (64, 16, 8)

    def __post_init__(self) -> None:
        if not 4 <= self.width <= 256:
            raise ValueError(f"width {self.width}: need 4 to 256")
        for name, values, low in (("blocks", self.blocks, 1), ("slots", self.slots, 1)):
            if len(values) != 3 or any(not isinstance(v, int) or not low <= v <= 1024 for v in values):
                raise ValueError(f"{name} {values}: need three whole numbers from {low} to 1024")
        if not 4 <= self.memory_dim <= 1024:
            raise ValueError(f"memory_dim {self.memory_dim}: need 4 to 1024")

    @staticmethod
    def preset(name: str) -> NetworkConfig:
        """``"S"`` (about 1.4 M parameters) or ``"B"`` (about 3.2 M)."""
        try:
            return PRESETS[name.upper()]
        except KeyError:
            raise ValueError(f"preset {name!r}: known are {', '.join(PRESETS)}") from None

    @property
    def halo_px(self) -> int:
        """Radius in pixels beyond which the input cannot change an output pixel, rounded up to the stride."""
        full, half, quarter = self.blocks
        radius = 2 * (1 + 2 * full)  # in and out convolution, two convolutions a block, both sides
        radius += 2 * (2 * half) * 2
        radius += 4 * (2 * quarter)
        radius += (STRIDE_PX - 1) + 3 + 1  # block of the memory's grid, of 1/4 and of 1/2
        return -(-radius // STRIDE_PX) * STRIDE_PX

    def as_dict(self) -> dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> NetworkConfig:
        known = set(NetworkConfig.__dataclass_fields__)
        if extra := sorted(set(values) - known):
            raise ValueError(f"network: unknown keys {extra}; known are {sorted(known)}")
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return NetworkConfig(**plain)


PRESETS = {
    "S": NetworkConfig(),
    "B": NetworkConfig(width=48),
}


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    restored: Tensor  # (B, 3, H, W) float32, not clipped
    query: Tensor  # (B, D, H/8, W/8) unit embeddings of the input
    polarity_logit: Tensor  # (B, H/8, W/8)
    retrieval: Retrieval | None


Between = Callable[[], None]
"""Called between blocks; may raise to stop the forward pass (cancelling)."""


def _nothing() -> None:
    return None


class ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        # in place: a convolution's own output is not needed to differentiate it
        return self.conv2(torch.relu_(self.conv1(x))).add_(x)


class MemoryNet(nn.Module):
    """Restores an RGB picture in 0..1; sizes must be multiples of :data:`STRIDE_PX`."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        w1, w2, w4 = config.width, 2 * config.width, 4 * config.width
        full, half, quarter = config.blocks
        self.first = nn.Conv2d(4, w1, 3, padding=1)  # RGB and the guidance mask
        self.encoder1 = nn.ModuleList(ResidualBlock(w1) for _ in range(full))
        self.down1 = nn.Conv2d(w1, w2, 2, stride=2)
        self.encoder2 = nn.ModuleList(ResidualBlock(w2) for _ in range(half))
        self.down2 = nn.Conv2d(w2, w4, 2, stride=2)
        self.middle = nn.ModuleList(ResidualBlock(w4) for _ in range(quarter))
        self.memory = PrototypeMemory(w4, config.memory_dim, config.slots)
        self.up2 = nn.ConvTranspose2d(w4, w2, 2, stride=2)
        self.decoder2 = nn.ModuleList(ResidualBlock(w2) for _ in range(half))
        self.up1 = nn.ConvTranspose2d(w2, w1, 2, stride=2)
        self.decoder1 = nn.ModuleList(ResidualBlock(w1) for _ in range(full))
        self.last = nn.Conv2d(w1, 3, 3, padding=1)
        nn.init.zeros_(self.last.weight)  # a new network returns its input
        if self.last.bias is not None:
            nn.init.zeros_(self.last.bias)

    # The memory is read before the last blocks at 1/4, so that convolutions can use what was retrieved.
    @property
    def _read_after(self) -> int:
        return max(1, self.config.blocks[2] - 1)

    def _encode(
        self, image: Tensor, guidance: Tensor | None, between: Between
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Features at full, 1/2 and 1/4 resolution; the last is what addresses the memory."""
        if image.shape[-1] % STRIDE_PX or image.shape[-2] % STRIDE_PX:
            raise ValueError(f"picture of {tuple(image.shape)}: edges must be multiples of {STRIDE_PX}")
        if guidance is None:
            guidance = torch.zeros_like(image[:, :1])
        x = torch.cat((image, guidance), 1).to(self.first.weight.dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        full = torch.relu_(self.first(x))
        for block in self.encoder1:
            between()
            full = block(full)
        between()
        half = self.down1(full)
        for block in self.encoder2:
            between()
            half = block(half)
        between()
        quarter = self.down2(half)
        for block in self.middle[: self._read_after]:
            between()
            quarter = block(quarter)
        return full, half, quarter

    def memory_features(self, image: Tensor, guidance: Tensor | None = None) -> Tensor:
        """(B, C, H/4, W/4): the features that address the memory."""
        return self._encode(image, guidance, _nothing)[2]

    def embed(self, image: Tensor, guidance: Tensor | None = None) -> Tensor:
        """Unit embeddings (B, D, H/8, W/8) of a picture, as the memory sees it."""
        return self.memory.embed(self._encode(image, guidance, _nothing)[2])

    def summarise(self, image: Tensor, guidance: Tensor | None = None) -> Tensor:
        """The *actual* memory of a (reduced) picture: (B, 2P, D), to be handed to every tile."""
        quarter = self._encode(image, guidance, _nothing)[2]
        return self.memory.summarise(quarter)

    def forward(
        self,
        image: Tensor,
        guidance: Tensor | None = None,
        summary: Tensor | None = None,
        want_retrieval: bool = False,
        mute_memory: bool = False,
        between: Between = _nothing,
    ) -> NetworkOutput:
        """Restore ``image`` (B, 3, H, W), float in 0..1.

        Args:
            guidance: (B, 1, H, W) in 0..1, where the damage is; zeros when unknown.
            summary: (B, M, D) from :meth:`summarise`, the photo's own content.
            want_retrieval: also return what the memory answered.
            mute_memory: leave out what the memory adds (to see what it is worth).
            between: called between blocks; may raise to stop.

        Raises:
            ValueError: an edge is not a multiple of :data:`STRIDE_PX`.
        """
        full, half, quarter = self._encode(image, guidance, between)
        between()
        read = self.memory(quarter, summary, want_retrieval)
        if not mute_memory:
            quarter = quarter + read.features
        for block in self.middle[self._read_after :]:
            between()
            quarter = block(quarter)
        between()
        half = self.up2(quarter).add_(half)
        for block in self.decoder2:
            between()
            half = block(half)
        between()
        full = self.up1(half).add_(full)
        for block in self.decoder1:
            between()
            full = block(full)
        between()
        restored = image.float() + self.last(full).float()
        return NetworkOutput(restored, read.query, read.polarity_logit, read.retrieval)
