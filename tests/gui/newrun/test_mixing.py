"""Mixtures as values of a form: nothing is lost on the way there and back, shares sum to 1, folders by DATA."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.source import DataSource
from core.training.recipe import TrainRecipe, problems_of
from memorynet_gui.newrun import mixing
from memorynet_gui.newrun.presets import fits, folders_of, needs_folder

CLEAN = TrainRecipe(camera_share=0.75, degradation={"mist": 0.5})
PAIRS = TrainRecipe(kind="pairs", train=("/a/wet",), validation=("/a/wet",), hold_out=0.2)
MIXED = TrainRecipe(
    kind="mixed", pairs=("/a/wet",), pairs_share=0.3, validation=("/a/wet",), hold_out=0.2, camera_share=0.5
)


def values_of(recipe: TrainRecipe) -> dict[str, Any]:
    return {item.name: getattr(recipe, item.name) for item in fields(recipe)}


@pytest.mark.parametrize("recipe", [CLEAN, PAIRS, MIXED], ids=lambda recipe: recipe.kind)
def test_a_mixture_of_any_recipe_is_one_and_means_the_same(recipe: TrainRecipe) -> None:
    made = values_of(recipe) | mixing.mixture_of(values_of(recipe))
    assert problems_of(made) == {}
    mixture = TrainRecipe(**made)
    shares = {source.kind: source.share for source in mixture.sources}
    drawn = next((source for source in mixture.sources if source.kind == "drawn"), None)
    if recipe.kind == "mixed":
        assert shares == {"drawn": 0.7, "pairs": 0.3}
    if drawn is not None:
        assert (drawn.camera_share, drawn.degradation) == (recipe.camera_share, recipe.degradation)
        assert mixture.train == recipe.train and not drawn.folders
    for source in mixture.sources:
        if source.kind == "pairs":
            assert (source.folders, source.hold_out) == (("/a/wet",), 0.2)
    back = TrainRecipe(**(made | mixing.one_of(made, 1)))
    if recipe.kind != "mixed":
        assert (back.kind, back.train, back.hold_out, back.camera_share, back.degradation) == (
            recipe.kind, recipe.train, recipe.hold_out, recipe.camera_share, recipe.degradation
        )  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        DataSource(),
        DataSource("layers", layers="/l"),
        DataSource("pairs", folders=("/p",)),
        DataSource("clean"),
    ],
    ids=lambda source: source.kind,
)
def test_each_source_alone_is_a_recipe(source: DataSource) -> None:
    made = values_of(TrainRecipe(kind="sources", sources=(DataSource("clean"), source)))
    alone = TrainRecipe(**(made | mixing.one_of(made, 2)))
    assert alone.kind == ("pairs" if source.kind == "pairs" else "clean") and not alone.sources


sources = st.lists(st.floats(0.001, 1e5), min_size=1, max_size=8).map(
    lambda shares: tuple(DataSource(share=share) for share in shares)
)


@given(sources, st.integers(0, 7), st.floats(0, 1))
def test_shares_make_room_and_none_vanishes(mixture: tuple[DataSource, ...], at: int, part: float) -> None:
    at %= len(mixture)
    made = mixing.with_part(mixture, at, part)
    shares = [source.share for source in made]
    assert abs(sum(shares) - 1) < 1e-6
    assert min(shares) >= mixing.LEAST_SHARE - 2e-4
    most = 1 - mixing.LEAST_SHARE * (len(made) - 1)
    wanted = min(max(part, mixing.LEAST_SHARE), most) if len(made) > 1 else 1.0
    assert abs(shares[at] - wanted) < 2e-3
    grown = mixing.parts(mixing.added(mixture, DataSource("clean")))
    assert abs(grown[-1] - 1 / len(grown)) < 2e-3


def test_a_folder_below_data_is_named_by_it(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one / "clean", other / "clean", other / "pairs" / "wet"):
        folder.mkdir(parents=True)
    data = (one, other)
    assert mixing.named(one / "clean", data) == "DATA/clean"
    assert mixing.named(other / "pairs" / "wet", data) == "DATA/pairs/wet"
    assert mixing.named(other / "clean", data) == str(other / "clean"), "DATA/clean is the first one's"
    assert mixing.named(one, data) == "DATA"
    assert mixing.named(tmp_path, data) == str(tmp_path)


def test_folders_of_a_mixture_are_those_that_are_read(tmp_path: Path) -> None:
    wet = DataSource("pairs", folders=("DATA/wet",), hold_out=0.1)
    values = values_of(TrainRecipe(kind="sources", validation=("SAMPLES/validation",), sources=(wet,)))
    assert folders_of(values) == ("SAMPLES/validation", "DATA/wet")
    assert needs_folder(values) and not mixing.keeps_mixture(values)
    (tmp_path / "wet").mkdir()
    assert fits(values, (tmp_path,))
    values["sources"] = (wet, DataSource("layers", layers="DATA/layers", folders=("SAMPLES/train",)))
    assert not fits(values, (tmp_path,))
    values["sources"] = (replace(wet, folders=("/mine",)),)
    assert mixing.keeps_mixture(values)


def test_folders_found_become_photos_to_draw_on_or_a_source_of_pairs() -> None:
    values = values_of(TrainRecipe(kind="sources", sources=(DataSource(),)))
    clean = {"kind": "clean", "train": ("/c",), "validation": ("/v",), "pairs": (), "hold_out": 0.0}
    assert mixing.with_folders(values, clean) == {"train": ("/c",), "validation": ("/v",)}
    pairs = {"kind": "pairs", "train": ("/p",), "validation": ("/p",), "pairs": (), "hold_out": 0.2}
    made = mixing.with_folders(values, pairs)
    assert [source.kind for source in made["sources"]] == ["drawn", "pairs"]
    assert mixing.with_folders(values | made, pairs) == {}, "once"
    assert problems_of(values | made) == {}


def test_what_the_recipe_says_of_the_damage_goes_to_the_sources_that_leave_it_to_it() -> None:
    values = values_of(
        TrainRecipe(
            kind="sources", degradation={"mist": 0.5},
            sources=(DataSource(), DataSource(degradation={"mist": 0.1}), DataSource("clean")),
        )
    )  # fmt: skip
    made = mixing.said_by_each(values)
    assert [dict(source.degradation) for source in made["sources"]] == [{"mist": 0.5}, {"mist": 0.1}, {}]
    assert made["degradation"] == {}
    assert mixing.said_by_each(values | made) == {}
