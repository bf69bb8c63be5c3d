"""The network: a small encoder-decoder of dense convolutions around a prototype memory.

Chosen for exact tiling: no statistic over the whole picture inside ``forward`` but the one that can be handed
in (the *actual* memory), a field of known radius (:attr:`NetworkConfig.halo_px`) and strides that divide
:data:`STRIDE_PX`. So a tile computed with its halo equals the same pixels of the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.model.memory import (
    GRANULARITIES,
    POLARITIES,
    Address,
    Effect,
    PlainRead,
    PrototypeMemory,
    RowEdit,
)

STRIDE_PX = 8  # pixels per position of the memory; tiles start at multiples of it


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Everything that decides the shapes of the weights.

    ``width`` is the channel count at full resolution (doubled at 1/2 and again at 1/4); ``blocks`` the residual
    blocks at full resolution, in the decoder only, at 1/2, counted once for each side, and at 1/4. ``granularities``
    and ``polarities`` are those that are read, none for a network without a memory; ``actual`` says whether slots
    also hold the photo's own content. For twins without a part of the memory: ``path`` puts one convolution where
    the memory would be read, ``spare`` is the inner width of one more block at 1/4, which spends the memory's parameters.
    """

    width: int = 32
    blocks: tuple[int, int, int] = (1, 2, 4)
    memory_dim: int = 64
    slots: tuple[int, int, int] = (64, 16, 8)
    granularities: tuple[str, ...] = GRANULARITIES
    polarities: tuple[str, ...] = POLARITIES
    actual: bool = True
    path: bool = False
    spare: int = 0

    def __post_init__(self) -> None:
        if not 4 <= self.width <= 256:
            raise ValueError(f"width {self.width}: need 4 to 256")
        for name, values in (("blocks", self.blocks), ("slots", self.slots)):
            if len(values) != 3 or any(not isinstance(v, int) or not 1 <= v <= 1024 for v in values):
                raise ValueError(f"{name} {values}: need three whole numbers from 1 to 1024")
        if not 4 <= self.memory_dim <= 1024:
            raise ValueError(f"memory_dim {self.memory_dim}: need 4 to 1024")
        for name, parts, known in (
            ("granularities", self.granularities, GRANULARITIES),
            ("polarities", self.polarities, POLARITIES),
        ):
            if tuple(part for part in known if part in parts) != tuple(parts):
                raise ValueError(f"{name} {parts}: need some of {', '.join(known)}, in this order")
        if bool(self.granularities) != bool(self.polarities):
            raise ValueError("granularities, polarities: name some of both or none of either")
        if self.path and self.granularities:
            raise ValueError("path: stands in for a memory, and there is one")
        if not 0 <= self.spare <= 4096:
            raise ValueError(f"spare {self.spare}: need 0 to 4096")

    @staticmethod
    def preset(name: str) -> NetworkConfig:
        """``"S"`` (about 1.8 M parameters) or ``"B"`` (about 3.9 M)."""
        try:
            return PRESETS[name.upper()]
        except KeyError:
            raise ValueError(f"preset {name!r}: known are {', '.join(PRESETS)}") from None

    def with_memory(self, kind: str) -> NetworkConfig:
        """A twin with about as many parameters and only a part of the memory.

        ``kind`` is one of :data:`MEMORIES`. What the memory saves is spent on one more block at 1/4.
        """
        try:
            granularities, polarities, actual, path = MEMORIES[kind]
        except KeyError:
            raise ValueError(f"memory {kind!r}: known are {', '.join(MEMORIES)}") from None
        twin = replace(
            self, granularities=granularities, polarities=polarities, actual=actual, path=path, spare=0
        )
        missing = self._memory_parameters() - twin._memory_parameters()
        channels = 4 * self.width
        spare = max(
            0, round((missing - channels) / (2 * 9 * channels + 1))
        )  # inner width of two convolutions
        return replace(twin, spare=spare)

    def _memory_parameters(self) -> int:
        with torch.device("meta"):
            memory = _memory(self)
        return 0 if memory is None else sum(parameter.numel() for parameter in memory.parameters())

    @property
    def has_memory(self) -> bool:
        return bool(self.granularities)

    @property
    def reads_damage(self) -> bool:
        """Whether negative slots are read, so that :func:`core.model.memory_edit.thorough` has an effect."""
        return self.has_memory and "negative" in self.polarities

    @property
    def halo_px(self) -> int:
        """Radius in pixels beyond which the input cannot change an output pixel, rounded up to the stride."""
        full, half, quarter = self.blocks
        radius = 1 + 2 * full + 1  # the first convolution, two a block, the last one
        radius += 2 * 2 * 2 * half  # both sides
        radius += 4 * 2 * (quarter + (self.spare > 0))
        radius += 3 + 1  # the blocks of 1/4 and of 1/2
        if self.has_memory or self.path:
            radius += (STRIDE_PX - 1) - 3 + STRIDE_PX  # the block of the memory's grid, and its interpolation
        return -(-radius // STRIDE_PX) * STRIDE_PX

    @property
    def decode_halo_px(self) -> int:
        """As :attr:`halo_px`, of what comes after the memory: how far around a part :meth:`MemoryNet.decode` looks."""
        full, half, quarter = self.blocks
        radius = 1 + 2 * full + 2 * 2 * half + 4 * 2 * (quarter - self.read_after + (self.spare > 0))
        radius += 3 + 1 + (STRIDE_PX - 1) + STRIDE_PX
        return -(-radius // STRIDE_PX) * STRIDE_PX

    @property
    def read_after(self) -> int:
        """Blocks at 1/4 before the memory, so that convolutions can use what was retrieved."""
        return max(1, self.blocks[2] // 2)

    def as_dict(self) -> dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> NetworkConfig:
        known = set(NetworkConfig.__dataclass_fields__)
        if extra := sorted(set(values) - known):
            raise ValueError(f"network: unknown keys {extra}; known are {sorted(known)}")
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return NetworkConfig(**plain)


MEMORIES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], bool, bool]] = {
    "all": (GRANULARITIES, POLARITIES, True, False),
    "none": ((), (), False, False),
    "path": ((), (), False, True),
    "positive": (GRANULARITIES, ("positive",), False, False),
    "prototypes": (GRANULARITIES, POLARITIES, False, False),
    "part": (("part",), POLARITIES, True, False),
    "instance": (("instance",), POLARITIES, True, False),
    "semantic": (("semantic",), POLARITIES, True, False),
}
"""Kinds of memory for comparisons: granularities and polarities read, whether slots hold the actual photo, and
whether one convolution stands where the memory would be read."""

PRESETS = {
    "S": NetworkConfig(),
    "B": NetworkConfig(width=48),
}


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
        full = torch.relu_(self.first(x.contiguous(memory_format=torch.channels_last)))
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
        between: Between = _nothing,
    ) -> Tensor:
        """(B, 3, H, W) float32, what :meth:`forward` restores, from features of :meth:`encode`, which stay as they are.

        Args:
            image: what was encoded, or the same part of it as the features.
            summary: (B, R, D) from :meth:`summarise`.
        """
        full, half, quarter = encoded
        read = None
        if not mute_memory:
            memory = self._memory()
            read = memory.read(memory.address(quarter), summary, edit).effect
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


def _reduced(guidance: Tensor | None) -> Tensor | None:
    """A mask at the memory's resolution."""
    return None if guidance is None else functional.avg_pool2d(guidance.float(), STRIDE_PX)
