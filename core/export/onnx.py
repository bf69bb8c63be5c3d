"""A model as an ONNX graph of any size, compared with PyTorch on a photo before anybody gets it.

What the graph takes and gives, which its metadata repeats:

- ``image`` (1, 3, height, width) float32 in 0..1, RGB in the photo's own encoding. Height and width are any multiples
  of 8 from 16 on: pad with the last row and column, and cut what comes out.
- ``guidance`` (1, 1, height, width) float32 in 0..1, 1 where the damage is, all 0 where that is unknown. Only models
  that were trained with masks take it.
- ``restored`` (1, 3, height, width) float32, clipped to 0..1.

What a photo's own content contributes to the memory is summarised within the graph, from the picture it is given. So
give it the whole photo where that fits; MemoryNet itself takes the summary of a photo whose longer edge is beyond
640 px from a smaller copy, and cuts large photos into tiles, so there the two differ slightly.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core import __version__, atomic, extras
from core.events import ItemStarted
from core.export.folder import ExportError
from core.images import io as image_io
from core.jobs import Emit, JobControl
from core.model import checkpoint, tensors
from core.model.checkpoint import LoadedModel
from core.model.config import STRIDE_PX
from core.model.network import MemoryNet
from core.places import without_places

SMALLEST_PX = 2 * STRIDE_PX
"""Shortest edge: the exporter tells one position of the memory's grid from many, so there are two at least."""
_VERIFY_PX = 512  # of a larger photo its middle is compared
_EXAMPLE_PX = (6 * STRIDE_PX, 8 * STRIDE_PX)  # what is traced; unequal, or one name would serve both edges
_ALLOWED_LEVELS = 0.5  # of 255: what would change a rounded pixel at all
_STAGES = 4


@dataclass(frozen=True, slots=True)
class OnnxReport:
    """What was written and how near it comes to PyTorch."""

    path: Path
    file_bytes: int
    opset: int
    inputs: tuple[str, ...]  # "image", and "guidance" where the model takes masks
    max_difference_levels: float  # largest difference of any value of the photo, in levels of 255
    sizes: tuple[tuple[int, int], ...]  # (width, height) compared, px
    photo: str  # its file name
    seconds: float


def export_onnx(model: Path, target: Path, photo: Path, emit: Emit, control: JobControl) -> OnnxReport:
    """Write ``model`` to the new file ``target`` and compare it with PyTorch on ``photo``.

    Raises:
        MissingExtra: the extra "onnx" is not installed.
        ExportError: ``target`` exists, ``photo`` is too small, or what the graph computes differs.
        CheckpointError: ``model`` cannot be loaded.
        ImageError: ``photo`` cannot be read.
        Cancelled, OSError: nothing is left behind.
    """
    extras.require("onnx")
    began = time.monotonic()
    if target.exists() or target.is_symlink():
        raise ExportError(f"{target}: exists already; choose another name")
    emit(ItemStarted(1, _STAGES, "reading model and photo"))
    loaded = checkpoint.load(model)
    pictures = _pictures(photo)
    control.checkpoint()
    emit(ItemStarted(2, _STAGES, "translating the network, which takes a minute"))
    takes_guidance = bool(loaded.provenance.get("guidance"))
    graph = _translate(loaded.network, takes_guidance)
    control.checkpoint()
    emit(ItemStarted(3, _STAGES, "comparing with PyTorch"))
    _describe(graph, loaded, takes_guidance)
    data = graph.SerializeToString()
    worst = _compare(data, loaded.network, pictures, takes_guidance, control)
    if not worst <= _ALLOWED_LEVELS:  # also when it is NaN
        raise ExportError(
            f"{loaded.name}: the ONNX graph differs from PyTorch by {worst:.3g} levels of 255 on {photo.name}, "
            f"allowed are {_ALLOWED_LEVELS}"
        )
    emit(ItemStarted(4, _STAGES, "writing the file"))
    control.checkpoint()
    atomic.write_bytes(target, data)
    return OnnxReport(
        path=target,
        file_bytes=len(data),
        opset=next(entry.version for entry in graph.opset_import if not entry.domain),
        inputs=tuple(entry.name for entry in graph.graph.input),
        max_difference_levels=worst,
        sizes=tuple((picture.shape[3], picture.shape[2]) for picture in pictures),
        photo=photo.name,
        seconds=time.monotonic() - began,
    )


class _Restorer(nn.Module):
    """The network as the graph has it: pictures in, a picture out."""

    def __init__(self, network: MemoryNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, guidance: Tensor | None = None) -> Tensor:
        restored: Tensor = self.network(image, guidance).restored
        return restored.clamp(0, 1)


def _pictures(photo: Path) -> list[Tensor]:
    """The photo's middle and a part of it of another shape, each (1, 3, H, W): a size must not be baked in."""
    pixels = image_io.read(photo).pixels
    height, width = (min(edge, _VERIFY_PX) // STRIDE_PX * STRIDE_PX for edge in pixels.shape[:2])
    if min(height, width) < SMALLEST_PX:
        raise ExportError(
            f"{photo.name}: {pixels.shape[1]}x{pixels.shape[0]} px, need at least {SMALLEST_PX} each way to compare"
        )
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    whole = tensors.to_tensor(pixels[top : top + height, left : left + width]).contiguous()
    half = max(SMALLEST_PX, width // 2 // STRIDE_PX * STRIDE_PX)
    return [whole, whole[..., :half].contiguous()]


def _translate(network: MemoryNet, takes_guidance: bool) -> Any:
    """The network as an onnx.ModelProto with free height and width."""
    height = STRIDE_PX * torch.export.Dim("height8", min=1)
    width = STRIDE_PX * torch.export.Dim("width8", min=1)
    image = torch.zeros(1, 3, *_EXAMPLE_PX)
    names = ["image", "guidance"] if takes_guidance else ["image"]
    with _quiet():
        program = torch.onnx.export(
            _Restorer(network).eval(),
            (image, image[:, :1]) if takes_guidance else (image,),
            input_names=names,
            output_names=["restored"],
            dynamic_shapes={name: {2: height, 3: width} for name in names},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says about itself: that it uses something deprecated, and lacks torchvision."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings("ignore", "# The axis name")  # of the second input, which is the first's
            yield
    finally:
        log.setLevel(level)


def _describe(graph: Any, model: LoadedModel, takes_guidance: bool) -> None:
    """Exchange the exporter's notes, which name files of this machine, for what a user needs to know."""
    for holder in (graph, graph.graph, *graph.functions):
        del holder.metadata_props[:]
    nodes = [*graph.graph.node, *(node for function in graph.functions for node in function.node)]
    for item in (
        *nodes,
        *graph.graph.value_info,
        *graph.graph.input,
        *graph.graph.output,
        *graph.graph.initializer,
    ):
        del item.metadata_props[:]
        item.doc_string = ""
    graph.producer_name, graph.producer_version = "MemoryNet", __version__
    graph.doc_string = f"{model.name}: MemoryNet for {model.task}"
    facts = {
        "name": model.name,
        "task": model.task,
        "weights_sha256": model.sha256,
        "stride_px": str(STRIDE_PX),
        "halo_px": str(model.network.config.halo_px),
        "image": f"(1, 3, height, width) float32, RGB in 0..1; edges are multiples of {STRIDE_PX} px, at least "
        f"{SMALLEST_PX}; pad with the last row and column, cut the result",
        "restored": "(1, 3, height, width) float32 in 0..1",
        "memory": "what the photo contributes to the memory is summarised within, from the image given",
        "provenance": json.dumps(without_places(dict(model.provenance)), ensure_ascii=False),
        "licence": "none is stated; whoever passes the file on states one",
    }
    if takes_guidance:
        facts["guidance"] = "(1, 1, height, width) float32, 1 where the damage is; all 0 when unknown"
    for key, value in facts.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value


def _compare(
    data: bytes, network: MemoryNet, pictures: list[Tensor], takes_guidance: bool, control: JobControl
) -> float:
    """Largest difference between the graph and PyTorch, in levels of 255."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of graphics cards that are not there
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    worst = []
    for image in pictures:
        hints: list[Tensor | None] = [None]
        if takes_guidance:
            mask = torch.zeros_like(image[:, :1])
            mask[..., : image.shape[-1] // 2] = 1
            hints = [torch.zeros_like(mask), mask]
        for hint in hints:
            control.checkpoint()
            with torch.inference_mode():
                expected = network(image, hint, between=control.checkpoint).restored.clamp(0, 1).numpy()
            given = {"image": image.numpy()} | ({} if hint is None else {"guidance": hint.numpy()})
            found = session.run(None, given)[0]
            worst.append(255 * float(np.abs(found - expected).max()))
    return max(worst)
