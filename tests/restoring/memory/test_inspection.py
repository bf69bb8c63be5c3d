from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.events import RestoreStarted, TileDone
from core.images import io as image_io
from core.jobs import Cancelled, JobControl, ignore
from core.model import checkpoint
from core.model.exemplars import SampleMemory
from core.model.health import usage_of
from core.model.network import MemoryNet
from core.model.tensors import to_tensor
from core.restoring.memory import inspection
from core.restoring.memory.contact_sheet import contact_sheet, nearest_samples
from core.restoring.memory.inspection import Inspection, Place, SlotMap, inspect
from core.restoring.memory.pictures import (
    PICTURES,
    SHEET,
    maps,
    response_map,
    shortened,
    shown_photo,
    slot_colour,
    slot_map,
    wrapped,
)
from core.restoring.restore import RestoreError, RestoreRequest, restore
from tests.small import SMALL, photo, save_small_model, small_network


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_small_model(tmp_path / "small")


def picture(width: int, height: int, seed: int = 0, dtype: type = np.uint8) -> image_io.Picture:
    return image_io.from_array(photo(width, height, seed, dtype))


def inspected(model: Path, width: int = 72, height: int = 56, **options: object) -> Inspection:
    request = replace(RestoreRequest(model=model, device="cpu", precision="fp32"), **options)  # type: ignore[arg-type]
    return inspect(picture(width, height), request, ignore, JobControl())


def same(one: Inspection, other: Inspection, tolerance: float) -> bool:
    pairs = [(one.before.values, other.before.values), (one.usage, other.usage)]
    pairs += [(one.maps[group].weights, other.maps[group].weights) for group in one.maps]
    return all(np.abs(a - b).max() <= tolerance for a, b in pairs)


# --- laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 7), (1, 40), (72, 56), (131, 67)])
def test_shapes_and_sums(model: Path, size: tuple[int, int]) -> None:
    width, height = size
    found = inspected(model, width, height)
    grid = -(-height // 8), -(-width // 8)
    assert (found.width, found.height) == size and found.restored.pixels.shape == (height, width, 3)
    for response in (found.before, found.after):
        assert response.values.shape == grid
        assert (response.values >= 0).all() and (response.values <= 1).all()
        assert response.mean == pytest.approx(response.values.mean(), abs=1e-6)
        assert response.area == pytest.approx((response.values > 0.5).mean())
    for (_, granularity), slots in found.maps.items():
        count = 3 if granularity == "semantic" else 4
        assert slots.slots.shape == slots.weights.shape == slots.cosines.shape == (count, *grid)
        assert (slots.weights >= 0).all() and (slots.weights.sum(0) <= 1 + 1e-5).all()
        assert (np.diff(slots.weights, axis=0) <= 0).all()  # strongest first
        assert (np.abs(slots.cosines) <= 1 + 1e-5).all()
        if granularity == "semantic":  # all three slots are kept
            assert np.allclose(slots.weights.sum(0), 1, atol=1e-5)
    for rows in found.slices.values():
        assert found.usage[rows].sum() == pytest.approx(1, abs=1e-4)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["grid"]["columns"] == grid[1]


def test_maps_say_what_the_network_looks_up(model: Path) -> None:
    found = inspected(model)
    network = small_network()
    with torch.inference_mode():
        output = network(to_tensor(photo(72, 56)))
    assert output.address is not None
    assert np.allclose(found.before.values, torch.sigmoid(output.address.polarity_logit)[0], atol=1e-5)
    assert np.allclose(found.usage, usage_of(output.address.weights), atol=1e-5)
    for (polarity, granularity), slots in found.maps.items():
        rows, grid = found.slices[polarity, granularity], slots.slots.shape[1:]
        top = output.address.weights[0, :, rows].topk(len(slots.slots), dim=-1)
        assert np.allclose(slots.weights, top.values.T.reshape(-1, *grid), atol=1e-5)
        sure = slots.weights > 1e-4  # which of the slots with no weight comes first means nothing
        assert (slots.slots == top.indices.T.reshape(-1, *grid).numpy())[sure].all()
    restored = restore(picture(72, 56), RestoreRequest(model=model, precision="fp32"), ignore, JobControl())
    assert np.array_equal(found.restored.pixels, restored.pixels)
    with torch.inference_mode():
        again = network.address(to_tensor(restored.pixels))
    assert np.allclose(found.after.values, torch.sigmoid(again.polarity_logit)[0], atol=1e-5)


def test_tiles_change_nothing(model: Path) -> None:
    whole, tiled = inspected(model, 203, 150), inspected(model, 203, 150, tile_px=64)
    assert tiled.restored.tile_px == 64
    assert same(whole, tiled, 1e-4)
    assert np.abs(whole.after.values - tiled.after.values).max() < 0.02  # results may differ by a level
    assert [(top.polarity, top.slot) for top in whole.top] == [(top.polarity, top.slot) for top in tiled.top]


def test_units_behind_the_read_are_heard_while_restoring(model: Path) -> None:
    found = inspected(model)
    with torch.inference_mode():
        loaded = checkpoint.load(model)
        assert loaded.network.memory is not None
        risen: list[torch.Tensor] = []
        loaded.network.memory.activation.register_forward_hook(
            lambda _module, _inputs, output: risen.append(output.amax((0, 2, 3)) > 0)
        )
        loaded.network(to_tensor(picture(72, 56).pixels, "cpu"))
    assert found.heard is not None and np.array_equal(found.heard, risen[0].numpy())
    assert found.health().silent == pytest.approx(1 - found.heard.mean())
    assert inspected(model, mute_memory=True).health().silent is None  # it was not read


def test_deterministic(model: Path) -> None:
    one, other = inspected(model), inspected(model)
    assert same(one, other, 0)
    assert np.array_equal(one.after.values, other.after.values)
    numbers = [{k: v for k, v in found.as_dict().items() if k != "seconds"} for found in (one, other)]
    assert numbers[0] == numbers[1]


def test_depth_means_little(model: Path) -> None:
    deep = inspect(
        picture(72, 56, dtype=np.uint16), RestoreRequest(model=model, precision="fp32"), ignore, JobControl()
    )
    assert deep.restored.pixels.dtype == np.uint16
    assert np.abs(deep.before.values - inspected(model).before.values).max() < 0.05


def test_top_slots_are_the_most_used_with_places_where_they_are_strong(model: Path) -> None:
    found = inspected(model, 203, 150)
    rows, columns = found.before.values.shape
    for (polarity, granularity), place in found.slices.items():
        tops = found.top_of(polarity, granularity)
        usage = found.usage[place]
        assert [top.usage for top in tops] == sorted(usage[usage > 0], reverse=True)[: len(tops)]
        assert tops[0].slot == int(usage.argmax())
        for top in tops:
            assert top.row == place.start + top.slot
            weight = found.maps[polarity, granularity].weight_of(top.slot)
            assert top.leads == pytest.approx((found.maps[polarity, granularity].slots[0] == top.slot).mean())
            for at in top.places:
                assert 0 <= at.row < rows and 0 <= at.column < columns
                assert at.weight == pytest.approx(float(weight[at.row, at.column])) and at.weight > 0
            if top.places:
                assert top.places[0].weight >= weight.max() - 0.11
            for one in top.places:
                for other in top.places:
                    assert one is other or max(abs(one.row - other.row), abs(one.column - other.column)) >= 4


def test_of_equally_strong_places_the_most_alike_comes_first() -> None:
    weight, cosine = np.ones((1, 12), np.float32), np.zeros((1, 12), np.float32)
    cosine[0, 5] = 0.9
    assert inspection._places(weight, cosine) == (Place(5, 0, 1), Place(0, 0, 1), Place(9, 0, 1))
    assert inspection._places(np.zeros((2, 2)), np.ones((2, 2))) == ()


def test_a_mask_guides_the_look_up_and_has_no_say_in_the_response(tmp_path: Path) -> None:
    model = checkpoint.save(
        tmp_path / "told", small_network(), name="told", task="derain", provenance={"guidance": True}
    )
    mask = np.zeros((56, 72), np.uint8)
    mask[:, :36] = 255
    plain, told = inspected(model), inspected(model, mask=mask)
    assert np.array_equal(plain.before.values, told.before.values)
    assert not np.array_equal(plain.restored.pixels, told.restored.pixels)
    assert any(not np.array_equal(plain.maps[g].weights, told.maps[g].weights) for g in plain.maps)
    assert plain.restored.mask == "none" and told.as_dict()["mask"] != "none"


def test_a_network_without_a_memory_is_refused(tmp_path: Path) -> None:
    network = MemoryNet(replace(SMALL, granularities=(), polarities=()))
    path = checkpoint.save(tmp_path / "plain", network, name="plain", task="derain", provenance={})
    with pytest.raises(RestoreError, match="plain has no memory"):
        inspect(picture(16, 16), RestoreRequest(model=path), ignore, JobControl())


def test_slots_that_are_not_read_are_told(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = MemoryNet(replace(SMALL, polarities=("positive",), granularities=("part",)))
    path = checkpoint.save(tmp_path / "part", network, name="part", task="derain", provenance={})
    found = inspected(path)
    assert [group for group, read in found.is_read.items() if read] == [("positive", "part")]
    assert found.as_dict()["is_read"]["negative part"] is False
    shown = shown_photo(photo(72, 56), None)
    read, unread = (slot_map(shown, found, p, "part") for p in ("positive", "negative"))
    assert unread.shape[0] > read.shape[0]  # one line more


def test_progress_counts_on_and_a_cancel_takes_hold(model: Path) -> None:
    events: list[object] = []
    request = RestoreRequest(model=model, precision="fp32", tile_px=64)
    inspect(picture(130, 70), request, events.append, JobControl())
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert isinstance(events[0], RestoreStarted)
    assert [event.index for event in tiles] == list(range(1, 19)) and {event.count for event in tiles} == {18}
    assert all(event.pixels.shape == (event.height, event.width, 3) for event in tiles)
    control = JobControl()

    def stop(event: object) -> None:
        if isinstance(event, TileDone) and event.index == 8:  # while looking
            control.cancel()

    with pytest.raises(Cancelled):
        inspect(picture(130, 70), request, stop, control)


def test_less_memory_means_smaller_tiles(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = MemoryNet.address

    def short(self: MemoryNet, image: torch.Tensor, *args: object, **more: object) -> object:
        if image.shape[-1] > 190:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        return real(self, image, *args, **more)  # type: ignore[arg-type]

    expected = inspected(model, 203, 150)
    monkeypatch.setattr(MemoryNet, "address", short)
    found = inspected(model, 203, 150)
    assert any("memory ran short while looking" in note for note in found.notes)
    assert same(expected, found, 1e-4)


def test_a_device_too_full_for_the_model_is_left_to_the_restoration(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows where else to go; looking follows it there."""
    expected, real, calls = inspected(model), inspection.load_model, []

    def full_at_first(*arguments: object) -> checkpoint.LoadedModel:
        calls.append(arguments)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(inspection, "load_model", full_at_first)
    assert same(expected, inspected(model), 0.0)
    assert len(calls) == 2


# --- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (9, 300), (300, 9), (72, 56)])
def test_every_picture_can_be_drawn(model: Path, size: tuple[int, int]) -> None:
    found = inspected(model, *size)
    pixels = photo(*size)
    shown = shown_photo(pixels, None)
    drawn = maps(shown, shown_photo(found.restored.pixels, None), found)
    drawn[SHEET] = contact_sheet(pixels, None, found, nearest_samples(found, None), "No samples.")
    assert tuple(drawn) == PICTURES
    for name, made in drawn.items():
        assert made.dtype == np.uint8 and made.ndim == 3 and made.shape[2] == 3, name
        assert 600 <= made.shape[1] <= 1700, name
        assert made.std() > 1, name


def test_damage_is_brighter_than_what_is_clean(model: Path) -> None:
    found = inspected(model, 64, 64)
    values = np.zeros((8, 8), np.float32)
    values[:, 4:] = 1
    grey = shown_photo(np.full((64, 64, 3), 128, np.uint8), None)
    drawn = response_map(
        grey, replace(found, before=inspection.Response(values)), inspection.Response(values), "before"
    )
    middle = drawn[drawn.shape[0] // 2].astype(int)
    left, right = middle[100], middle[-100]
    assert right.sum() > left.sum() + 60
    assert np.ptp(left) < 20 and np.ptp(right) > 40  # grey stays grey; damage glows


def test_a_slot_keeps_its_colour_and_slots_differ(model: Path) -> None:
    colours = [slot_colour(slot) for slot in range(64)]
    assert len(set(colours)) == 64 and slot_colour(64) == colours[0]
    gaps = [np.abs(np.subtract(a, b)).sum() for i, a in enumerate(colours) for b in colours[:i]]
    assert min(gaps) >= 45
    found = inspected(model, 64, 64)
    shape = (4, 8, 8)
    slots = np.zeros(shape, np.uint16)
    slots[0, :, :4], slots[0, :, 4:] = 2, 9
    weights = np.zeros(shape, np.float32)
    weights[0] = 1
    changed = {**found.maps, ("negative", "part"): SlotMap(slots, weights, weights)}
    grey = shown_photo(np.full((64, 64, 3), 128, np.uint8), None)
    drawn = slot_map(grey, replace(found, maps=changed), "negative", "part")
    middle = drawn[drawn.shape[0] // 2].astype(float)
    for pixel, slot in ((middle[100], 2), (middle[-100], 9)):
        colour = np.array(slot_colour(slot), float)
        assert np.allclose(pixel, 0.25 * (128 * 0.8 + 10) + 0.75 * colour, atol=2)


def test_the_sheet_shows_the_nearest_samples_of_the_same_polarity(model: Path) -> None:
    found = inspected(model)
    pixels = photo(72, 56)
    without = contact_sheet(pixels, None, found, nearest_samples(found, None), "There are none.")
    memory = SampleMemory(8)
    thumbnails = np.zeros((1, 32, 32, 3), np.uint8)
    tops = {polarity: found.top_of(polarity, "part")[0] for polarity in ("positive", "negative")}
    for kind, polarity in (("positive", "positive"), ("degraded", "negative"), ("wrong", "negative")):
        query = torch.from_numpy(found.table[tops[polarity].row])[None]
        query = query if kind != "wrong" else query + 0.5 * torch.eye(8)[:1]
        memory.add(kind, query, thumbnails, f"a very long name of a {kind} photo.jpg", np.array([[3, 4]]))
    near = nearest_samples(found, memory)
    assert set(near) == {top.row for top in found.top}
    first = near[tops["negative"].row]
    assert [sample.exemplar.kind for sample in first] == ["degraded", "wrong"]
    assert first[0].similarity == pytest.approx(1, abs=1e-3) and first[1].similarity < 0.999
    assert {sample.exemplar.kind for sample in near[tops["positive"].row]} == {"positive"}
    assert json.dumps(first[0].as_dict(), allow_nan=False)
    shown = contact_sheet(pixels, None, found, near)
    assert shown.shape[1] > without.shape[1] + 300


def test_words_are_fitted() -> None:
    text = "Each row is one slot of the memory, and this is a sentence about it."
    lines = wrapped(text, 200, 16)
    assert len(lines) > 1 and " ".join(lines) == text
    short = shortened("a-very-long-name-of-a-photo-from-the-holidays.jpg", 104, 13)
    assert len(short) < 30 and short.startswith("a-") and short.endswith("jpg") and "..." in short
    assert shortened("dog.jpg", 104, 13) == "dog.jpg"
