"""What the contrastive term compared, as pictures: true to the term, bounded, and without a trace in the training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.events import ContrastDrawn
from core.images import io as image_io
from core.jobs import TrainControl
from core.model.bank import NO_TAG, Bank
from core.model.config import STRIDE_PX
from core.training.learning import memory as memory_training
from core.training.learning.contrast_pictures import PICTURE_PX, Album, draw, shots
from core.training.learning.memory import MemoryShaper
from core.training.recipe import TrainRecipe
from core.training.run_folder import RunFolder, read_curve
from core.training.trainer import train
from tests.small import photo, small_network

RECIPE = TrainRecipe(preset="custom", width=8, batch=4, crops_per_photo=1, contrastive_every=2, task="derain")


def crops(seed: int, edge: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    """(4, 3, P, P) rainy and clean, the rain in the lower half."""
    generator = torch.Generator().manual_seed(seed)
    photos = np.stack([photo(edge, edge, 10 * seed + index) for index in range(4)])
    clean = torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255
    rain = (torch.rand(4, 1, edge, edge, generator=generator) > 0.7).float() * 0.5
    rain[:, :, : edge // 2] = 0
    return (clean + rain).clamp(0, 1), clean


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_training, "_DRAW_EVERY_S", 0.0)


def one_step(shaper: MemoryShaper, step: int) -> ContrastDrawn | None:
    x, y = crops(step)
    shaper.terms(step, x, y, shaper.network(x), {})
    shaper.keep(step)
    return shaper.take_drawn()


def test_tags_stay_with_their_members_and_out_of_the_state() -> None:
    generator = torch.Generator().manual_seed(0)
    bank, plain = Bank(4, {"p": 6}, max_age=3), Bank(4, {"p": 6}, max_age=3)
    rows: dict[int, torch.Tensor] = {}
    for step in range(8):
        offered = torch.randn(5, 4, generator=generator)
        tags = torch.arange(5) + 10 * step
        rows |= dict(zip(tags.tolist(), offered, strict=True))
        bank.add(offered, "p", step, limit=3, tags=tags)
        plain.add(offered, "p", step, limit=3)
        for tag, member in zip(bank.tags("p").tolist(), bank.members("p"), strict=True):
            assert torch.equal(rows[tag], member)
    assert bank.count("p") > 2
    assert plain.tags("p").tolist() == [NO_TAG] * bank.count("p")
    one, other = bank.state_dict(), plain.state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)  # tags decide nothing
    bank.load_state_dict(one)
    assert bank.tags("p").tolist() == [NO_TAG] * bank.count("p")
    with pytest.raises(ValueError, match=r"tags of \(2,\): need \(1,\)"):
        bank.add(torch.ones(1, 4), "p", tags=torch.arange(2))


def test_a_picture_shows_its_cell_and_nothing_from_outside_the_crop() -> None:
    pictures = torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    cells = torch.tensor([[0, 0, 0], [1, 11, 15], [1, 5, 8], [0, 2, 13]])
    found = shots(pictures, cells, 7)
    levels = (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    for (number, row, column), shot in zip(cells.tolist(), found, strict=True):
        assert shot.step == 7
        assert shot.cell is not None
        assert shot.picture.shape == (PICTURE_PX, PICTURE_PX, 3)
        x, y, edge = shot.cell
        assert edge == STRIDE_PX
        top, left = row * STRIDE_PX, column * STRIDE_PX
        inside = shot.picture[y : y + edge, x : x + edge]
        assert np.array_equal(inside, levels[number, top : top + edge, left : left + edge])
    assert found[2].cell == (28, 28, 8)  # away from the edge it lies in the middle
    assert shots(pictures[..., :32, :32], cells[:1], 0)[0].picture.shape == (32, 32, 3)
    assert shots(pictures, cells[:0], 0) == []


def test_what_is_drawn_is_what_the_term_compared(eager: None) -> None:
    network = small_network(1).train()
    shaper = MemoryShaper(network, RECIPE, "cpu")
    assert one_step(shaper, 0) is not None
    shaper.keep(1)
    x, y = crops(2)
    members = {kind: shaper.bank.members(kind).clone() for kind in ("positive", "degraded", "wrong")}
    output = network(x)
    terms: dict[str, torch.Tensor] = {}
    shaper.terms(2, x, y, output, terms)
    with torch.no_grad():
        anchor, truth, given = (network.embed(side)[:2] for side in (output.restored, y, x))
    shaper.keep(2)
    drawn = shaper.take_drawn()
    assert drawn is not None
    assert (drawn.step, drawn.task) == (2, "derain")
    assert shaper.take_drawn() is None  # once
    assert len(drawn.groups) == 4 == len(drawn.weights) and min(drawn.weights) > 0
    where = {"anchor": output.restored.detach(), "truth": y, "input": x}
    for group in drawn.groups:
        kinds = [sample.kind for sample in group]
        assert kinds[:4] == ["anchor", "truth", "positive", "input"]
        assert len(kinds) == 8
        assert set(kinds[4:]) <= {"degraded", "wrong"}
        number, row, column = place_of(group[0].picture, where["anchor"])
        assert number < 2  # of the half that was compared
        for sample in group:
            assert sample.picture.dtype == np.uint8
            assert sample.cell is not None
            if sample.kind in where:
                assert place_of(sample.picture, where[sample.kind]) == (number, row, column)
                assert sample.step == 2
            else:
                assert sample.step == 0
        # the anchor's own cell, found again by its corner in the crop
        assert group[0].cell is not None
        cell = (row + group[0].cell[1]) // 8, (column + group[0].cell[0]) // 8
        at = (number, slice(None), *cell)
        assert cell[0] >= 5  # where it was damaged, or next to it
        assert group[0].similarity == 1
        assert group[1].similarity == pytest.approx(float(anchor[at] @ truth[at]), abs=1e-5)
        assert group[3].similarity == pytest.approx(float(anchor[at] @ given[at]), abs=1e-5)
        clean = members["positive"][(members["positive"] @ truth[at]).argmax()]
        assert group[2].similarity == pytest.approx(float(anchor[at] @ clean), abs=1e-5)
        wrong = torch.cat((members["degraded"], members["wrong"])) @ anchor[at]
        expected = wrong.topk(4)
        assert [sample.similarity for sample in group[4:]] == pytest.approx(
            expected.values.tolist(), abs=1e-5
        )
        kind_of = ["degraded" if int(i) < len(members["degraded"]) else "wrong" for i in expected.indices]
        assert kinds[4:] == kind_of


def place_of(picture: np.ndarray, crops: torch.Tensor) -> tuple[int, int, int]:
    """Number of the crop, top and left where the picture was cut out of it."""
    levels = (crops.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    edge = len(picture)
    for number, crop in enumerate(levels):
        for top in range(0, crop.shape[0] - edge + 1, STRIDE_PX // 2):
            for left in range(0, crop.shape[1] - edge + 1, STRIDE_PX // 2):
                if np.array_equal(crop[top : top + edge, left : left + edge], picture):
                    return number, top, left
    raise AssertionError("the picture is of no crop")


def test_looking_leaves_no_trace_in_the_training(eager: None) -> None:
    before = torch.get_rng_state()
    states = []
    for is_looked_at in (True, False):
        shaper = MemoryShaper(small_network(3).train(), RECIPE, "cpu")
        if not is_looked_at:
            shaper._drawn_at = float("inf")
        drawn = [one_step(shaper, step) for step in range(0, 8, 2)]
        assert [each is not None for each in drawn] == [is_looked_at] * 4
        states.append(shaper.bank.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_step_shows_the_same_whenever_it_is_made(eager: None) -> None:
    one, other = [one_step(MemoryShaper(small_network(3).train(), RECIPE, "cpu"), 4) for _ in range(2)]
    assert one is not None
    assert other is not None
    for group, again in zip(one.groups, other.groups, strict=True):
        assert all(np.array_equal(a.picture, b.picture) for a, b in zip(group, again, strict=True))


def test_after_a_resume_samples_of_before_have_no_picture_and_new_ones_do(eager: None) -> None:
    network = small_network(1).train()
    shaper = MemoryShaper(network, RECIPE, "cpu")
    one_step(shaper, 0)
    resumed = MemoryShaper(network, RECIPE, "cpu")
    resumed.bank.load_state_dict(shaper.bank.state_dict())
    drawn = one_step(resumed, 2)
    assert drawn is not None
    for group in drawn.groups:
        for sample in group:
            if sample.kind in ("anchor", "truth", "input"):
                assert sample.picture.size
            else:
                assert sample.picture.shape == (0, 0, 3)
                assert (sample.step, sample.cell) == (None, None)
            assert -1 <= sample.similarity <= 1
    later = one_step(resumed, 4)
    assert later is not None
    assert any(s.picture.size and s.step == 2 for group in later.groups for s in group)


def test_the_album_holds_no_more_than_the_bank() -> None:
    shaper = MemoryShaper(small_network(2).train(), RECIPE, "cpu")
    for step in range(0, 44, 2):
        one_step(shaper, step)
    tags = shaper.bank.tags("positive", "degraded", "wrong").tolist()
    assert shaper.bank.count("positive") == 256
    assert len(shaper.album) == len(tags) == len(set(tags))
    assert all(shaper.album.get(tag).picture.base is None for tag in tags)  # no hidden neighbours


def test_an_album_forgets_what_it_is_told_to() -> None:
    album = Album()
    tags = album.tags_for(3)
    assert not set(tags.tolist()) & set(album.tags_for(3).tolist())
    album.put(tags.tolist(), shots(torch.rand(1, 3, 16, 16), torch.tensor([[0, 0, 0]] * 3), 1))
    album.keep_only([1, 99])
    assert len(album) == 1
    assert album.get(1).picture.size
    assert album.get(0).picture.size == 0


def test_pictures_come_once_every_few_seconds_and_only_of_damage(eager: None) -> None:
    shaper = MemoryShaper(small_network(1).train(), RECIPE, "cpu")
    _, clean = crops(0)
    shaper.terms(0, clean, clean, shaper.network(clean), {})
    shaper.keep(0)
    assert shaper.take_drawn() is None  # nothing was damaged, nothing is pulled
    memory_training._DRAW_EVERY_S = 1000.0
    shaper._drawn_at = float("-inf")
    assert one_step(shaper, 2) is not None
    assert one_step(shaper, 4) is None
    off = MemoryShaper(small_network(1).train(), replace(RECIPE, contrastive_weight=0.0), "cpu")
    assert one_step(off, 0) is None


def test_a_step_that_broke_off_shows_nothing(eager: None) -> None:
    shaper = MemoryShaper(small_network(1).train(), RECIPE, "cpu")
    x, y = crops(0)
    shaper.terms(0, x, y, shaper.network(x), {})  # and no keep()
    x, y = crops(1)
    shaper.terms(1, x, y, shaper.network(x), {})  # no contrast at odd steps
    shaper.keep(1)
    assert shaper.take_drawn() is None
    assert len(shaper.album) == 0


def test_a_run_tells_what_it_compares_and_how_silent_its_read_is(tmp_path: Path) -> None:
    for folder, seeds in (("clean", range(3)), ("val", range(50, 52))):
        (tmp_path / folder).mkdir()
        for seed in seeds:
            picture = image_io.from_array(photo(72, 64, seed))
            image_io.write(tmp_path / folder / f"{seed}.png", picture, image_io.WriteOptions(format="PNG"))
    recipe = TrainRecipe(
        name="tiny", preset="custom", width=8, steps=6, batch=4, crops_per_photo=1, patch_px=32, warmup_steps=2,
        train=("DATA/clean",), validation=("DATA/val",), validate_every=6, validate_crop_px=48, log_every=2,
        contrastive_every=2, precision="fp32",
    )  # fmt: skip
    events: list[object] = []
    train(recipe, (tmp_path,), tmp_path / "run", events.append, TrainControl(), device="cpu")
    drawn = [event for event in events if isinstance(event, ContrastDrawn)]
    assert drawn[0].step == 0  # soon after the start, so that there is something to look at
    assert all(sample.picture.shape == (32, 32, 3) for group in drawn[0].groups for sample in group)
    (validation,) = (line for line in read_curve(tmp_path / "run") if line["kind"] == "validation")
    assert 0 <= validation["memory_silent"] <= 1
    kept = RunFolder(tmp_path / "run").contrast()
    assert kept is not None and kept.step == drawn[-1].step


def test_pairs_that_are_equal_are_not_drawn(eager: None) -> None:
    shaper = MemoryShaper(small_network(1).train(), RECIPE, "cpu")
    assert one_step(shaper, 0) is not None
    x, y = crops(2)
    shaper.terms(2, x, y, shaper.network(x), {})
    compared = shaper._compared
    assert compared is not None
    equal = replace(compared, given_picture=compared.truth_picture)
    assert draw(2, "derain", compared, shaper.bank, shaper.album) is not None
    assert draw(2, "derain", equal, shaper.bank, shaper.album) is None


def test_what_was_compared_last_is_kept_with_the_run_and_read_again(eager: None, tmp_path: Path) -> None:
    shaper = MemoryShaper(small_network(1).train(), RECIPE, "cpu")
    assert one_step(shaper, 0) is not None
    drawn = one_step(shaper, 2)
    assert drawn is not None
    folder = RunFolder(tmp_path)
    assert folder.contrast() is None
    folder.write_contrast(drawn)
    found = folder.contrast()
    assert found is not None
    assert (found.step, found.task, found.weights) == (drawn.step, drawn.task, pytest.approx(drawn.weights))
    for one, two in zip(drawn.groups, found.groups, strict=True):
        for a, b in zip(one, two, strict=True):
            assert (a.kind, a.step, a.cell) == (b.kind, b.step, b.cell) and (a.picture == b.picture).all()
            assert b.similarity == pytest.approx(a.similarity)
    whole = folder.contrast_file.read_bytes()
    for damaged in (b"", whole[:200], whole[:-50], b"PK" + bytes(100)):
        folder.contrast_file.write_bytes(damaged)
        assert folder.contrast() is None
    np.savez_compressed(folder.contrast_file, told=np.zeros(64 << 20, np.uint8))  # a bomb
    assert folder.contrast() is None
