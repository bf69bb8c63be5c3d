"""The sample memory: banks that stay diverse, filled from photos, kept in a file that is checked on loading."""

from __future__ import annotations

import io
import json
import shutil
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
from core.model.config import NetworkConfig
from core.model.exemplars import ACTUAL, DEGRADED, NEGATIVE, POSITIVE, WRONG, SampleError, SampleMemory
from core.model.network import MemoryNet
from core.problems import describe
from core.training.exemplar_fill import fill
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
    thumbnail, corner = np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 2))
    memory.add(ACTUAL, units(1, 8, 3), thumbnail, str(folder / "secret.png"), corner)
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


@pytest.fixture(scope="module")
def with_samples(memory: SampleMemory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and samples of it that can be read; made once, for packing the pictures takes its time."""
    model = save_small_model(tmp_path_factory.mktemp("with samples") / "model", seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "weights_sha256", checkpoint.load(model).sha256)
        exemplars.save(memory, model)
    assert memory.count(WRONG) == 12
    found, sentence = exemplars.load_beside(model)
    assert found is not None and sentence is None
    return model


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_missing_file_is_told_in_a_sentence(
    with_samples: Path, tmp_path: Path, damage: str
) -> None:
    model = shutil.copytree(with_samples, tmp_path / "model")
    file = model / exemplars.SAMPLES_FILE
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
