"""A model that restores the mirror image of a photo as well, and gives the mean of both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.images import io as image_io
from core.jobs import JobControl, ignore
from core.model import checkpoint
from core.restoring import outputs
from core.restoring.memory.look import look
from core.restoring.memory.probe import Probe
from core.restoring.records import Restored, RestoreRequest
from core.restoring.restore import restore
from tests.small import photo, small_network


def with_mirror(folder: Path, mirrored: object = True) -> Path:
    made = checkpoint.save(
        folder, small_network(1), name="small", task="deshadow", provenance={"guidance": True}
    )
    file = made / checkpoint.CONFIG_FILE
    config = json.loads(file.read_text())
    config["provenance"][checkpoint.MIRRORED] = mirrored
    file.write_text(json.dumps(config))
    return made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_mirror(tmp_path_factory.mktemp("mirrored") / "small")


def run(pixels: np.ndarray, model: Path, **asked: Any) -> Restored:
    facts: Mapping[str, Any] = {"scale": "1", "task": "deshadow", **asked}
    request = RestoreRequest(model=model, device="cpu", precision="fp32", **facts)
    return restore(image_io.from_array(pixels), request, ignore, JobControl())


def flipped(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, ::-1])


def taught_of(width: int, height: int) -> np.ndarray:
    taught = np.full((height, width), 128, np.uint8)
    taught[10:40, 5:50], taught[45:, 60:] = 255, 0
    return taught


@pytest.mark.parametrize("scale", ["1", "1/2"])
@pytest.mark.parametrize("tile_px", [64, None])
def test_a_mirrored_photo_gives_the_mirrored_result(model: Path, scale: str, tile_px: int | None) -> None:
    """At a width off the grid, too, where the two do not meet the network's strides alike."""
    pixels, taught = photo(154, 70, 3), taught_of(154, 70)
    one = run(pixels, model, scale=scale, tile_px=tile_px, taught=taught)
    other = run(flipped(pixels), model, scale=scale, tile_px=tile_px, taught=flipped(taught))
    assert np.abs(one.pixels[:, ::-1].astype(int) - other.pixels).max() <= 1
    assert np.abs(one.pixels.astype(int) - pixels).max() > 1


def test_tiles_equal_the_whole(model: Path) -> None:
    pixels = photo(154, 140, 4, np.uint16)
    taught = taught_of(154, 140)
    whole = run(pixels, model, tile_px=4096, taught=taught)
    tiled = run(pixels, model, tile_px=64, taught=taught, focus=(100, 0, 9, 9))
    assert np.abs(tiled.pixels.astype(int) - whole.pixels).max() <= 257


def test_it_is_the_mean_of_both_before_rounding(model: Path) -> None:
    pixels = photo(96, 64, 2)
    network = checkpoint.load(model).network
    image = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1).unsqueeze(0)
    with torch.inference_mode():
        mean = (network(image).restored + network(image.flip(-1)).restored.flip(-1)) / 2
    expected = np.rint(mean[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255).astype(np.uint8)
    assert np.array_equal(run(pixels, model).pixels, expected)


def test_a_mask_is_mirrored_with_the_photo(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.restoring.shadow_light.relit", lambda photo, mask, out: out)
    pixels, mask = photo(90, 70, 5), np.zeros((70, 90), np.uint8)
    mask[:, :30] = 255
    one = run(pixels, model, mask=mask)
    other = run(flipped(pixels), model, mask=flipped(mask))
    assert np.abs(one.pixels[:, ::-1].astype(int) - other.pixels).max() <= 1
    assert (run(pixels, model).pixels != one.pixels).any()


@pytest.mark.parametrize("said", [False, "yes", None, 1])
def test_it_is_off_unless_the_model_says_so(tmp_path: Path, said: object) -> None:
    off = with_mirror(tmp_path / "off", said)
    pixels = photo(90, 70, 5)
    network = checkpoint.load(off).network
    padded = np.pad(pixels, ((0, 2), (0, 6), (0, 0)), mode="edge").astype(np.float32) / 255
    with torch.inference_mode():
        alone = network(torch.from_numpy(padded).permute(2, 0, 1).unsqueeze(0)).restored[0, :, :70, :90]
    expected = np.rint(alone.permute(1, 2, 0).clamp(0, 1).numpy() * 255).astype(np.uint8)
    done = run(pixels, off)
    assert not done.mirrored and np.array_equal(done.pixels, expected)


def test_what_is_made_so_says_so_and_is_made_again_otherwise(model: Path, tmp_path: Path) -> None:
    """The weights' sum is the same with and without."""
    source = tmp_path / "photo.png"
    image_io.write(source, image_io.from_array(photo(40, 30)))
    picture = image_io.read(source)
    request = RestoreRequest(task="deshadow", model=model, device="cpu", scale="1")
    done = restore(picture, request, ignore, JobControl())
    target = tmp_path / "done.png"
    outputs.save(done, picture, target)
    assert done.mirrored and outputs.provenance(done, 1.0)["mirrored"] == "yes"
    off = checkpoint.load(with_mirror(tmp_path / "off", False))
    assert off.sha256 == done.model_sha256
    for mirrored in (True, False):
        wanted = outputs.fingerprint(source, off.sha256, request, mirrored=mirrored)
        assert outputs.is_current(target, wanted) == mirrored


def test_what_the_memory_page_tries_is_what_restoring_gives(model: Path) -> None:
    pixels, taught = photo(154, 120, 6), taught_of(154, 120)
    request = RestoreRequest(task="deshadow", model=model, device="cpu", precision="fp32", scale="1")
    picture = image_io.from_array(pixels)
    seen = look(picture, request)
    probe = Probe(picture, request, seen.actual)
    x, y, w, h = region = (40, 16, 101, 64)
    part = slice(y, y + h), slice(x, x + w)
    whole = restore(picture, request, ignore, JobControl()).pixels[part]
    assert np.abs(probe.restore(region).astype(int) - whole).max() <= 1
    told = restore(picture, replace(request, taught=taught), ignore, JobControl()).pixels[part]
    kept = taught[part] == 0  # there the caller puts the photo's own pixels back
    apart = np.abs(probe.restore(region, taught=taught).astype(int) - told).max(2)
    assert apart[~kept].max() <= 1
    other = look(image_io.from_array(photo(80, 80, 9)), request).actual
    lent = restore(picture, replace(request, actual=other), ignore, JobControl()).pixels[part]
    assert np.abs(probe.restore(region, actual=other).astype(int) - lent).max() <= 1
    muted = restore(picture, replace(request, mute_memory=True), ignore, JobControl()).pixels[part]
    assert np.abs(probe.restore(region, mute_memory=True).astype(int) - muted).max() <= 1
