"""What a person says of places overrules the memory's response there, in numbers and in pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.data import taught
from core.images import io as image_io
from core.jobs import JobControl, ignore
from core.model import checkpoint
from core.model.memory import overruled
from core.model.tensors import to_tensor
from core.restoring.memory import look as memory_look
from core.restoring.memory import probe as memory_probe
from core.restoring.records import RestoreError, RestoreRequest
from core.restoring.restore import restore
from tests.small import photo, save_small_model, small_network

SIZE = 136, 104  # width, height


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def request_(model: Path) -> RestoreRequest:
    return RestoreRequest(model=model, device="cpu", precision="fp32", scale="1")


def painted(x: slice, y: slice, grey: int) -> np.ndarray:
    values = np.full((SIZE[1], SIZE[0]), taught.NOTHING, np.uint8)
    values[y, x] = grey
    return values


@given(st.integers(0, 255), st.integers(0, 255))
def test_two_masks_and_one_picture_say_the_same(denied: int, asserted: int) -> None:
    masks = [np.full((2, 3), value, np.uint8) for value in (denied, asserted)]
    values = taught.combined(*masks)
    back = taught.parts(values)
    said = (asserted - denied) / 255
    assert taught.signed(values)[0, 0] == pytest.approx(said, abs=0.08)  # what is hardly said is not said
    assert back[0].max() == 0 or back[1].max() == 0
    if abs(asserted - denied) == 255:
        assert taught.signed(values)[0, 0] == said and max(back[0].max(), back[1].max()) == 255


def test_stirred_grey_says_nothing_and_another_size_is_refused() -> None:
    grey = np.full((4, 4), 125, np.uint8)
    assert not taught.has_labels(grey) and taught.kept(grey) is None
    with pytest.raises(taught.TaughtError, match="says nothing"):
        taught.check(grey, 4, 4)
    with pytest.raises(taught.TaughtError, match="need the photo's 5x4"):
        taught.check(np.zeros((4, 4), np.uint8), 5, 4)
    shadow = np.array([[0, 255, 100]], np.uint8)
    assert taught.amended(shadow, np.array([[255, 0, 128]], np.uint8)).tolist() == [[255, 0, 100]]


def test_the_response_becomes_what_is_said() -> None:
    seen = np.full((3, 4), 0.4, np.float32)
    values = np.full((24, 32), taught.NOTHING, np.uint8)
    values[:8, :8], values[8:16, :8], values[16:, :4] = 0, 255, 255
    found = taught.overruled(seen, values, 8)
    assert found[0, 0] == 0 and found[1, 0] == 1 and found[2, 0] == pytest.approx(0.7, abs=0.01)
    assert (found[:, 1:] == seen[:, 1:]).all()


def test_negative_slots_are_read_less_where_damage_is_denied_and_the_rest_stays(model: Path) -> None:
    network = checkpoint.load(model).network
    with torch.inference_mode():
        address = network.address(to_tensor(photo(*SIZE, 3)))
    said = torch.zeros(1, 1, *address.query.shape[-2:])
    said[0, 0, 0, 0], said[0, 0, 0, 1], said[0, 0, 0, 2] = -1, 1, -0.5
    told = overruled(address, said)
    half = address.weights.shape[-1] // 2
    assert torch.equal(told.weights[..., :half], address.weights[..., :half])
    for place, factor in ((0, 0.0), (1, 1.0), (2, 0.5), (3, 1.0)):
        assert torch.allclose(told.weights[0, place, half:], factor * address.weights[0, place, half:])
    response = torch.sigmoid(told.polarity_logit[0, 0])
    assert response[0] < 0.001 and response[1] > 0.999
    assert torch.equal(told.polarity_logit[0, 1:], address.polarity_logit[0, 1:])


def test_denied_places_stay_to_the_bit_and_asserted_ones_change_more(request_: RestoreRequest) -> None:
    picture = image_io.from_array(photo(*SIZE, 3))
    plain = restore(picture, request_, ignore, JobControl())
    assert plain.taught == "none"
    where = slice(20, 60), slice(30, 70)
    denied = painted(*where, 0)
    found = restore(picture, replace(request_, taught=denied), ignore, JobControl())
    x, y = where
    assert np.array_equal(found.pixels[y, x], picture.pixels[y, x]) and found.taught != "none"
    assert not np.array_equal(plain.pixels[y, x], picture.pixels[y, x])
    assert not np.array_equal(found.pixels, picture.pixels)  # elsewhere it is restored
    asserted = painted(*where, 255)
    more = restore(picture, replace(request_, taught=asserted), ignore, JobControl())
    assert not np.array_equal(more.pixels[y, x], plain.pixels[y, x])
    with pytest.raises(taught.TaughtError, match="need the photo's"):
        restore(picture, replace(request_, taught=denied[:-8]), ignore, JobControl())
    with pytest.raises(RestoreError, match="cannot be taught"):
        replace(request_, taught=denied, mute_memory=True)


@pytest.mark.parametrize("grey", [0, 255])
def test_a_part_tried_is_the_part_of_the_whole(request_: RestoreRequest, grey: int) -> None:
    picture = image_io.from_array(photo(*SIZE, 3))
    values = painted(slice(20, 60), slice(30, 70), grey)
    whole = restore(picture, replace(request_, taught=values), ignore, JobControl())
    tiled = restore(picture, replace(request_, taught=values, tile_px=64), ignore, JobControl())
    assert np.abs(whole.pixels.astype(int) - tiled.pixels).max() <= 1
    look = memory_look.look(picture, request_)
    probe = memory_probe.Probe(picture, request_, look.actual)
    part = probe.restore((0, 0, 104, 80), taught=values)
    kept = taught.kept(values[:80, :104])
    from core.images.blend import within

    if kept is not None:
        part = within(picture.pixels[:80, :104], part, kept)
    assert np.abs(part.astype(int) - whole.pixels[:80, :104]).max() <= 1


def test_damage_that_is_asserted_is_looked_for_though_nothing_was_found(model: Path, tmp_path: Path) -> None:
    picture = image_io.from_array(photo(*SIZE, 3))
    values = painted(slice(20, 60), slice(30, 70), 255)
    copy = taught.reduced(values, SIZE[0] // 2, SIZE[1] // 2)
    assert copy.shape == (52, 68) and copy[20, 20] == 255 and copy[0, 0] == taught.NOTHING
    assert taught.reduced(values, 34, 26).shape == (26, 34)
    assert taught.asserts(values) and not taught.denies(values) and picture.pixels.shape[:2] == values.shape


def test_where_a_mask_guides_what_is_asserted_joins_it_and_is_not_said_twice(tmp_path: Path) -> None:
    folder = checkpoint.save(
        tmp_path / "shade", small_network(), name="shade", task="deshadow", provenance={"guidance": True}
    )
    request = RestoreRequest(task="deshadow", model=folder, device="cpu", precision="fp32", scale="1")
    picture = image_io.from_array(photo(*SIZE, 3))
    where = slice(24, 64), slice(32, 72)
    values = painted(*where, 255)
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    mask[8:16, 8:16] = 255
    told = restore(picture, replace(request, mask=mask, taught=values), ignore, JobControl())
    joined = mask.copy()
    joined[where[1], where[0]] = 255
    alone = restore(picture, replace(request, mask=joined), ignore, JobControl())
    assert np.array_equal(told.guide, joined) and np.abs(told.pixels.astype(int) - alone.pixels).max() <= 1
