"""Restoring is tiled, exact, interruptible and survives short memory."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.degrade.rain import RainParams, rain
from core.events import LadderStep, RestoreStarted, TileDone
from core.images import io as image_io
from core.jobs import Cancelled, JobControl, ignore
from core.model import catalog, checkpoint
from core.model.checkpoint import CheckpointError
from core.model.network import MemoryNet
from core.model.tensors import DeviceError, NotFinite
from core.problems import describe
from core.restoring import passes, views
from core.restoring.records import Restored, RestoreError, RestoreRequest
from core.restoring.restore import preview, restore
from tests.small import photo, save_small_model, small_network


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("model") / "small", seed=1)


def picture(width: int, height: int, seed: int = 0, dtype: type = np.uint8) -> image_io.Picture:
    return image_io.from_array(photo(width, height, seed, dtype))


def run(what: image_io.Picture, model: Path, **options: object) -> Restored:
    """At the photo's own size unless asked otherwise: what happens to copies is test_scales' to say."""
    options.setdefault("scale", "1")
    return restore(what, RestoreRequest(model=model, device="cpu", **options), ignore, JobControl())  # type: ignore[arg-type]


@given(
    st.integers(1, 150),
    st.integers(1, 150),
    st.sampled_from([64, 72, 100, 1000]),
    st.sampled_from(["fp32", "bf16"]),
)
@settings(max_examples=25, deadline=None)
def test_any_size_restored_in_tiles_equals_the_whole(
    model: Path, width: int, height: int, tile_px: int, precision: str
) -> None:
    what = picture(width, height, width * 1000 + height)
    tiled = run(what, model, tile_px=tile_px, precision=precision).pixels.astype(int)
    whole = run(what, model, tile_px=4096, precision=precision).pixels.astype(int)
    assert tiled.shape == (height, width, 3)
    assert np.abs(tiled - whole).max() <= 1
    if max(width, height) > 8:  # and the network did something, so that the comparison means something
        assert np.abs(whole - what.pixels).max() > 1


@pytest.mark.parametrize(
    ("precision", "height", "width", "tiles_px"), [("fp32", 232, 88, (64, 136)), ("bf16", 40, 232, (136,))]
)
def test_shipped_weights_on_rain_tiles_equal_the_whole(
    precision: str, height: int, width: int, tiles_px: tuple[int, ...]
) -> None:
    """With the shipped weights, on rainy photos of more than two halos one way, at most one level of 255 anywhere.

    Where bf16 is emulated it takes ten times as long: two tiles are enough of it."""
    sample = next(iter(catalog.samples()))
    clean = image_io.read(sample.truth or sample.path).pixels[:height, :width].astype(np.float32) / 255
    heavy = RainParams(untouched=0, jpeg=0)
    rainy = np.rint(rain(clean, np.random.default_rng(5), heavy) * 255).astype(np.uint8)
    what = image_io.from_array(rainy)
    path = catalog.default_model("derain")
    whole = run(what, path, tile_px=4096, precision=precision).pixels.astype(int)
    assert np.abs(whole - rainy).max() > 20
    for tile_px in tiles_px:
        tiled = run(what, path, tile_px=tile_px, precision=precision).pixels.astype(int)
        assert np.abs(tiled - whole).max() <= 1


def test_sixteen_bit_keeps_its_depth(model: Path) -> None:
    ramp = np.linspace(8000, 56000, 512 * 64).astype(np.uint16).reshape(64, 512)
    what = image_io.from_array(np.repeat(ramp[..., None], 3, axis=2))
    restored = run(what, model, precision="bf16")
    assert restored.pixels.dtype == np.uint16
    assert len(np.unique(restored.pixels[..., 0])) > 4096


def test_events_tell_the_whole_story(model: Path) -> None:
    events: list[object] = []
    what = picture(200, 130)
    result = restore(what, RestoreRequest(model=model, device="cpu", tile_px=64), events.append, JobControl())
    assert isinstance(events[0], RestoreStarted)
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert len(tiles) == events[0].tile_count == 12
    assert [tile.index for tile in tiles] == list(range(1, 13))
    assert tiles[-1].seconds_left == 0
    assembled = np.zeros_like(what.pixels)
    for tile in tiles:
        assembled[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = tile.pixels
    assert np.array_equal(assembled, result.pixels)
    assert result.model_name == "small"
    assert result.megapixels_per_s > 0


def test_what_is_looked_at_is_restored_first(model: Path) -> None:
    events: list[object] = []
    request = RestoreRequest(model=model, device="cpu", tile_px=64, focus=(150, 100, 20, 20))
    restore(picture(256, 192), request, events.append, JobControl())
    first = next(event for event in events if isinstance(event, TileDone))
    assert (first.x, first.y) == (128, 64)


def test_muted_memory_differs(model: Path) -> None:
    what = picture(64, 64)
    assert not np.array_equal(run(what, model).pixels, run(what, model, mute_memory=True).pixels)


# --- short memory --------------------------------------------------------------------------------------


def fail_when(
    monkeypatch: pytest.MonkeyPatch, too_large: int, message: str = "CUDA out of memory. Tried"
) -> None:
    forward = MemoryNet.forward

    def limited(self: MemoryNet, image: torch.Tensor, *args: object, **kwargs: object) -> object:
        if image.shape[-1] * image.shape[-2] > too_large:
            raise RuntimeError(message)
        return forward(self, image, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryNet, "forward", limited)


def test_the_ladder_takes_smaller_tiles_and_says_so(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what = picture(400, 260)
    expected = run(what, model, precision="fp32").pixels.astype(int)
    fail_when(monkeypatch, 220 * 220)
    events: list[object] = []
    result = restore(
        what, RestoreRequest(model=model, device="cpu", precision="fp32"), events.append, JobControl()
    )
    steps = [event for event in events if isinstance(event, LadderStep)]
    assert len(steps) >= 1
    assert steps[-1].tile_px < 256
    assert "out of memory" in steps[0].reason
    assert result.notes
    assert np.abs(result.pixels.astype(int) - expected).max() <= 1
    last = [event for event in events if isinstance(event, TileDone)][-1]
    assert last.index == last.count


def test_what_was_done_before_memory_ran_short_is_not_done_again(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[object] = []
    forward, calls = MemoryNet.forward, []

    def later(self: MemoryNet, image: torch.Tensor, *args: object, **kwargs: object) -> object:
        calls.append(image.shape)
        if len(calls) == 3:
            raise MemoryError
        return forward(self, image, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryNet, "forward", later)
    request = RestoreRequest(model=model, device="cpu", tile_px=128)
    restore(picture(256, 256), request, events.append, JobControl())
    covered = np.zeros((256, 256), int)
    for event in events:
        if isinstance(event, TileDone):
            covered[event.y : event.y + event.height, event.x : event.x + event.width] += 1
    assert (covered == 1).all()


def test_below_the_ladder_there_is_an_error(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_when(monkeypatch, 0)
    with pytest.raises(MemoryError, match="64 px"):
        run(picture(100, 100), model)


def test_other_failures_are_not_mistaken_for_short_memory(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_when(monkeypatch, 0, "expected scalar type Float but found Half")
    with pytest.raises(RuntimeError, match="scalar type"):
        run(picture(100, 100), model)


@pytest.mark.parametrize("weight", [3e37, 1e9])
def test_weights_that_overflow_give_an_error_and_no_black_picture(tmp_path: Path, weight: float) -> None:
    network = small_network(1)
    with torch.no_grad():
        network.last.weight.fill_(weight)
    folder = checkpoint.save(tmp_path / "wild", network, name="wild", task="derain", provenance={})
    with pytest.raises(NotFinite) as caught:
        run(picture(40, 30), folder)
    assert describe(caught.value).expected


def test_from_a_card_to_the_processor(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last rung, with the processor playing a card that has no memory at all."""
    job = passes._Job(
        picture(90, 70).pixels, RestoreRequest(model=model), passes.load_model(model, "cpu", "fp32"), "cpu", "fp32",
        ignore, JobControl(),
    )  # fmt: skip
    job.device, job.tile_px = "mps", 64
    to_tensor = views.to_tensor

    def no_room(pixels: np.ndarray, device: str) -> torch.Tensor:
        if device == "mps":
            raise RuntimeError("MPS backend out of memory")
        return to_tensor(pixels, device)

    monkeypatch.setattr(views, "to_tensor", no_room)
    job.run()
    assert job.device == "cpu"
    assert any("processor" in note for note in job.notes)


def test_the_processor_gets_tiles_of_its_own_size(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was cut into small pieces for a full card is not left in pieces: each costs a halo."""
    job = passes._Job(
        picture(400, 300).pixels, RestoreRequest(model=model, precision="fp32"), passes.load_model(model, "cpu", "fp32"), "cpu",
        "fp32", ignore, JobControl(),
    )  # fmt: skip
    job.device, job.tile_px = "mps", 256
    to_tensor = views.to_tensor
    events: list[object] = []
    job.emit = events.append
    tried: list[int] = []
    room_px = (64 + 2 * job.halo_px) ** 2

    def room_for_one(pixels: np.ndarray, device: str) -> torch.Tensor:
        full = any(isinstance(event, TileDone) for event in events)  # one tile of 64 px passes
        if device == "mps":
            tried.append(job.tile_px)
            if full or pixels.shape[0] * pixels.shape[1] > room_px:
                raise RuntimeError("MPS backend out of memory")
        return to_tensor(pixels, "cpu")

    monkeypatch.setattr(views, "to_tensor", room_for_one)
    result = job.run()
    tiles = [event for event in events if isinstance(event, TileDone)]
    covered = np.zeros((300, 400), int)
    for tile in tiles:
        covered[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
    assert (covered == 1).all()
    assert tried[:2] == [256, 128] and set(tried[2:]) == {64}
    # three tiles of the first plan in one piece each; of the fourth, one part was done already
    assert len(tiles) == 1 + 15 + 3
    assert max(tile.width for tile in tiles) == 256
    assert tiles[-1].index == tiles[-1].count
    monkeypatch.undo()
    assert np.abs(result.astype(int) - run(picture(400, 300), model, precision="fp32").pixels).max() <= 1


def test_a_card_too_full_for_the_model_means_the_processor(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_model = passes.load_model

    def full(path: Path, device: str, precision: str) -> object:
        if device == "mps":
            raise torch.OutOfMemoryError("MPS backend out of memory (allocated 17 GiB)\nmore")
        return load_model(path, device, precision)

    monkeypatch.setattr(passes, "load_model", full)
    monkeypatch.setattr(passes, "choose_device", lambda name: "mps")
    events: list[object] = []
    result = restore(picture(40, 30), RestoreRequest(model=model), events.append, JobControl())
    assert result.device == "cpu"
    assert result.notes
    assert isinstance(events[0], LadderStep)
    assert events[0].reason == "MPS backend out of memory (allocated 17 GiB)"


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUBLAS_STATUS_ALLOC_FAILED when",
    ],
)
def test_the_libraries_below_have_words_of_their_own_for_it(text: str) -> None:
    assert passes.is_out_of_memory(RuntimeError(text))
    assert describe(RuntimeError(text)).what == "There was not enough memory."


# --- stopping ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", ["start", "first tile", "last tile but one"])
def test_cancel_at_every_stage(model: Path, after: str) -> None:
    control, seen = JobControl(), []

    def emit(event: object) -> None:
        seen.append(event)
        wanted = {"start": RestoreStarted, "first tile": TileDone}.get(after)
        if (wanted and isinstance(event, wanted)) or (
            isinstance(event, TileDone) and event.index == event.count - 1
        ):
            control.cancel()

    with pytest.raises(Cancelled):
        restore(picture(200, 130), RestoreRequest(model=model, device="cpu", tile_px=64), emit, control)


def test_cancelled_before_it_began(model: Path) -> None:
    control = JobControl()
    control.cancel()
    with pytest.raises(Cancelled):
        restore(picture(20, 20), RestoreRequest(model=model), ignore, control)


def test_pause_holds_and_resume_goes_on(model: Path) -> None:
    control, done = JobControl(), threading.Event()
    control.pause()
    results: list[Restored] = []

    def work() -> None:
        results.append(restore(picture(64, 64), RestoreRequest(model=model, device="cpu"), ignore, control))
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    assert control.paused
    assert not done.is_set()
    control.resume()
    thread.join(20)
    assert results


def test_a_pause_counts_neither_as_work_nor_into_the_time_left(model: Path) -> None:
    control, left = JobControl(), []

    def emit(event: object) -> None:
        if isinstance(event, TileDone):
            left.append(event.seconds_left)
            if event.index == 1:
                control.pause()
                threading.Timer(1.0, control.resume).start()

    began = time.monotonic()
    result = restore(picture(200, 64), RestoreRequest(model=model, device="cpu", tile_px=64), emit, control)
    assert time.monotonic() - began > 1
    assert result.seconds < time.monotonic() - began - 0.9
    assert left[1] < 1  # two tiles of four are left, and one took milliseconds


# --- requests that cannot be met -----------------------------------------------------------------------


def test_bad_requests_are_refused_with_the_value(model: Path, tmp_path: Path) -> None:
    with pytest.raises(RestoreError, match="tile 8 px"):
        RestoreRequest(tile_px=8)
    with pytest.raises(DeviceError, match="cuda:7"):
        restore(picture(8, 8), RestoreRequest(model=model, device="cuda:7"), ignore, JobControl())
    with pytest.raises(DeviceError, match="fp64"):
        run(picture(8, 8), model, precision="fp64")
    with pytest.raises(CheckpointError, match="no model here"):
        run(picture(8, 8), tmp_path / "none")
    with pytest.raises(RestoreError, match="for derain, not for deblur"):
        run(picture(8, 8), model, task="deblur")


def test_the_tile_follows_the_free_memory(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    network = passes.load_model(model, "cpu", "fp32").network

    def tile(free: int, width: int = 12_000, height: int = 8_000) -> int:
        monkeypatch.setattr(passes.psutil, "virtual_memory", type("Memory", (), {"available": free}))
        return passes.tile_for(network, width, height, "cpu", "fp32")

    sizes = [tile(free) for free in (10**6, 10**8, 10**9, 10**11)]
    assert sizes == sorted(sizes)
    assert sizes[0] == passes.SMALLEST_TILE_PX
    assert sizes[-1] <= passes.LARGEST_TILE_PX
    assert tile(10**11, 100, 60) <= 104


def test_what_was_restored_to_be_looked_at_is_at_hand_for_that_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint.save(
        tmp_path / "m", small_network(), name="m", task="deshadow", provenance={"guidance": True}
    )
    shot, mask = picture(80, 64, dtype=np.uint16), np.zeros((64, 80), np.uint8)
    mask[20:44, 20:60] = 255
    only = np.zeros_like(mask)
    only[:, :40] = 255
    asked = RestoreRequest("deshadow", folder, device="cpu", mask=mask, only=only)
    _verdict, shown = preview(shot, asked, JobControl())
    assert np.array_equal(shown[:, 40:], shot.pixels[:, 40:]) and not np.array_equal(shown, shot.pixels)
    passed: list[object] = []
    once = passes.Network.restore
    monkeypatch.setattr(
        passes.Network, "restore", lambda *all_, **more: (passed.append(1), once(*all_, **more))[1]
    )

    def passes_for(what: image_io.Picture, request: RestoreRequest) -> int:
        passed.clear()
        restore(what, request, ignore, JobControl())
        return len(passed)

    assert passes_for(picture(80, 64, seed=1, dtype=np.uint16), asked) == 1, "another photo"
    assert passes_for(shot, replace(asked, mask=255 - mask)) == 1, "another mask"
    assert passes_for(shot, replace(asked, only=None)) == 1, "another limit"
    same = replace(asked, mask=mask.copy(), focus=(0, 0, 9, 9))
    assert passes_for(shot, same) == 0 and passes_for(shot, same) == 1, "kept until it is taken"
    assert np.array_equal(restore(shot, same, ignore, JobControl()).pixels, shown)
