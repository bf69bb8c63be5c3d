"""The memory in a restoration: the photo's own content shared by all tiles, edits of it, masks beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.guidance import MaskError
from core.events import LadderStep, RestoreStarted
from core.images import io as image_io
from core.jobs import Cancelled, JobControl, ignore
from core.model import checkpoint
from core.model.memory_edit import MemoryEdit, MemoryEditError, Slots, Step
from core.model.network import MemoryNet
from core.restoring import passes, views
from core.restoring.restore import RestoreError, RestoreRequest, restore
from tests.small import SMALL, photo, save_small_model, small_network


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that does what its memory says: leaving it out moves a pixel by some 13 of 255 levels."""
    network = small_network(3)
    assert network.memory is not None
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for layer in (network.memory.mix, network.memory.out):
            noise = torch.randn(layer.weight.shape, generator=generator)
            layer.weight.copy_(noise / layer.weight.shape[1] ** 0.5)
    folder = tmp_path_factory.mktemp("model") / "strong"
    return checkpoint.save(folder, network, name="strong", task="derain", provenance={"guidance": True})


@pytest.fixture(autouse=True)
def _reduced_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with large photos, but quick to compute."""
    monkeypatch.setattr(views, "SUMMARY_WHOLE_PX", 120)
    monkeypatch.setattr(views, "SUMMARY_PX", 90)


def picture(width: int, height: int, seed: int = 0, dtype: type = np.uint8) -> image_io.Picture:
    return image_io.from_array(photo(width, height, seed, dtype))


def spot(width: int, height: int) -> np.ndarray:
    """A mask with a soft edge, off the centre."""
    y, x = np.mgrid[0:height, 0:width]
    away = np.hypot(x - 0.3 * width, y - 0.4 * height)
    return np.clip(255 * (1.5 - away / (0.2 * max(width, height) + 1)), 0, 255).astype(np.uint8)


def run(what: image_io.Picture, model: Path, **options: Any) -> np.ndarray:
    request = RestoreRequest(model=model, device="cpu", **options)
    return restore(what, request, ignore, JobControl()).pixels.astype(int)


SWAPPED = MemoryEdit((Step("swap", Slots("positive"), other=Slots("negative")),))
MUTED = MemoryEdit((Step("mute"),))
SOME = MemoryEdit(
    (
        Step("mute", Slots("negative", "part", (1, 5, 7))),
        Step("boost", Slots("positive", "instance"), 3),
        Step("swap", Slots("positive", "part", (0, 1)), other=Slots("negative", "part", (2, 9))),
    )
)


# --- tiles and the whole -------------------------------------------------------------------------

SIZES = st.one_of(st.integers(1, 40), st.integers(100, 260))


@given(
    SIZES, SIZES, st.sampled_from([64, 72, 136]), st.sampled_from(["fp32", "bf16"]),
    st.sampled_from([None, SOME, replace(SOME, contents="actual")]), st.booleans(),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_tiles_equal_the_whole_with_edits_and_masks(
    model: Path, width: int, height: int, tile_px: int, precision: str, edit: MemoryEdit | None, told: bool
) -> None:
    """Sizes on both sides of the one from which the photo's own content comes from a reduced copy."""
    what = picture(width, height, width * 1000 + height)
    mask = spot(width, height) if told else None
    options = {"precision": precision, "memory_edit": edit, "mask": mask}
    whole = run(what, model, tile_px=4096, **options)
    assert np.abs(run(what, model, tile_px=tile_px, **options) - whole).max() <= 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("size", [(110, 104), (250, 90)])
def test_tiles_equal_the_whole_at_sixteen_bit(model: Path, size: tuple[int, int], precision: str) -> None:
    what = picture(*size, dtype=np.uint16)
    whole = run(what, model, tile_px=4096, precision=precision)
    assert np.abs(run(what, model, tile_px=64, precision=precision) - whole).max() <= 257


@pytest.mark.parametrize("size", [(110, 104), (250, 90)])
def test_the_memory_tells(model: Path, size: tuple[int, int]) -> None:
    """Else the laws above would say nothing about it."""
    what = picture(*size)
    whole = run(what, model)
    assert np.abs(whole - run(what, model, mute_memory=True)).mean() > 5
    actual = MemoryEdit((Step("mute"),), "actual")
    assert np.abs(whole - run(what, model, memory_edit=actual)).mean() > 1


def test_every_tile_reads_from_all_of_the_photo(model: Path) -> None:
    """Far away from a change, beyond the field of the network, the result changes with it."""
    one, other = photo(400, 64, 1), photo(400, 64, 1)
    other[:, 300:] = photo(100, 64, 8)
    far = 300 - SMALL.halo_px - 16
    options: dict[str, Any] = {"tile_px": 64, "precision": "fp32"}
    first, second = (run(image_io.from_array(pixels), model, **options) for pixels in (one, other))
    assert np.abs(first - second)[:, :far].max() > 0
    learned_only = {**options, "memory_edit": MemoryEdit((Step("mute"),), "actual")}
    first, second = (run(image_io.from_array(pixels), model, **learned_only) for pixels in (one, other))
    assert np.abs(first - second)[:, :far].max() == 0


def test_one_summary_serves_all_tiles(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_to: list[torch.Tensor] = []
    made: list[None] = []
    forward, summarise = MemoryNet.forward, passes._Job._summarise

    def watched(self: MemoryNet, image: torch.Tensor, guide: Any, summary: Any, **more: Any) -> Any:
        given_to.append(summary)
        return forward(self, image, guide, summary, **more)

    def counted(self: Any) -> torch.Tensor:
        made.append(None)
        return summarise(self)

    monkeypatch.setattr(MemoryNet, "forward", watched)
    monkeypatch.setattr(passes._Job, "_summarise", counted)
    run(picture(250, 200), model, tile_px=64)
    assert len(given_to) == 16 and len(made) == 1
    assert all(torch.equal(summary, given_to[0]) for summary in given_to)
    run(picture(100, 64), model, tile_px=64)
    assert len(made) == 2, "also a small photo in tiles"
    run(picture(100, 64), model)
    run(picture(250, 200), model, mute_memory=True)
    assert len(made) == 2, "all at once it is at hand, and muted it is not needed"


def test_networks_without_the_memory_or_without_the_actual_one(tmp_path: Path) -> None:
    what = picture(200, 150)
    for name, config in (
        ("none", replace(SMALL, granularities=(), polarities=())),
        ("learned", replace(SMALL, actual=False)),
        ("parts", replace(SMALL, granularities=("part",), polarities=("positive",))),
    ):
        torch.manual_seed(1)
        network = MemoryNet(config)
        for layer in (network.last, *([network.memory.out] if network.memory is not None else [])):
            torch.nn.init.normal_(layer.weight, std=0.1)
        path = checkpoint.save(tmp_path / name, network, name=name, task="derain", provenance={})
        whole = run(what, path, tile_px=4096)
        assert np.abs(run(what, path, tile_px=64) - whole).max() <= 1
        assert np.abs(whole - what.pixels).max() > 1
        if network.memory is None:
            with pytest.raises(MemoryEditError, match="no memory to edit"):
                run(what, path, memory_edit=MUTED)
        else:
            muted = run(what, path, memory_edit=MUTED, precision="fp32")
            assert np.array_equal(muted, run(what, path, mute_memory=True, precision="fp32"))


# --- edits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(100, 80), (250, 130)])
def test_muting_every_slot_is_leaving_the_memory_out(model: Path, size: tuple[int, int]) -> None:
    what = picture(*size, dtype=np.uint16)
    muted = run(what, model, memory_edit=MUTED, precision="fp32", tile_px=64)
    assert np.array_equal(muted, run(what, model, mute_memory=True, precision="fp32", tile_px=64))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_edits_that_change_nothing(model: Path, precision: str) -> None:
    what = picture(150, 90, dtype=np.uint16)
    plain = run(what, model, precision=precision)
    (swap,) = SWAPPED.steps
    one = Step("swap", Slots("", "part", (1, 2)), other=Slots("", "part", (7, 3)))
    boost = Step("boost", Slots("positive"), 1.0)
    for steps in ((), (boost,), (swap, swap), (one, swap, boost, swap, one)):
        edit = MemoryEdit(steps)
        assert np.array_equal(run(what, model, precision=precision, memory_edit=edit), plain)
        # and not only because nothing was handed over: its rows are read as they are
        network = passes.load_model(model, "cpu", precision).network
        x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
        with torch.inference_mode():
            assert torch.equal(network(x, edit=edit.rows(network.config)).restored, network(x).restored)


def test_edits_that_change_something(model: Path) -> None:
    what = picture(150, 90)
    plain = run(what, model, precision="fp32")
    boosted = MemoryEdit((Step("boost", Slots("negative"), 2),))
    for edit in (
        SWAPPED,
        replace(SWAPPED, contents="actual"),
        replace(SWAPPED, contents="learned"),
        boosted,
        SOME,
    ):
        assert np.abs(run(what, model, precision="fp32", memory_edit=edit) - plain).mean() > 0.2, edit


def test_what_was_done_to_the_memory_is_recorded(model: Path, tmp_path: Path) -> None:
    def told(**options: Any) -> tuple[str, str]:
        result = restore(picture(20, 16), RestoreRequest(model=model, **options), ignore, JobControl())
        return result.memory, result.mask

    assert told() == ("unchanged", "none")
    assert told(mute_memory=True)[0] == "muted"
    assert told(memory_edit=SOME)[0] == f"edited {SOME.sha256()[:16]}"
    one, other = told(mask=spot(20, 16))[1], told(mask=255 - spot(20, 16))[1]
    assert len({one, other, "none"}) == 3


# --- masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(100, 80), (250, 130)])
def test_a_mask_is_heard(model: Path, size: tuple[int, int]) -> None:
    what = picture(*size)
    options: dict[str, Any] = {"precision": "fp32", "tile_px": 64}
    plain = run(what, model, **options)
    with pytest.raises(MaskError, match="black"):
        run(what, model, mask=np.zeros(size[::-1], np.uint8), **options)
    assert not np.array_equal(run(what, model, mask=spot(*size), **options), plain)


def test_the_smallest_spot_still_counts_in_the_reduced_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((2000, 3000), np.uint8)
    mask[1234, 777] = 255
    monkeypatch.setattr(views, "SUMMARY_PX", 60)
    small = views.reduced_mask(mask)
    assert small.shape == (40, 60) == views.reduced_copy(np.zeros((2000, 3000, 3), np.uint8)).shape[:2]
    assert np.argwhere(small).tolist() == [[1234 // 50, 777 // 50]]
    assert views.reduced_mask(mask[:100, :100]).dtype == np.uint8


def test_the_photo_s_own_content_is_split_by_the_mask(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the mask says damaged, positive slots collect nothing: the reduced mask lies over the reduced photo."""
    network = passes.load_model(model, "cpu", "fp32").network
    monkeypatch.setattr(views, "SUMMARY_PX", 128)  # half as large, so the mask ends at the grid's 8 px
    mask = np.zeros((200, 256), np.uint8)
    mask[:, :128] = 255

    def summary(pixels: np.ndarray, tile_px: int) -> torch.Tensor:
        request = RestoreRequest(model=model, precision="fp32", tile_px=tile_px, mask=mask)
        loaded = passes.load_model(model, "cpu", "fp32")
        job = passes._Job(pixels, request, loaded, "cpu", "fp32", ignore, JobControl())
        return job._summarise()

    half = 21
    one, other = photo(256, 200, 1), photo(256, 200, 1)
    # far enough from the border that no sound position sees it
    unseen = 128 - 2 * network.config.halo_px
    other[:, :unseen] = photo(256, 200, 7)[:, :unseen]
    first, second = summary(one, 4096), summary(other, 4096)
    assert torch.allclose(first[:, :half], second[:, :half], atol=1e-5)
    assert not torch.allclose(first[:, half:], second[:, half:], atol=1e-4)
    assert torch.allclose(first, summary(one, 64), atol=1e-6)


def test_requests_that_cannot_be_met(model: Path, tmp_path: Path) -> None:
    blind = save_small_model(tmp_path / "small")
    with pytest.raises(RestoreError, match="model small was trained without masks"):
        run(picture(8, 8), blind, mask=spot(8, 8))
    with pytest.raises(RestoreError, match="a muted memory cannot be edited"):
        RestoreRequest(mute_memory=True, memory_edit=MUTED)
    with pytest.raises(RestoreError, match=r"mask of \(4, 4, 3\) uint8"):
        RestoreRequest(mask=np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(RestoreError, match="float64"):
        RestoreRequest(mask=np.zeros((4, 4)))
    with pytest.raises(MaskError, match="5x4 px, need the photo's 4x5 px"):
        run(picture(4, 5), model, mask=np.zeros((4, 5), np.uint8))
    with pytest.raises(MemoryEditError, match="this model has 12 part slots"):
        run(picture(4, 5), model, memory_edit=MemoryEdit((Step("mute", Slots("", "part", (12,))),)))
    assert RestoreRequest(mask=spot(8, 8)) == RestoreRequest(mask=spot(8, 8))
    assert "mask" not in repr(RestoreRequest(mask=spot(8, 8)))


# --- short memory, stopping ----------------------------------------------------------------------


def short_of_memory(monkeypatch: pytest.MonkeyPatch, largest_px: int) -> list[tuple[int, int]]:
    """Whatever the network is to look at fails above this many pixels; -> what it was asked for."""
    encode, asked = MemoryNet._encode, []

    def limited(self: MemoryNet, image: torch.Tensor, *args: Any) -> Any:
        asked.append(tuple(image.shape[-2:]))
        if image.shape[-1] * image.shape[-2] > largest_px:
            raise RuntimeError("CUDA out of memory. Tried")
        return encode(self, image, *args)

    monkeypatch.setattr(MemoryNet, "_encode", limited)
    return asked


def test_the_ladder_holds_for_the_summary(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "SUMMARY_WHOLE_PX", 300)
    monkeypatch.setattr(views, "SUMMARY_PX", 290)
    what = picture(310, 280)
    expected = run(what, model, precision="fp32")
    largest = 64 + 2 * SMALL.halo_px
    short_of_memory(monkeypatch, largest**2)
    events: list[object] = []
    request = RestoreRequest(model=model, device="cpu", precision="fp32")
    result = restore(what, request, events.append, JobControl())
    assert result.tile_px == 64 and len(result.notes) > 1
    assert np.abs(result.pixels - expected).max() <= 1
    # the copy is larger than what there is room for, so the summary itself went down the ladder
    assert isinstance(events[0], RestoreStarted) and isinstance(events[1], LadderStep)


def test_the_processor_goes_on_with_the_same_summary(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = passes._Job(
        picture(200, 150).pixels, RestoreRequest(model=model, precision="fp32", tile_px=64),
        passes.load_model(model, "cpu", "fp32"), "cpu", "fp32", ignore, JobControl(),
    )  # fmt: skip
    job.device = "mps"
    to_tensor, forward = views.to_tensor, MemoryNet.forward
    summaries: list[torch.Tensor] = []

    def watched(self: MemoryNet, image: torch.Tensor, guide: Any, summary: Any, **more: Any) -> Any:
        summaries.append(summary)
        if len(summaries) == 3:
            raise RuntimeError("MPS backend out of memory")
        return forward(self, image, guide, summary, **more)

    monkeypatch.setattr(views, "to_tensor", lambda pixels, device: to_tensor(pixels, "cpu"))
    monkeypatch.setattr(MemoryNet, "forward", watched)
    monkeypatch.setattr(passes._Job, "_summarise", _once(passes._Job._summarise))
    pixels = job.run()
    assert job.device == "cpu"
    assert all(torch.equal(summary, summaries[0]) for summary in summaries)
    monkeypatch.undo()
    monkeypatch.setattr(views, "SUMMARY_WHOLE_PX", 120)
    monkeypatch.setattr(views, "SUMMARY_PX", 90)
    assert np.abs(pixels.astype(int) - run(picture(200, 150), model, precision="fp32")).max() <= 1


def _once(summarise: Any) -> Any:
    calls: list[None] = []

    def checked(self: Any) -> torch.Tensor:
        calls.append(None)
        assert len(calls) == 1, "made again"
        return summarise(self)

    return checked


def test_a_cancel_takes_hold_within_the_summary(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = JobControl()
    address, between_calls = MemoryNet.address, []

    def watched(self: MemoryNet, image: torch.Tensor, guide: Any = None, *, between: Any) -> Any:
        def counted() -> None:
            between_calls.append(None)
            if len(between_calls) == 2:
                control.cancel()
            between()

        return address(self, image, guide, counted)

    def never(*_args: Any, **_more: Any) -> None:
        raise AssertionError("a tile was begun")

    monkeypatch.setattr(MemoryNet, "address", watched)
    monkeypatch.setattr(MemoryNet, "forward", never)
    with pytest.raises(Cancelled):
        restore(picture(200, 150), RestoreRequest(model=model, device="cpu"), ignore, control)
    assert len(between_calls) == 2


def test_the_time_left_speaks_of_tiles_alone(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow summary is worked off once; it must not be foretold for every tile."""
    left: list[float] = []
    summarise = passes._Job._summarise
    now = [0.0]
    monkeypatch.setattr(passes.time, "monotonic", lambda: now[0])

    def slow(self: Any) -> torch.Tensor:
        now[0] += 100.0
        return summarise(self)

    def tile(self: Any, what: Any) -> np.ndarray:
        now[0] += 1.0
        return np.zeros((what.height, what.width, 3), np.uint8)

    monkeypatch.setattr(passes._Job, "_summarise", slow)
    monkeypatch.setattr(passes._Job, "_restore_tile", tile)
    request = RestoreRequest(model=model, device="cpu", tile_px=64)

    def watch(event: object) -> None:
        left.append(getattr(event, "seconds_left", 0.0))

    result = restore(picture(256, 64), request, watch, JobControl())
    assert left[1:] == pytest.approx([3, 2, 1, 0])
    assert result.seconds == pytest.approx(104)
