"""Mixtures of sources: what a recipe says of them, and the samples and scores that come of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.cv import cv2
from core.data.degrade.layers import LayerParams, layered_rain, upright
from core.data.source import DataSource, DataSourceError
from core.doctor import examination as doctor
from core.images import io as image_io
from core.jobs import JobControl, ignore
from core.model.config import NetworkConfig
from core.model.network import MemoryNet
from core.training import validation as training_validation
from core.training.data import read_data
from core.training.recipe import RecipeError, TrainRecipe, problems_of

EDGE = 48


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey-ish clean photos, layers with one bright streak, and pairs of two scenes whose inputs are lighter."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)

    def write(path: Path, pixels: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        image_io.write(path, image_io.from_array(pixels))

    for n in range(6):
        write(root / "clean" / f"c{n}.png", rng.integers(60, 120, (64, 80, 3), np.uint8))
    for n in range(2):
        write(root / "val" / f"v{n}.png", rng.integers(60, 120, (64, 64, 3), np.uint8))
    layer = np.zeros((64, 64, 3), np.uint8)
    layer[:, 30:34] = 120
    write(root / "layers" / "one.png", layer)
    for scene in ("a", "b", "c", "d"):
        truth = rng.integers(60, 120, (64, 64, 3), np.uint8)
        write(root / "pairs" / "target" / f"{scene}_1.png", truth)
        write(root / "pairs" / "input" / f"{scene}_1.png", truth + 40)
    return root


def recipe(*sources: DataSource) -> TrainRecipe:
    return TrainRecipe(
        kind="sources", train=("DATA/clean",), validation=("DATA/val",), patch_px=EDGE, batch=4, crops_per_photo=1,
        sources=sources,
    )  # fmt: skip


LAYERS = DataSource("layers", 2.0, layers="DATA/layers", camera_share=0.5, noise_share=0.5)
PAIRS = DataSource("pairs", 1.0, folders=("DATA/pairs",), hold_out=0.5)
CLEAN = DataSource("clean", 1.0)
DRAWN = DataSource("drawn", 1.0, degradation={"cover": [0.1, 0.4]})


def test_a_recipe_with_sources_comes_back_from_its_file(tmp_path: Path) -> None:
    mixed = recipe(LAYERS, PAIRS, CLEAN, DRAWN)
    (tmp_path / "r.toml").write_text(mixed.to_toml(), encoding="utf-8")
    assert TrainRecipe.from_toml(tmp_path / "r.toml") == mixed
    assert set(mixed.all_folders()) == {"DATA/clean", "DATA/val", "DATA/layers", "DATA/pairs"}


def test_a_recipe_without_sources_does_not_speak_of_them() -> None:
    text = TrainRecipe().to_toml()
    assert "source" not in text and "smooth" not in text and "spread" not in text


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ({"kind": "drawing"}, "kind"),
        ({"share": 0}, "share"),
        ({"share": "much"}, "share"),
        ({"kind": "layers"}, "layers"),
        ({"kind": "pairs"}, "folders"),
        ({"kind": "clean", "hold_out": 0.5}, "hold_out"),
        ({"kind": "drawn", "camera_share": 1.5}, "camera_share"),
        ({"folder": ["x"]}, "folder"),
    ],
)
def test_a_source_that_cannot_be_used_is_named(table: dict[str, object], names: str) -> None:
    with pytest.raises(DataSourceError, match=names):
        DataSource.from_dict(table)
    with pytest.raises(RecipeError, match=r"\[\[source\]\] 2"):
        TrainRecipe.from_dict({"data": {"kind": "sources"}, "source": [{"kind": "clean"}, table]})


def test_kind_and_sources_belong_together() -> None:
    assert "sources" in problems_of({"kind": "sources"})
    assert "sources" in problems_of({"kind": "clean", "sources": (CLEAN,)})
    assert "sources" in problems_of(
        {"kind": "sources", "sources": (replace(DRAWN, degradation={"cover": 3}),)}
    )
    assert not problems_of({"kind": "sources", "sources": (CLEAN, DRAWN)})
    with pytest.raises(RecipeError, match="source"):
        TrainRecipe.from_dict({"source": {"kind": "clean"}})


def test_samples_come_by_their_shares_and_depend_on_seed_and_number_alone(data: Path) -> None:
    source, _, count = read_data(recipe(LAYERS, PAIRS, CLEAN), (data,))
    assert 6 < count < 6 + 4  # some of the four scenes are held out
    kinds = []
    for index in range(120):
        ((degraded, clean, mask),) = source.photo(index)
        assert degraded.shape == clean.shape == (EDGE, EDGE, 3) and not mask.any()
        rise = degraded - clean
        kinds.append(
            "clean" if not rise.any() else "pairs" if abs(float(rise.min()) - 40 / 255) < 0.01 else "layers"
        )
    assert 0.35 < kinds.count("layers") / 120 < 0.65  # thinned ones may show nothing and count as clean
    assert 0.15 < kinds.count("pairs") / 120 < 0.35
    again, _, _ = read_data(recipe(LAYERS, PAIRS, CLEAN), (data,))
    for index in (7, 3):
        assert all(
            np.array_equal(a, b) for a, b in zip(source.photo(index)[0], again.photo(index)[0], strict=True)
        )


def test_noise_and_camera_change_both_sides_of_a_clean_sample_alike(data: Path) -> None:
    source, _, _ = read_data(recipe(replace(CLEAN, camera_share=1.0, noise_share=1.0)), (data,))
    for index in range(8):
        ((degraded, clean, _),) = source.photo(index)
        assert np.array_equal(degraded, clean)


def test_photos_out_of_focus_are_soft_on_both_sides_and_the_damage_stays_sharp(data: Path) -> None:
    sharp, _, _ = read_data(recipe(LAYERS), (data,))
    soft, _, _ = read_data(recipe(replace(LAYERS, soft_share=1.0)), (data,))
    rough = lambda picture: float(np.abs(np.diff(picture, axis=1)).mean())  # noqa: E731
    before, after, rain = [], [], []
    for index in range(12):
        ((_, clean, _),), ((degraded, softer, _),) = sharp.photo(index), soft.photo(index)
        before.append(rough(clean)), after.append(rough(softer)), rain.append(rough(degraded))
        assert np.array_equal(soft.photo(index)[0][1], softer)
    assert sum(after) < 0.7 * sum(before) and sum(rain) > sum(after)
    half, _, _ = read_data(recipe(replace(LAYERS, soft_share=0.5)), (data,))
    same = sum(np.array_equal(half.photo(n)[0][1], sharp.photo(n)[0][1]) for n in range(40))
    assert 8 < same < 32  # the others are as they were without it


def test_sharpening_steepens_both_sides_alike_and_leaves_all_else_as_it_was(data: Path) -> None:
    plain, _, _ = read_data(recipe(LAYERS), (data,))
    sharp, _, _ = read_data(recipe(replace(LAYERS, sharp_share=1.0)), (data,))
    steep = lambda picture: float(np.abs(np.diff(picture, axis=1)).mean())  # noqa: E731
    gains = []
    for index in range(12):
        ((rainy, clean, _),), ((rainy_sharp, clean_sharp, _),) = plain.photo(index), sharp.photo(index)
        gains.append((steep(rainy_sharp) / steep(rainy), steep(clean_sharp) / steep(clean)))
        assert min(rainy_sharp.min(), clean_sharp.min()) >= 0
        assert max(rainy_sharp.max(), clean_sharp.max()) <= 1
    assert all(rainy > 1 and clean > 1 for rainy, clean in gains)
    half, _, _ = read_data(recipe(replace(LAYERS, sharp_share=0.5)), (data,))
    same = sum(np.array_equal(half.photo(n)[0][1], plain.photo(n)[0][1]) for n in range(40))
    assert 8 < same < 32  # the others are as they were without it
    untouched, _, _ = read_data(recipe(replace(CLEAN, sharp_share=1.0)), (data,))
    ((degraded, clean, _),) = untouched.photo(3)
    assert np.array_equal(degraded, clean)


def test_layers_only_add_light_where_nothing_veils() -> None:
    layers = [np.zeros((40, 40), np.uint8)]
    layers[0][:, 18:22] = 200
    clean = np.full((32, 32, 3), 0.25, np.float32)
    params = LayerParams(veil=0.0, strength=LayerParams().strength)
    for seed in range(12):
        rainy = layered_rain(clean, np.random.default_rng(seed), params, layers)
        assert rainy.shape == clean.shape and rainy.min() >= 0.25 - 1 / 255 and rainy.max() <= 1
        same = layered_rain(clean, np.random.default_rng(seed), params, layers)
        assert np.array_equal(rainy, same)
    none = layered_rain(clean, np.random.default_rng(0), replace(params, untouched=1.0), layers)
    assert np.array_equal(none, clean)


def test_every_source_is_scored_by_itself_and_counts_alike(data: Path) -> None:
    _, examples, _ = read_data(recipe(LAYERS, PAIRS, CLEAN), (data,))
    network = MemoryNet(NetworkConfig(width=4, slots=(4, 2, 2), memory_dim=8)).eval()  # returns its input
    found = training_validation.score(network, examples, "Y", "cpu", lambda: None)
    assert set(found.groups) == {"1 layers", "2 pairs", "3 clean"}
    assert found.groups["3 clean"] == training_validation.GROUP_CAP_DB
    assert found.psnr_db == pytest.approx(np.mean(list(found.groups.values())))
    assert found.psnr_db == pytest.approx(found.input_psnr_db, abs=0.05)


@pytest.mark.parametrize("lean_deg", [-30.0, 0.0, 30.0])
def test_rain_falls_also_where_its_layer_lies_on_its_side(lean_deg: float) -> None:
    rng = np.random.default_rng(3)
    layer: np.ndarray = np.zeros((80, 120), np.uint8)
    step = np.array((np.sin(np.deg2rad(lean_deg)), np.cos(np.deg2rad(lean_deg)))) * 24
    for x, y in rng.uniform((0, 0), (120, 80), (40, 2)):
        cv2.line(layer, (int(x), int(y)), (int(x + step[0]), int(y + step[1])), 180, 1)
    assert np.array_equal(upright(layer), layer)
    lying = np.ascontiguousarray(np.rot90(layer))
    stood = upright(lying)
    assert stood.shape == layer.shape
    assert np.array_equal(stood, layer[::-1, ::-1])  # the same streaks, headlong: they fall all the same
    assert np.array_equal(upright(stood), stood)


def test_layers_are_for_rain_and_the_doctor_sees_every_folder(data: Path) -> None:
    with pytest.raises(RecipeError, match="deshadow"):
        read_data(replace(recipe(LAYERS), task="deshadow"), (data,))
    report = doctor.examine(
        recipe(LAYERS, PAIRS, CLEAN, replace(DRAWN, folders=("DATA/none",))), (data,), ignore, JobControl()
    )
    assert any("DATA/none" in finding.text for finding in report.findings)
    assert not any("DATA/layers" in finding.text for finding in report.findings)
