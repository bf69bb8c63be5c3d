"""The record of a photo's memory against the network itself, and edits of a region against whole restorations."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data import guidance
from core.data import taught as taughts
from core.images import io as image_io
from core.images.blend import within
from core.jobs import Cancelled, JobControl, ignore
from core.model import checkpoint
from core.model.exemplars import SampleMemory
from core.model.memory_edit import MemoryEdit, Slots, Step
from core.model.network import MemoryNet
from core.model.tensors import to_tensor
from core.restoring import shadow_guess, views
from core.restoring.memory import look as memory_look
from core.restoring.memory import map as memory_map
from core.restoring.memory import probe as memory_probe
from core.restoring.memory.record import MemoryLook
from core.restoring.restore import RestoreError, RestoreRequest, restore
from core.restoring.views import reduced_copy
from core.training.exemplar_fill import fill
from tests.restoring.test_shadow_light import disc, ground, levels
from tests.small import photo, save_small_model, small_network

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("models") / "small")


def request_for(model: Path, **options: object) -> RestoreRequest:
    base = RestoreRequest(model=model, device="cpu", precision="fp32", scale="1")
    return replace(base, **options)  # type: ignore[arg-type]


def picture(width: int = 136, height: int = 104, seed: int = 3) -> image_io.Picture:
    return image_io.from_array(photo(width, height, seed))


def network_of(model: Path) -> MemoryNet:
    return checkpoint.load(model).network


@pytest.fixture(scope="module")
def seen(model: Path) -> MemoryLook:
    return memory_look.look(picture(), request_for(model))


def test_weights_are_the_networks(model: Path, seen: MemoryLook) -> None:
    network = network_of(model)
    with torch.inference_mode():
        address = network.address(to_tensor(picture().pixels))
    weights = address.weights[0].T.reshape(-1, *seen.grid).numpy()
    for slot in range(len(weights)):
        assert np.allclose(seen.slot_map(slot), weights[slot], atol=1e-5)
    assert np.allclose(seen.usage, weights.mean((1, 2)), atol=1e-5)
    assert np.allclose(seen.before.values, torch.sigmoid(address.polarity_logit)[0], atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (8, 8), (203, 150)])
def test_any_size_and_tiles_change_nothing(model: Path, size: tuple[int, int]) -> None:
    whole = memory_look.look(picture(*size), request_for(model))
    tiled = memory_look.look(picture(*size), request_for(model, tile_px=64))
    assert whole.grid == (-(-size[1] // 8), -(-size[0] // 8))
    assert np.abs(whole.query - tiled.query).max() < 1e-4
    place = whole.place(size[0] - 1, size[1] - 1)
    for group in whole.slices:
        total = sum(slot.weight for slot in place.of(*group))
        assert total == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match="the photo has"):
        whole.place(size[0], 0)


def test_a_region_is_the_mean_of_its_cells(seen: MemoryLook) -> None:
    assert seen.region(60, 44, 1, 1) == seen.place(60, 44)
    block = seen.region(33, 17, 30, 14)  # columns 4 to 7, rows 2 and 3
    assert (block.column, block.row, block.columns, block.rows) == (4, 2, 4, 2)
    cells = [seen.place(8 * column, 8 * row) for row in (2, 3) for column in (4, 5, 6, 7)]
    assert block.response == pytest.approx(np.mean([cell.response for cell in cells]), abs=1e-6)
    for slot in block.slots:
        each = [next((s.weight for s in cell.slots if s.row == slot.row), 0.0) for cell in cells]
        assert slot.weight == pytest.approx(np.mean(each), abs=1e-5)
    assert block.learned + block.actual == pytest.approx(1, abs=1e-4)
    assert np.linalg.norm(seen.query_of(block)) == pytest.approx(1, abs=1e-5)
    beyond = seen.region(120, 96, 900, 900)  # cut off at the photo's edge
    assert (beyond.columns, beyond.rows) == (2, 1)
    with pytest.raises(RestoreError, match="at least one pixel"):
        seen.region(0, 0, 0, 5)


def test_shares_are_of_what_is_read(model: Path, seen: MemoryLook) -> None:
    network = network_of(model)
    memory = network.memory
    assert memory is not None
    place = seen.place(60, 44)
    assert place.learned + place.actual == pytest.approx(1, abs=1e-5)
    row, column = seen.cell(60, 44)
    with torch.inference_mode():
        address = network.address(to_tensor(picture().pixels))
        effect = memory.read(address, memory.summarise(address)).effect
    light = effect.light[0, :, row, column].numpy()
    assert np.allclose(light, place.light, atol=1e-5)
    assert np.allclose(seen.actual, memory.summarise(address)[0].detach(), atol=1e-5)


def test_sources_add_up_to_the_content(model: Path, seen: MemoryLook) -> None:
    """The photo's content of a slot is the mean of the places' values, weighed as the map says."""
    network = network_of(model)
    with torch.inference_mode():
        address = network.address(to_tensor(reduced_copy(picture().pixels)))
    values = address.value[0].flatten(1).T.numpy()  # (N, D)
    place = seen.place(60, 44)
    slot = max(place.slots, key=lambda each: each.weight)
    again = seen.claims[slot.row].ravel() @ values
    assert np.allclose(again, seen.actual[slot.row], atol=1e-5)
    assert seen.source_map(place, slot).sum() == pytest.approx(1, abs=1e-5)
    assert seen.source_map(place).sum() == pytest.approx(1, abs=1e-5)
    found = seen.sources(place, slot)
    assert [each.share for each in found] == sorted((each.share for each in found), reverse=True)
    assert all(0 <= each.x_px < seen.width and each.x_px + each.width_px <= seen.width for each in found)


def test_a_reduced_copy_gives_places_of_the_photo(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "SUMMARY_WHOLE_PX", 640)
    monkeypatch.setattr(views, "SUMMARY_PX", 448)
    large = memory_look.look(picture(900, 300), request_for(model))
    assert large.copy_size == (448, 149) and large.claims.shape[1:] == (19, 56)
    place = large.place(450, 150)
    for source in large.sources(place):
        assert 0 <= source.x_px < 900 and 0 <= source.y_px < 300 and source.width_px > 8
    whole = restore(picture(900, 300), request_for(model), ignore, JobControl())
    given = restore(picture(900, 300), request_for(model, actual=large.actual), ignore, JobControl())
    assert np.array_equal(whole.pixels, given.pixels) and "another photo" in given.memory


def test_what_a_photo_holds_comes_from_the_same_pass(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    address = MemoryNet.address
    monkeypatch.setattr(
        MemoryNet, "address", lambda *args, **options: asked.append(1) or address(*args, **options)
    )
    mask = np.zeros((104, 136), np.uint8)
    mask[:, 40:] = 255
    for given, tile_px, passes in ((None, 64, 6), (mask, None, 2)):  # a mask: with it, and judged without
        request = request_for(model, tile_px=tile_px, mask=given)
        asked.clear()
        found = memory_look.look(picture(), request)
        assert len(asked) == passes
        assert np.array_equal(found.actual, memory_look.own_content(picture(), request))


def test_how_far_content_is_spread_stands_beside_where_it_came_from(seen: MemoryLook) -> None:
    place = seen.place(60, 50)
    slot = place.of("positive")[0]
    rows, columns = seen.claims.shape[1:]
    assert seen.origin(place, slot).places == seen.sources(place, slot)
    even = replace(seen, claims=np.full_like(seen.claims, 1 / (rows * columns)))
    assert even.origin(place, slot).half_from == pytest.approx(0.5, abs=0.01)
    assert even.origin(place, slot).most == pytest.approx(1, abs=1e-3)
    one = np.zeros_like(seen.claims)
    one[:, 3, 4] = 1
    found = replace(seen, claims=one).origin(place, slot)
    assert found.half_from == pytest.approx(found.even) and found.most == pytest.approx(rows * columns)
    assert [(s.x_px, s.y_px) for s in found.places] == [(32, 24)]
    none = replace(seen, claims=np.zeros_like(one)).origin(place)
    assert none.places == () and (none.half_from, none.most) == (0, 0)


def test_similarity_stands_beside_its_baseline(model: Path, seen: MemoryLook) -> None:
    samples = fill(
        network_of(model), [("a", photo(96, 96, 1)), ("b", photo(96, 96, 2))], lambda x, _rng: x * 0.7
    )
    near = seen.nearest(seen.place(10, 10), samples, "positive", 3)
    similarities = [similarity for _sample, similarity in near.samples]
    assert similarities == sorted(similarities, reverse=True) and len(similarities) == 3
    assert near.random <= near.usual <= 1.0001
    with pytest.raises(ValueError, match="samples of 7"):
        seen.nearest(seen.place(0, 0), SampleMemory(7), "positive")


@pytest.mark.parametrize("region", [(0, 0, 136, 104), (40, 24, 32, 24), (128, 96, 8, 8), (64, 0, 72, 5)])
def test_a_region_is_what_the_whole_photo_would_be(
    model: Path, seen: MemoryLook, region: tuple[int, int, int, int]
) -> None:
    probe = memory_probe.Probe(picture(), request_for(model), seen.actual)
    edit = MemoryEdit((Step("mute", Slots("positive", "part")), Step("boost", Slots("negative"), 2.0)))
    x, y, w, h = region
    for options in ({}, {"memory_edit": edit}, {"mute_memory": True}):
        whole = restore(picture(), request_for(model, **options), ignore, JobControl()).pixels
        part = probe.restore(region, options.get("memory_edit"), mute_memory="mute_memory" in options)  # type: ignore[arg-type]
        assert np.abs(whole[y : y + h, x : x + w].astype(int) - part.astype(int)).max() <= 1


def test_far_from_the_edges_less_is_seen_and_nothing_changes(model: Path) -> None:
    large = picture(520, 400)
    seen = memory_look.look(large, request_for(model))
    probe = memory_probe.Probe(large, request_for(model), seen.actual)
    whole = restore(large, request_for(model), ignore, JobControl()).pixels
    part = probe.restore((240, 200, 40, 40))
    assert np.abs(whole[200:240, 240:280].astype(int) - part.astype(int)).max() <= 1
    assert probe._encoded[(240, 200, 40, 40), False].image.shape[-1] < 400


@pytest.fixture(scope="module")
def shadow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint.save(
        tmp_path_factory.mktemp("models") / "told",
        small_network(2),
        name="told",
        task="deshadow",
        provenance={"guidance": True},
    )


def shaded() -> tuple[image_io.Picture, np.ndarray]:
    """A photo with a cast shadow, and where it lies."""
    truth, mask = ground(160, 200), disc(160, 200, 50)
    dark = np.where((mask > 0)[..., None], truth * np.array([0.35, 0.4, 0.45]), truth)
    return image_io.from_array(levels(dark)), mask


def test_told_where_a_shadow_lies_places_look_as_they_are_restored_and_are_judged_by_themselves(
    shadow_model: Path,
) -> None:
    picture_, mask = shaded()
    request = request_for(shadow_model, task="deshadow")
    blind = memory_look.look(picture_, request)
    told = memory_look.look(picture_, replace(request, mask=mask))
    assert blind.unguided is blind.query and not np.allclose(told.query, blind.query, atol=1e-3)
    assert np.allclose(told.unguided, blind.query, atol=1e-5)
    assert np.allclose(told.before.values, blind.before.values, atol=1e-5)
    for mine, alone in zip(memory_map.likeness(told), memory_map.likeness(blind), strict=True):
        assert np.allclose(mine, alone, atol=1e-5)
    assert np.allclose(told.query_of(told.place(80, 60)), blind.query_of(blind.place(80, 60)), atol=1e-5)
    network = network_of(shadow_model)
    with torch.inference_mode():
        address = network.address(to_tensor(picture_.pixels), to_tensor(mask[..., None]))
    assert np.allclose(told.slot_map(0), address.weights[0].T.reshape(-1, *told.grid)[0], atol=1e-5)


def test_a_region_told_where_a_shadow_lies_is_what_the_whole_photo_would_be(shadow_model: Path) -> None:
    """The light beside the shadow and what is taught included."""
    picture_, mask = shaded()
    request = request_for(shadow_model, task="deshadow", mask=mask)
    probe = memory_probe.Probe(picture_, request, memory_look.look(picture_, request).actual)
    edit = MemoryEdit((Step("mute", Slots("positive", "part")),))
    said = np.full(mask.shape, 128, np.uint8)
    said[40:80, 60:110], said[120:150, 10:60] = 0, 255
    region = x, y, w, h = 64, 40, 72, 80
    for options in ({}, {"memory_edit": edit}, {"taught": said}, {"taught": 255 - said}):
        whole = restore(picture_, replace(request, **options), ignore, JobControl()).pixels  # type: ignore[arg-type]
        part = probe.restore(region, options.get("memory_edit"), taught=options.get("taught"))  # type: ignore[arg-type]
        if "taught" in options:  # where damage is denied the caller puts the photo back
            kept = taughts.kept(options["taught"])  # type: ignore[arg-type]
            assert kept is not None
            part = within(picture_.pixels[y : y + h, x : x + w], part, kept[y : y + h, x : x + w])
        assert np.abs(whole[y : y + h, x : x + w].astype(int) - part.astype(int)).max() <= 1


def test_a_request_is_told_what_restoring_would_guess(
    shadow_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture_, mask = shaded()
    guesses = [guidance.Guess(mask, 0.2)]  # what was found is not looked for again
    monkeypatch.setattr(shadow_guess, "guess", lambda *_seen: guesses.pop() if guesses else None)
    request = request_for(shadow_model, task="deshadow", guess=True)
    told = memory_look.guided(picture_, request)
    made = restore(picture_, request, ignore, JobControl())
    assert told.mask is not None and not told.guess
    assert made.guide is not None and np.array_equal(told.mask, made.guide)
    assert memory_look.scale_for(picture_, told, JobControl()) == 1
    small, in_copy = memory_look.in_copy(picture_, told, 2)
    assert in_copy.mask is not None and in_copy.mask.shape == small.pixels.shape[:2] == (80, 100)
    edited = replace(request, memory_edit=MemoryEdit((Step("mute", Slots("negative")),)))
    other = replace(picture_, pixels=picture_.pixels // 2)
    for left in (
        memory_look.guided(picture_, edited),
        memory_look.guided(other, request),
    ):  # nothing is found there
        assert left.mask is None and left.guess


def test_regions_stay_within_the_photo() -> None:
    for x, y in ((0, 0), (899, 0), (450, 599), (3, 300)):
        left, top, w, h = memory_probe.around(x, y, 900, 600)
        assert left % 8 == top % 8 == 0 and 0 < w < 72 and left + w <= 900 and top + h <= 600
        assert left <= x <= left + w and top <= y <= top + h
    assert memory_probe.around(2, 2, 5, 3) == (0, 0, 5, 3)
    x, y, w, h = memory_probe.preview_region((-3, 0, 900, 600), 900, 600, at=(890, 590))
    assert w * h <= memory_probe.LARGEST_PX * 1.05 and x + w <= 900 and y + h <= 600 and x % 8 == y % 8 == 0
    assert memory_probe.preview_region((100, 50, 200, 100), 900, 600) == (96, 48, 204, 102)


def test_what_differs_is_measured_in_levels() -> None:
    grey = np.full((8, 8, 3), 1000, np.uint16)
    brighter = grey.copy()
    brighter[0, 0, 0] += 257 * 64
    change = memory_probe.change_between(grey, brighter)
    assert change.largest == pytest.approx(64, abs=0.01) and change.signed == pytest.approx(
        (1, 0, 0), abs=0.01
    )
    assert not memory_probe.change_between(grey, grey).is_measurable


def test_what_cannot_be_looked_at_says_why(model: Path, tmp_path: Path) -> None:
    with pytest.raises(RestoreError, match="is for derain"):
        memory_look.look(picture(), request_for(model, task="deshadow"))
    with pytest.raises(RestoreError, match="restored picture"):
        memory_look.look(picture(), request_for(model), restored=np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(RestoreError, match="content of another photo"):
        restore(picture(), request_for(model, actual=np.zeros((3, 3), np.float32)), ignore, JobControl())
    control = JobControl()
    control.cancel()
    with pytest.raises(Cancelled):
        memory_look.look(picture(), request_for(model), control=control)


def test_the_notebook_of_the_documents_asks_about_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "memory.md").read_text("utf-8")
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block is not None
    lines = [line for line in block[1].splitlines() if line]
    assert len(lines) <= 6 and "](pictures/" in text[block.end() :], (
        "few lines, and a picture of what they give"
    )
    image_io.write(tmp_path / "street.jpg", image_io.from_array(photo(160, 120, 3)))
    monkeypatch.chdir(tmp_path)
    exec(compile(block[1].replace("1200, 800", "120, 80"), "docs/memory.md", "exec"), {})
    assert "SlotShare(polarity='negative'" in capsys.readouterr().out
