"""The network: a small encoder-decoder of dense convolutions around a prototype memory.

Chosen for exact tiling: no statistic over the whole picture inside ``forward`` but the one that can be handed
in (the *actual* memory), a field of known radius (:attr:`NetworkConfig.halo_px`) and strides that divide
:data:`STRIDE_PX`. So a tile computed with its halo equals the same pixels of the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.model.config import MEMORIES, STRIDE_PX, NetworkConfig
from core.model.memory import (
    Address,
    Effect,
    PlainRead,
    PrototypeMemory,
    RowEdit,
    overruled,
)


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    restored: Tensor  # (B, 3, H, W) float32, not clipped
    address: Address | None  # where the memory was looked up; None without a memory


Between = Callable[[], None]
"""Called between blocks; may raise to stop the forward pass (cancelling)."""


def _nothing() -> None:
    return None


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, inner: int | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inner or channels, 3, padding=1)
        self.conv2 = nn.Conv2d(inner or channels, channels, 3, padding=1)

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
        self.down1 = nn.Conv2d(w1, w2, 2, stride=2)
        self.encoder = nn.ModuleList(ResidualBlock(w2) for _ in range(half))
        self.down2 = nn.Conv2d(w2, w4, 2, stride=2)
        self.middle = nn.ModuleList(ResidualBlock(w4) for _ in range(quarter))
        if config.spare:
            self.middle.append(ResidualBlock(w4, config.spare))
        memory = _memory(config)
        self.memory = memory if isinstance(memory, PrototypeMemory) else None
        self.path = memory if isinstance(memory, PlainRead) else None
        self.up2 = nn.ConvTranspose2d(w4, w2, 2, stride=2)
        self.decoder = nn.ModuleList(ResidualBlock(w2) for _ in range(half))
        self.up1 = nn.ConvTranspose2d(w2, w1, 2, stride=2)
        self.finish = nn.ModuleList(ResidualBlock(w1) for _ in range(full))
        self.last = nn.Conv2d(w1, 3, 3, padding=1)
        nn.init.zeros_(self.last.weight)  # a new network returns its input
        if self.last.bias is not None:
            nn.init.zeros_(self.last.bias)

    def _encode(
        self, image: Tensor, guidance: Tensor | None, between: Between
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Features at full, 1/2 and 1/4 resolution; the last is what addresses the memory."""
        if image.shape[-1] % STRIDE_PX or image.shape[-2] % STRIDE_PX:
            raise ValueError(f"picture of {tuple(image.shape)}: edges must be multiples of {STRIDE_PX}")
        if guidance is None:
            guidance = torch.zeros_like(image[:, :1])
        x = torch.cat((image, guidance), 1).to(self.first.weight.dtype)
        full = torch.relu_(self.first(x.contiguous(memory_format=self._layout())))
        between()
        half = self.down1(full)
        for block in self.encoder:
            between()
            half = block(half)
        between()
        quarter = self.down2(half)
        for block in self.middle[: self.config.read_after]:
            between()
            quarter = block(quarter)
        return full, half, quarter

    def _layout(self) -> torch.memory_format:
        """That of the weights, so that nothing is rearranged between convolutions."""
        is_last = self.first.weight.is_contiguous(memory_format=torch.channels_last)
        return torch.channels_last if is_last else torch.contiguous_format

    def address(self, image: Tensor, guidance: Tensor | None = None, between: Between = _nothing) -> Address:
        """Where the memory is looked up for a picture. Raises ValueError for a network without a memory."""
        return self._memory().address(self._encode(image, guidance, between)[2])

    def memory_features(self, image: Tensor, guidance: Tensor | None = None) -> Tensor:
        """(B, C, H/4, W/4): the features that address the memory."""
        return self._encode(image, guidance, _nothing)[2]

    def embed(self, image: Tensor, guidance: Tensor | None = None) -> Tensor:
        """Unit embeddings (B, D, H/8, W/8) of a picture, as the memory sees it."""
        return self._memory().embed(self._encode(image, guidance, _nothing)[2])

    def summarise(self, image: Tensor, guidance: Tensor | None = None, between: Between = _nothing) -> Tensor:
        """The *actual* memory of a (reduced) picture: (B, R, D), to be handed to every tile."""
        return self._memory().summarise(self.address(image, guidance, between), _reduced(guidance))

    def _memory(self) -> PrototypeMemory:
        if self.memory is None:
            raise ValueError("this network has no memory")
        return self.memory

    def forward(
        self,
        image: Tensor,
        guidance: Tensor | None = None,
        summary: Tensor | None = None,
        *,
        group: int = 1,
        edit: RowEdit | None = None,
        mute_memory: bool = False,
        keep_actual: Tensor | None = None,
        taught: Tensor | None = None,
        between: Between = _nothing,
    ) -> NetworkOutput:
        """Restore ``image`` (B, 3, H, W), float in 0..1.

        Args:
            guidance: (B, 1, H, W) in 0..1, where the damage is; zeros when unknown.
            summary: (B, R, D) from :meth:`summarise`, the photo's own content. None: ``image`` is all of the
                photo, or its part of it with the ``group`` - 1 neighbours in the batch that show the same one.
            group: see ``summary``.
            edit: read other contents of the memory than those held.
            mute_memory: leave the memory out (to see what it is worth).
            keep_actual: (B, R) in 0..1, how much of the photo's own content is left in each slot. None: all of it.
            taught: (B, 1, H/8, W/8) in -1..1, what a person says is damage and is not: see :func:`core.model.memory.overruled`.
            between: called between blocks; may raise to stop.

        Raises:
            ValueError: an edge is not a multiple of :data:`STRIDE_PX`.
        """
        full, half, quarter = self._encode(image, guidance, between)
        between()
        read: Effect | None = None
        address: Address | None = None
        if self.memory is not None and not mute_memory:
            address = self.memory.address(quarter)
            if taught is not None:
                address = overruled(address, taught)
            if summary is None and self.memory.actual:
                summary = self.memory.summarise(address, _reduced(guidance), group)
                summary = summary.repeat_interleave(group, 0)
            if keep_actual is not None and summary is not None:
                summary = summary * keep_actual.to(summary).unsqueeze(-1)
            found = self.memory.read(address, summary, edit)
            read = found.effect
        elif self.path is not None:
            read = self.path(quarter)
        restored = self._decode(image, full, half, quarter, read, between)
        return NetworkOutput(restored, address)

    def encode(
        self, image: Tensor, guidance: Tensor | None = None, between: Between = _nothing
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What :meth:`decode` takes: features at full, 1/2 and 1/4 resolution, as they are before the memory is read.

        The same for every edit of the memory, so that many edits of a picture cost little more than half each.
        """
        return self._encode(image, guidance, between)

    def decode(
        self,
        image: Tensor,
        encoded: tuple[Tensor, Tensor, Tensor],
        summary: Tensor | None,
        edit: RowEdit | None = None,
        *,
        mute_memory: bool = False,
        taught: Tensor | None = None,
        between: Between = _nothing,
    ) -> Tensor:
        """(B, 3, H, W) float32, what :meth:`forward` restores, from features of :meth:`encode`, which stay as they are.

        Args:
            image: what was encoded, or the same part of it as the features.
            summary: (B, R, D) from :meth:`summarise`.
            taught: as of :meth:`forward`.
        """
        full, half, quarter = encoded
        read = None
        if not mute_memory:
            memory = self._memory()
            address = memory.address(quarter)
            if taught is not None:
                address = overruled(address, taught)
            read = memory.read(address, summary, edit).effect
        return self._decode(image, full, half, quarter, read, between)

    def _decode(
        self,
        image: Tensor,
        full: Tensor,
        half: Tensor,
        quarter: Tensor,
        read: Effect | None,
        between: Between,
    ) -> Tensor:
        light: Tensor | None = None
        if read is not None:
            # 1x1 convolutions commute with nearest-neighbour enlarging, so it is done last
            scale = functional.interpolate(read.scale, scale_factor=2, mode="nearest")
            shift = functional.interpolate(read.shift, scale_factor=2, mode="nearest")
            quarter = torch.addcmul(quarter + shift, quarter, scale)
            light = functional.interpolate(
                read.light.float(), scale_factor=STRIDE_PX, mode="bilinear", align_corners=False
            )
        for block in self.middle[self.config.read_after :]:
            between()
            quarter = block(quarter)
        between()
        half = self.up2(quarter).add_(half)
        for block in self.decoder:
            between()
            half = block(half)
        between()
        full = self.up1(half).add_(full)
        for block in self.finish:
            between()
            full = block(full)
        between()
        restored = image.float() + self.last(full).float()
        if light is not None:  # shadows divide light, so what lifts them multiplies it
            restored = torch.addcmul(restored, image.float(), light)
        return restored


def _memory(config: NetworkConfig) -> PrototypeMemory | PlainRead | None:
    channels = 4 * config.width
    if config.has_memory:
        return PrototypeMemory(
            channels, config.memory_dim, config.slots, config.granularities, config.polarities, config.actual
        )
    return PlainRead(channels) if config.path else None


def with_memory(config: NetworkConfig, kind: str) -> NetworkConfig:
    """A twin with about as many parameters and only a part of the memory.

    ``kind`` is one of :data:`core.model.config.MEMORIES`. What the memory saves is spent on one more block at 1/4.
    """
    try:
        granularities, polarities, actual, path = MEMORIES[kind]
    except KeyError:
        raise ValueError(f"memory {kind!r}: known are {', '.join(MEMORIES)}") from None
    twin = replace(
        config, granularities=granularities, polarities=polarities, actual=actual, path=path, spare=0
    )
    missing = _memory_parameters(config) - _memory_parameters(twin)
    channels = 4 * config.width
    spare = max(0, round((missing - channels) / (2 * 9 * channels + 1)))  # inner width of two convolutions
    return replace(twin, spare=spare)


def _memory_parameters(config: NetworkConfig) -> int:
    with torch.device("meta"):
        memory = _memory(config)
    return 0 if memory is None else sum(parameter.numel() for parameter in memory.parameters())


def _reduced(guidance: Tensor | None) -> Tensor | None:
    """A mask at the memory's resolution."""
    return None if guidance is None else functional.avg_pool2d(guidance.float(), STRIDE_PX)
