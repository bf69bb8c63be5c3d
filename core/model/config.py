"""What a network is made of, as plain values: shapes, names of the memory's parts, sizes. No torch.

The network itself is in :mod:`core.model.network`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

STRIDE_PX = 8  # pixels per position of the memory; tiles start at multiples of it
POLARITIES = ("positive", "negative")
GRANULARITIES = ("part", "instance", "semantic")


def slot_rows(counts: Sequence[int]) -> dict[tuple[str, str], slice]:
    """(polarity, granularity) -> its rows in a table of all slots, which holds ``counts`` (parts, instances, semantics)
    of each polarity."""
    found, at = {}, 0
    for polarity in POLARITIES:
        for granularity, count in zip(GRANULARITIES, counts, strict=True):
            found[polarity, granularity] = slice(at, at + count)
            at += count
    return found


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
