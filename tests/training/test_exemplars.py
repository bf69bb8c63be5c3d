"""The sample memory: banks that stay diverse, filled from photos, kept in a file that is checked on loading."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from core.data.degrade import DEGRADATIONS, Degradation
from core.events import ItemDone, ItemStarted, Notice
from core.jobs import Cancelled, JobControl
from core.model import checkpoint, exemplars
from core.model.bank import Bank, Placed
from core.model.config import NetworkConfig
from core.model.exemplars import ACTUAL, DEGRADED, NEGATIVE, POSITIVE, WRONG, SampleError, SampleMemory
from core.model.network import MemoryNet
from core.problems import describe
from core.training.exemplar_fill import LARGEST_ACTUAL_PX, add_actual, fill
from core.training.learning import losses
from tests.small import SMALL, photo, save_small_model, small_network

KINDS = (POSITIVE, DEGRADED, WRONG)
BOUNDS = {POSITIVE: 40, DEGRADED: 24, WRONG: 12}


def units(count: int, dim: int = 8, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def rain() -> Degradation:
    registered = DEGRADATIONS["derain"]
    return registered.bind(registered.always(registered.defaults))


def photos() -> list[tuple[str, np.ndarray]]:
    return [
        ("harbour.png", photo(120, 96, 1)),
        ("wood.png", photo(300, 280, 2)),
        ("dunes.png", photo(64, 72, 3)),
    ]


@pytest.fixture(scope="module")
def network() -> MemoryNet:
    return small_network(3)


@pytest.fixture(scope="module")
def memory(network: MemoryNet) -> SampleMemory:
    return fill(network, photos(), rain(), 5, BOUNDS)


# --- banks ---------------------------------------------------------------------------------------


def cheapest(bank: Bank, kind: str) -> float:
    """Cost of letting one of two members stand for both, smallest over all pairs, the slow way."""
    members, weights = bank.members(kind), bank.weights(kind).clamp(max=16).tolist()
    costs = []
    for i, (a, one) in enumerate(zip(members, weights, strict=True)):
        for b, other in list(zip(members, weights, strict=True))[:i]:
            costs.append(one * other / (one + other) * float((a - b).square().sum()))
    return min(costs)


@pytest.mark.parametrize("limit", [5, 20, 64])
def test_a_full_bank_keeps_its_bound_and_its_diversity(limit: int) -> None:
    bank = Bank(8, {"p": 20})
    costs, offered = [], 0
    for seed in range(15):
        bank.add(units(50, seed=seed), "p", limit=limit)
        offered += 50
        assert bank.count("p") <= 20
        assert float(bank.weights("p").sum()) == offered  # every candidate is stood for
        if bank.count("p") == 20:
            costs.append(cheapest(bank, "p"))
    assert len(costs) > 10
    assert all(after >= before - 1e-5 for before, after in itertools.pairwise(costs))
    assert costs[-1] > costs[0]
    closest = min(
        float((a - b).norm()) for i, a in enumerate(bank.members("p")) for b in bank.members("p")[:i]
    )
    assert bank.smallest_distance("p") == pytest.approx(closest, abs=1e-5)


def test_a_flood_of_near_duplicates_does_not_push_out_the_rest() -> None:
    bank = Bank(8, {"p": 8})
    spread = torch.eye(8)  # as far apart as eight can be without being opposite
    assert len(bank.add(spread, "p")) == 8
    flood = F.normalize(spread[:1] + 0.02 * units(2000), dim=1)
    for at in range(0, 2000, 100):
        bank.add(flood[at : at + 100], "p")
    assert {tuple(row) for row in bank.members("p").tolist()} == {tuple(row) for row in spread.tolist()}
    # the other way round, what came first in a flood makes room for what differs
    late = Bank(8, {"p": 8})
    for at in range(0, 2000, 100):
        late.add(flood[at : at + 100], "p")
    late.add(spread, "p")
    assert (late.nearest(spread, "p").similarities > 0.99).all()


def test_a_bank_stands_for_what_is_common_and_not_for_outliers_alone() -> None:
    """What farthest-point selection gets wrong: with an outlier in each batch it would keep little else."""
    generator = torch.Generator().manual_seed(1)
    centres = units(6, seed=2)
    bank, seen = Bank(8, {"p": 12}), []
    for _ in range(20):
        common = centres[torch.randint(6, (60,), generator=generator)]
        batch = F.normalize(common + 0.1 * torch.randn(60, 8, generator=generator), dim=1)
        batch[17] = F.normalize(torch.randn(8, generator=generator), dim=0)
        bank.add(batch, "p")
        seen.append(batch)
    assert (bank.nearest(centres, "p").similarities > 0.95).all()
    everything = torch.cat(seen)
    random = everything[torch.randperm(len(everything), generator=generator)[:12]]
    ours = bank.nearest(everything, "p").similarities.mean()
    assert ours > (everything @ random.T).amax(1).mean()


def test_a_candidate_that_was_placed_stands_where_it_is_said() -> None:
    bank = Bank(8, {"p": 10})
    for seed in range(6):
        candidates = units(30, seed=seed)
        before = bank.members("p").clone()
        placed = bank.add(candidates, "p")
        after = bank.members("p")
        told = {at.slot: candidates[at.candidate] for at in placed}
        for slot, row in enumerate(after):
            assert torch.equal(row, told[slot] if slot in told else before[slot])


def test_the_same_thing_again_takes_no_place() -> None:
    bank = Bank(4, {"p": 10})
    assert len(bank.add(units(1, 4).repeat(5, 1), "p")) == 1
    assert bank.add(3 * units(1, 4), "p") == []
    assert bank.count("p") == 1
    assert bank.smallest_distance("p") == float("inf")


def test_a_bank_of_one_keeps_its_first() -> None:
    bank = Bank(4, {"p": 1})
    bank.add(units(3, 4), "p")
    kept = bank.members("p").clone()
    bank.add(units(9, 4, seed=1), "p")
    assert torch.equal(bank.members("p"), kept)


def test_candidates_without_direction_are_passed_over() -> None:
    bank = Bank(4, {"p": 10})
    rows = units(4, 4)
    rows[0, 1], rows[1, 0], rows[2] = float("nan"), float("inf"), 0.0
    assert bank.add(rows, "p") == [Placed(0, 3)]
    assert torch.equal(bank.members("p"), rows[3:])


def test_a_batch_is_thinned_to_medoids_that_stand_for_all() -> None:
    bank = Bank(3, {"p": 10})
    axes = torch.eye(3)
    many = F.normalize(
        axes.repeat_interleave(20, 0) + 0.05 * torch.randn(60, 3, generator=torch.Generator().manual_seed(0)),
        dim=1,
    )
    placed = bank.add(many, "p", limit=3)
    assert sorted(at.candidate // 20 for at in placed) == [0, 1, 2]  # one for each
    assert bank.weights("p").tolist() == [20, 20, 20]


@pytest.mark.parametrize("count", [1, 7, 300])
def test_nearest_is_brute_force(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.model.bank._SCORES_AT_ONCE", 100)  # many chunks, the last one short
    bank = Bank(8, {"p": 25, "n": 15})
    bank.add(units(200, seed=1), "p")
    bank.add(units(200, seed=2), "n")
    queries = 5 * units(count, seed=3)
    every = torch.cat((bank.members("p"), bank.members("n")))
    expected = F.cosine_similarity(queries[:, None], every[None], dim=-1).sort(dim=1, descending=True)
    found = bank.nearest(queries, ("p", "n"), 4)
    assert torch.equal(found.indices, expected.indices[:, :4])
    assert torch.allclose(found.similarities, expected.values[:, :4], atol=1e-5)
    assert bank.nearest(queries, "n", 99).indices.shape == (count, 15)


def test_an_empty_bank_has_nothing_near() -> None:
    found = Bank(8, {"p": 3}).nearest(units(5), "p", 2)
    assert found.indices.shape == found.similarities.shape == (5, 0)


def test_searching_is_exact_under_autocast() -> None:
    bank = Bank(8, {"p": 30})
    bank.add(units(60), "p")
    plain = bank.nearest(units(40, seed=1), "p", 3)
    with torch.autocast("cpu", torch.bfloat16):
        again = bank.nearest(units(40, seed=1), "p", 3)
    assert torch.equal(plain.similarities, again.similarities)
    assert torch.equal(plain.indices, again.indices)


def test_a_bank_goes_on_from_its_state_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    def step(bank: Bank, number: int) -> None:
        bank.add(units(16, seed=number), "p", number, limit=4)
        bank.add(units(16, seed=1000 + number), "n", number)

    through = Bank(8, {"p": 12, "n": 6}, max_age=9)
    for number in range(30):
        step(through, number)
    stopped = Bank(8, {"p": 12, "n": 6}, max_age=9)
    for number in range(14):
        step(stopped, number)
    checkpoint.save_tensors(tmp_path / "state.safetensors", stopped.state_dict(), {})
    resumed = Bank(8, {"p": 12, "n": 6}, max_age=9)
    resumed.load_state_dict(checkpoint.read_tensors(tmp_path / "state.safetensors")[0])
    for number in range(14, 30):
        step(resumed, number)
    for name, tensor in through.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_an_empty_bank_has_a_state_as_well() -> None:
    bank = Bank(8, {"p": 2})
    bank.load_state_dict(Bank(8, {"p": 2}).state_dict())
    assert bank.count("p") == 0


def _state(embedding: Tensor, count: int) -> dict[str, Tensor]:
    return {
        "p.embedding": embedding,
        "p.weight": torch.ones(count),
        "p.step": torch.zeros(count, dtype=torch.int64),
    }


@pytest.mark.parametrize(
    "state",
    [
        {},
        _state(torch.ones(3, 4), 3),
        _state(torch.ones(1, 5), 1),
        _state(torch.ones(2, 4), 1),
        _state(torch.full((2, 4), float("nan")), 2),
        {**_state(torch.ones(2, 4), 2), "p.weight": torch.zeros(2)},
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state: dict[str, Tensor]) -> None:
    bank = Bank(4, {"p": 2})
    bank.add(units(2, 4), "p")
    before = bank.members("p").clone()
    with pytest.raises(ValueError, match="bank"):
        bank.load_state_dict(state)
    assert torch.equal(bank.members("p"), before)


def test_what_is_older_than_allowed_is_forgotten() -> None:
    bank = Bank(4, {"p": 10}, max_age=5)
    bank.add(torch.eye(4)[:1], "p", step=0)
    bank.add(torch.eye(4)[1:2], "p", step=5)
    assert bank.count("p") == 2
    bank.add(torch.eye(4)[2:3], "p", step=6)
    assert torch.equal(bank.members("p"), torch.eye(4)[1:3])


def test_a_bank_refuses_what_does_not_fit() -> None:
    bank = Bank(4, {"p": 2})
    for call in (
        lambda: bank.add(units(2, 5), "p"),
        lambda: bank.add(units(2, 4)[0], "p"),
        lambda: bank.add(units(2, 4), "q"),
        lambda: bank.add(units(2, 4), "p", limit=0),
        lambda: bank.nearest(units(2, 5), "p"),
        lambda: bank.nearest(units(2, 4), "p", 0),
        lambda: Bank(0, {"p": 2}),
        lambda: Bank(4, {"p": 0}),
        lambda: Bank(4, {"p": 10**6}),
        lambda: Bank(4, {"p": 2}, max_age=0),
    ):
        with pytest.raises(ValueError, match=r"need|known"):
            call()


def test_members_serve_as_negatives_of_the_contrastive_loss() -> None:
    bank = Bank(8, {"n": 16})
    bank.add(units(40), "n")
    anchor = units(9, seed=1).T.reshape(1, 8, 3, 3).requires_grad_(True)
    truth, given = anchor.detach()[:, None], -anchor.detach()[:, None]
    near = bank.nearest(anchor.detach().flatten(2)[0].T, "n", 4).indices  # (9, 4)
    wrong = bank.members("n")[near].reshape(1, 3, 3, 4, 8).permute(0, 3, 4, 1, 2)
    weight = torch.ones(1, 3, 3)
    plain, _, _ = losses.contrastive(anchor, truth, given, weight)
    loss, _, _ = losses.contrastive(anchor, truth, torch.cat((given, wrong), 1), weight)
    loss.backward()
    assert loss > plain
    assert anchor.grad is not None
    assert torch.isfinite(anchor.grad).all()


# --- samples -------------------------------------------------------------------------------------


def test_filling_finds_all_kinds_within_their_bounds(memory: SampleMemory) -> None:
    for kind in KINDS:
        assert 0 < memory.count(kind) <= BOUNDS[kind]
        lengths = memory.embeddings(kind).norm(dim=1)
        assert torch.allclose(lengths, torch.ones_like(lengths), atol=1e-3)
    assert memory.count(POSITIVE) == BOUNDS[POSITIVE]
    assert memory.count(NEGATIVE) == memory.count(DEGRADED) + memory.count(WRONG)
    assert memory.count(ACTUAL) == 0
    assert set(memory.sources) <= {name for name, _ in photos()}
    assert len(memory.sources) > 1


def test_a_positive_sample_is_the_place_it_names(memory: SampleMemory) -> None:
    pictures = dict(photos())
    for index in range(memory.count(POSITIVE)):
        sample = memory.exemplar(POSITIVE, index)
        x, y = sample.x_px, sample.y_px
        patch = pictures[sample.source][y : y + 32, x : x + 32]
        assert np.array_equal(sample.thumbnail, patch)


def test_an_embedding_is_the_query_of_the_cell_at_the_middle(network: MemoryNet) -> None:
    pixels = photo(64, 72, 3)  # one window
    filled = fill(network, [("dunes.png", pixels)], rain(), 0, BOUNDS)
    with torch.inference_mode():
        queries = network.embed(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
    for index in range(filled.count(POSITIVE)):
        sample = filled.exemplar(POSITIVE, index)
        row, column = (sample.y_px + 16) // 8, (sample.x_px + 16) // 8
        assert (sample.y_px + 16) % 8 == (sample.x_px + 16) % 8 == 4  # the middle of a cell
        expected = queries[0, :, row, column]
        assert torch.allclose(filled.embeddings(POSITIVE)[index], expected, atol=2e-3)


def test_negative_samples_show_damage(memory: SampleMemory) -> None:
    pictures = dict(photos())
    for index in range(memory.count(NEGATIVE)):
        sample = memory.exemplar(NEGATIVE, index)
        assert sample.kind == (DEGRADED if index < memory.count(DEGRADED) else WRONG)
        x, y = sample.x_px, sample.y_px
        truth = pictures[sample.source][y : y + 32, x : x + 32].astype(int)
        middle = np.abs(sample.thumbnail.astype(int) - truth)[12:20, 12:20].mean()
        assert middle > (0.49 * 0.06 * 255 if sample.kind == DEGRADED else 2.9)


def test_filling_twice_gives_the_same_bytes_and_another_seed_others(
    network: MemoryNet, memory: SampleMemory, tmp_path: Path
) -> None:
    files = [
        exemplars.save(fill(network, photos(), rain(), seed, BOUNDS), tmp_path / str(index)).read_bytes()
        for index, seed in enumerate((5, 6))
    ]
    assert exemplars.save(memory, tmp_path).read_bytes() == files[0] != files[1]


def test_older_weights_add_what_they_got_wrong(network: MemoryNet, memory: SampleMemory) -> None:
    both = fill(network, photos(), rain(), 5, BOUNDS, older=[small_network(9)])
    # the same samples without the older results' stay as they are; the wrong ones differ and are no closer
    assert torch.equal(both.embeddings(POSITIVE), memory.embeddings(POSITIVE))
    assert torch.equal(both.embeddings(DEGRADED), memory.embeddings(DEGRADED))
    assert not torch.equal(both.embeddings(WRONG), memory.embeddings(WRONG))


def test_another_visit_degrades_anew(network: MemoryNet) -> None:
    room = dict.fromkeys(KINDS, 4000)
    events: list[object] = []
    once = fill(network, photos()[:1], rain(), 5, room)
    twice = fill(network, photos()[:1], rain(), 5, room, visits=2, emit=events.append)
    # the clean photo was seen already, its rain was not
    assert torch.equal(twice.embeddings(POSITIVE), once.embeddings(POSITIVE))
    assert twice.count(DEGRADED) > once.count(DEGRADED) > 0
    assert [(event.index, event.count) for event in events if isinstance(event, ItemDone)] == [(1, 2), (2, 2)]


def test_photos_that_cannot_be_used_are_passed_over_with_a_notice(network: MemoryNet, tmp_path: Path) -> None:
    good, broken = tmp_path / "good.png", tmp_path / "broken.png"
    Image.fromarray(photo(64, 64)).save(good)
    broken.write_bytes(good.read_bytes()[:90])
    events: list[object] = []
    filled = fill(
        network, [broken, good, ("tiny.png", photo(24, 200)), tmp_path / "gone.png"], rain(), visits=2, emit=events.append
    )  # fmt: skip
    assert filled.sources == ("good.png",)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert [text.split()[0] for text in notices] == ["broken.png", "tiny.png", "gone.png"]  # each said once
    assert "200" in notices[1]
    assert len([event for event in events if isinstance(event, ItemStarted)]) == 8
    assert [event.error is None for event in events if isinstance(event, ItemDone)][:4] == [
        False,
        True,
        False,
        False,
    ]


def test_nothing_to_fill_from_is_an_error(network: MemoryNet) -> None:
    with pytest.raises(SampleError, match="none of 0"):
        fill(network, [], rain())
    with pytest.raises(SampleError, match="none of 1"):
        fill(network, [("tiny.png", photo(16, 16))], rain())
    plain = MemoryNet(NetworkConfig(width=4, blocks=(1, 1, 1), granularities=(), polarities=()))
    with pytest.raises(SampleError, match="without a memory"):
        fill(plain, photos(), rain())
    with pytest.raises(SampleError, match="without a memory"):
        add_actual(SampleMemory(8), plain, photo(64, 64), "a.png")


def test_filling_can_be_cancelled_between_photos(network: MemoryNet) -> None:
    control = JobControl()
    started = []

    def emit(event: object) -> None:
        if isinstance(event, ItemStarted):
            started.append(event.name)
        if isinstance(event, ItemDone):
            control.cancel()

    with pytest.raises(Cancelled):
        fill(network, photos(), rain(), emit=emit, control=control)
    assert started == ["harbour.png"]


def test_sixteen_bit_photos_and_pictures_in_memory_serve(network: MemoryNet) -> None:
    deep = fill(network, [("a.png", photo(64, 64, 1, np.uint16))], rain(), 0, BOUNDS)
    assert deep.exemplar(POSITIVE, 0).thumbnail.dtype == np.uint8


def test_the_photo_at_hand_becomes_actual_samples(network: MemoryNet) -> None:
    memory = SampleMemory(SMALL.memory_dim, {ACTUAL: 10})
    pixels = photo(83, 70, 4)  # no multiples of the cell
    assert add_actual(memory, network, pixels, "/somewhere/here.png") == 10
    sample = memory.exemplar(ACTUAL, 3)
    assert np.array_equal(
        sample.thumbnail, pixels[sample.y_px : sample.y_px + 32, sample.x_px : sample.x_px + 32]
    )
    assert (sample.kind, sample.source) == (ACTUAL, "here.png")
    memory.clear(ACTUAL)
    assert memory.count(ACTUAL) == 0
    assert add_actual(memory, network, pixels, "b.png") == 10
    with pytest.raises(SampleError, match="30x90"):
        add_actual(memory, network, photo(30, 90), "c.png")
    with pytest.raises(ValueError, match="reduce"):
        add_actual(memory, network, np.zeros((64, LARGEST_ACTUAL_PX + 1, 3), np.uint8), "d.png")


def test_nearest_counts_degraded_before_wrong(memory: SampleMemory) -> None:
    queries = memory.embeddings(NEGATIVE)
    found = memory.nearest(queries, NEGATIVE, 1)
    assert torch.equal(found.indices[:, 0], torch.arange(len(queries)))
    with pytest.raises(IndexError, match="there are"):
        memory.exemplar(NEGATIVE, len(queries))
    with pytest.raises(IndexError):
        memory.exemplar(POSITIVE, -1)


def test_samples_are_checked_when_added() -> None:
    memory = SampleMemory(4)
    thumbnails, at = np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 2), np.int64)
    for embedding, shown, source, where in (
        (units(2, 4), thumbnails[:, :16], "a", at),
        (units(2, 4), thumbnails.astype(np.float32), "a", at),
        (units(2, 4), thumbnails, ["a"], at),
        (units(2, 4), thumbnails, "a", at[:1]),
        (torch.full((2, 4), float("nan")), thumbnails, "a", at),
        (units(2, 5), thumbnails, "a", at),
    ):
        with pytest.raises(ValueError, match=r"need|finite"):
            memory.add(POSITIVE, embedding, shown, source, where)
    assert memory.count(POSITIVE) == 0
    with pytest.raises(ValueError, match="thumbnail_px"):
        SampleMemory(4, thumbnail_px=31)
    with pytest.raises(ValueError, match="bounds"):
        SampleMemory(4, {"negative": 3})


# --- the file ------------------------------------------------------------------------------------


def test_saved_and_loaded_is_the_same(memory: SampleMemory, network: MemoryNet, tmp_path: Path) -> None:
    file = exemplars.save(memory, tmp_path / "model", {"task": "derain"})
    loaded = exemplars.load(tmp_path / "model")
    assert exemplars.load(file).sources == loaded.sources == memory.sources
    assert loaded.bounds == memory.bounds
    for kind in KINDS:
        assert torch.equal(loaded.embeddings(kind), memory.embeddings(kind))
        for index in range(memory.count(kind)):
            one, other = memory.exemplar(kind, index), loaded.exemplar(kind, index)
            assert np.array_equal(one.thumbnail, other.thumbnail)
            assert (one.kind, one.source, one.x_px, one.y_px) == (
                other.kind,
                other.source,
                other.x_px,
                other.y_px,
            )
    exemplars.save(loaded, tmp_path / "again", {"task": "derain"})
    assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
    assert [path.name for path in file.parent.iterdir()] == [file.name]  # no temporary is left
    # it goes on as the one it was saved from
    more = units(200, SMALL.memory_dim)
    shown = np.zeros((200, 32, 32, 3), np.uint8)
    unsaved = fill(network, photos(), rain(), 5, BOUNDS)
    for each in (unsaved, loaded):
        each.add(POSITIVE, more, shown, "more.png", np.zeros((200, 2), np.int64))
    assert torch.equal(loaded.embeddings(POSITIVE), unsaved.embeddings(POSITIVE))
    assert not torch.equal(loaded.embeddings(POSITIVE), memory.embeddings(POSITIVE))


def test_empty_kinds_are_saved_as_well(tmp_path: Path) -> None:
    exemplars.save(SampleMemory(4), tmp_path)
    assert exemplars.load(tmp_path).count(NEGATIVE) == 0


def test_no_path_and_nothing_of_the_photo_at_hand_gets_into_the_file(
    network: MemoryNet, tmp_path: Path
) -> None:
    folder = tmp_path / "private folder"
    folder.mkdir()
    Image.fromarray(photo(64, 64)).save(folder / "beach.png")
    memory = fill(network, [folder / "beach.png"], rain(), bounds={WRONG: 4000})
    add_actual(memory, network, photo(64, 64, 8), str(folder / "secret.png"))
    for name in ("C:\\Users\\someone\\own.png", "/home/someone/own.png", "own.png\x1b[2J"):
        memory.add(WRONG, units(1, 8, len(name)), np.zeros((1, 32, 32, 3), np.uint8), name, np.zeros((1, 2)))
    data = exemplars.save(memory, tmp_path / "model").read_bytes()
    for word in (b"private folder", b"someone", b"secret", str(tmp_path).encode()):
        assert word not in data
    loaded = exemplars.load(tmp_path / "model")
    assert set(loaded.sources) == {"beach.png", "own.png", "own.png[2J"}
    assert loaded.count(ACTUAL) == 0


def _with_header(file: Path, **changes: object) -> None:
    tensors, headers = checkpoint.read_tensors(file)
    header = {**json.loads(headers["memorynet-samples"]), **changes}
    checkpoint.save_tensors(file, tensors, {"memorynet-samples": json.dumps(header)})


def _with_tensor(file: Path, name: str, tensor: Tensor | None) -> None:
    tensors, headers = checkpoint.read_tensors(file)
    tensors.pop(name)
    checkpoint.save_tensors(file, tensors if tensor is None else {**tensors, name: tensor}, headers)


def _webp(width: int, height: int) -> Tensor:
    data = io.BytesIO()
    Image.new("RGB", (width, height)).save(data, "WEBP", lossless=True)
    return torch.frombuffer(bytearray(data.getvalue()), dtype=torch.uint8)


BOMB = bytes.fromhex("524946461a000000574542505650384c0e0000002ffeffdb05071011fd0f4444ff03")
"""A black WebP of 16383x6000 px."""

DAMAGE = {
    "empty": lambda file: file.write_bytes(b""),
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:-200]),
    "header cut": lambda file: file.write_bytes(file.read_bytes()[:40]),
    "noise": lambda file: file.write_bytes(bytes(range(256)) * 20),
    "text": lambda file: file.write_text("samples"),
    "missing": lambda file: file.unlink(),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "a model": lambda file: file.write_bytes((file.parent / "model.safetensors").read_bytes()),
    "other tensors": lambda file: safetensors.torch.save_file({"x": torch.zeros(2)}, file),
    "header no JSON": lambda file: checkpoint.save_tensors(file, {}, {"memorynet-samples": "{"}),
    "header a list": lambda file: checkpoint.save_tensors(file, {}, {"memorynet-samples": "[]"}),
    "header deep": lambda file: checkpoint.save_tensors(file, {}, {"memorynet-samples": "[" * 200_000}),
    "later version": lambda file: _with_header(file, format_version=2),
    "other length": lambda file: _with_header(file, dim=9),
    "odd patches": lambda file: _with_header(file, thumbnail_px=31),
    "larger patches": lambda file: _with_header(file, thumbnail_px=64),
    "no bounds": lambda file: _with_header(file, bounds=None),
    "huge bounds": lambda file: _with_header(file, bounds={POSITIVE: 10**12}),
    "less than held": lambda file: _with_header(file, bounds={POSITIVE: 3}),
    "unknown kind": lambda file: _with_header(file, bounds={"odd": 3}),
    "fewer names": lambda file: _with_header(file, sources=["one.png"]),
    "names a number": lambda file: _with_header(file, sources=3),
    "no weights": lambda file: _with_tensor(file, "wrong.weight", None),
    "weights below 0": lambda file: _with_tensor(file, "wrong.weight", torch.full((12,), -1.0)),
    "no embeddings": lambda file: _with_tensor(file, "wrong.embedding", None),
    "not finite": lambda file: _with_tensor(file, "wrong.embedding", torch.full((12, 8), float("nan"))),
    "whole numbers": lambda file: _with_tensor(file, "wrong.embedding", torch.ones(12, 8, dtype=torch.int32)),
    "one source short": lambda file: _with_tensor(file, "wrong.source", torch.zeros(11, dtype=torch.int32)),
    "negative source": lambda file: _with_tensor(file, "wrong.source", torch.full((12,), -1, dtype=torch.int32)),
    "no picture": lambda file: _with_tensor(file, "wrong.thumbnails", torch.zeros(500, dtype=torch.uint8)),
    "thumbnails of numbers": lambda file: _with_tensor(file, "wrong.thumbnails", torch.zeros(500)),
    "other picture": lambda file: _with_tensor(file, "wrong.thumbnails", _webp(32, 32)),
    "bomb": lambda file: _with_tensor(file, "wrong.thumbnails", torch.tensor([*BOMB], dtype=torch.uint8)),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_missing_file_is_told_in_a_sentence(
    memory: SampleMemory, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = save_small_model(tmp_path / "model", seed=3)
    monkeypatch.setattr(memory, "weights_sha256", checkpoint.load(model).sha256)
    assert memory.count(WRONG) == 12
    file = exemplars.save(memory, model)
    found, sentence = exemplars.load_beside(model)
    assert sentence is None
    assert found is not None
    DAMAGE[damage](file)
    with pytest.raises(SampleError) as caught:
        exemplars.load(file)
    problem = describe(caught.value)
    assert problem.expected
    assert "samples.safetensors" in problem.sentence
    assert str(tmp_path) not in problem.sentence
    found, sentence = exemplars.load_beside(model)
    assert found is None
    assert sentence == problem.sentence


def test_samples_of_other_weights_are_not_used(
    memory: SampleMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = save_small_model(tmp_path / "model", seed=3)
    monkeypatch.setattr(memory, "weights_sha256", checkpoint.load(model).sha256)
    exemplars.save(memory, model)
    assert exemplars.load_beside(model / "model.safetensors")[1] is None
    save_small_model(model, seed=4)
    found, sentence = exemplars.load_beside(model)
    assert found is None
    assert sentence is not None
    assert "other weights" in sentence
    (model / "model.safetensors").unlink()
    assert exemplars.load_beside(model)[0] is None


def test_a_full_memory_is_small_enough_to_ship(tmp_path: Path) -> None:
    """What is hardest to compress: every thumbnail full of structure, lengths of the real network."""
    rng = np.random.default_rng(0)
    memory = SampleMemory(64)
    picture = photo(700, 700, 5)
    for kind in KINDS:
        corners = rng.integers(0, 668, (600, 2))
        shown = np.stack([picture[y : y + 32, x : x + 32] for x, y in corners])
        rows = units(600, 64, len(kind))
        for at in range(0, 600, 50):
            memory.add(kind, rows[at : at + 50], shown[at : at + 50], "a.png", corners[at : at + 50])
        assert memory.count(kind) == memory.bounds[kind]
    assert exemplars.save(memory, tmp_path).stat().st_size < 1.5e6
