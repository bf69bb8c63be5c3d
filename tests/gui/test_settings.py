"""What is remembered comes back; what is damaged, foreign or unwritable never stops the program."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from memorynet_gui.base import settings as module
from memorynet_gui.base.settings import RECENT_MAX, Settings


@pytest.fixture
def home(tmp_path: Path, qtbot: QtBot) -> Path:
    return tmp_path / "portable"


SAMPLES = {
    "theme": "light",
    "task": "deblur",
    "models": {"derain": "derain-b"},
    "device": "cuda:1",
    "precision": "fp32",
    "tile_px": 512,
    "strength_percent": 40,
    "thoroughness": 1.35,
    "scale": "1/4",
    "undo": False,
    "look_automatically": False,
    "save_as_they_finish": True,
    "save_longest_px": 2048,
    "save_naming": "{name} restored",
    "export_presets": {"Web": {"save_quality": 80}},
    "strip_gps": True,
    "output_folder": Path("/photos/Ærø 2024"),
    "save_format": "TIFF",
    "save_quality": 80,
    "save_bit_depth": 16,
    "compare_mode": "difference",
    "page": "memory",
    "recent_files": (Path("/a.jpg"), Path("/b.jpg")),
    "open_folder": Path("/in"),
    "save_folder": Path("/out"),
    "model_folder": Path("/models"),
    "trained_models": (Path("/runs/rain/model"),),
    "runs_folder": Path("/runs"),
    "recipe_folder": Path("/recipes"),
    "export_folder": Path("/exports"),
    "notify_at_end": False,
    "tensorboard": True,
    "curves_smoothed": False,
    "curves_log": False,
    "window_geometry": bytes(range(256)),
    "panel_sizes": {"window": (1100, 300)},
    "inspector_shown": False,
    "filmstrip_shown": False,
}


def names() -> set[str]:
    return {name for name, value in vars(Settings).items() if isinstance(value, module._Value)}


def test_samples_cover_every_value() -> None:
    assert names() == set(SAMPLES)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_each_value_comes_back_from_the_file(home: Path, name: str) -> None:
    first = Settings(home)
    assert getattr(first, name) != SAMPLES[name], "a sample must differ from the default"
    heard: list[str] = []
    first.changed.connect(heard.append)
    setattr(first, name, SAMPLES[name])
    setattr(first, name, SAMPLES[name])
    assert heard == [name]
    first.save()
    again = Settings(home)
    assert getattr(again, name) == SAMPLES[name]
    assert type(getattr(again, name)) is type(getattr(first, name))


@pytest.mark.parametrize(
    ("name", "nonsense"),
    [
        ("theme", "purple"),
        ("tile_px", 3),
        ("tile_px", "512"),
        ("strip_gps", "no"),
        ("save_quality", 0),
        ("save_quality", True),
        ("compare_mode", "upside down"),
        ("device", 7),
        ("recent_files", "a.jpg"),
        ("window_geometry", "not base64!"),
        ("panel_sizes", {"window": [-5]}),
        ("panel_sizes", {"window": 5}),
        ("output_folder", ""),
        ("models", [1]),
    ],
)
def test_nonsense_in_the_file_costs_that_value_only(home: Path, name: str, nonsense: object) -> None:
    file = Settings(home).file
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({name: nonsense, "task": "deblur"}))
    settings = Settings(home)
    assert getattr(settings, name) == vars(Settings)[name].default
    assert settings.task == "deblur"


def test_nonsense_set_by_the_program_raises(home: Path) -> None:
    settings = Settings(home)
    with pytest.raises(ValueError, match="purple"):
        settings.theme = "purple"
    assert settings.theme == "system"


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[1]", b"null", b"\xff\xfe\x00", b'{"theme": "dark"', b"[" * 100_000]
)
def test_a_damaged_file_is_set_aside(home: Path, damage: bytes) -> None:
    file = Settings(home).file
    file.parent.mkdir(parents=True)
    file.write_bytes(damage)
    settings = Settings(home)
    assert settings.theme == "system"
    assert file.with_name("settings.json.broken").read_bytes() == damage
    settings.theme = "dark"
    settings.save()
    assert Settings(home).theme == "dark"


@given(st.binary(max_size=200))
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_file_whatsoever_is_fatal(home: Path, content: bytes) -> None:
    file = Settings(home).file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    assert Settings(home).theme in ("system", "dark", "light")


def test_what_a_newer_version_wrote_is_kept(home: Path) -> None:
    file = Settings(home).file
    file.parent.mkdir(parents=True)
    file.write_text('{"from_the_future": {"a": [1]}, "theme": "dark"}')
    settings = Settings(home)
    settings.theme = "light"
    settings.save()
    assert json.loads(file.read_text()) == {"from_the_future": {"a": [1]}, "theme": "light"}


def test_changes_are_written_once_and_by_themselves(
    home: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home)
    writes: list[Path] = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: (writes.append(Path(to)), replace(self, to))[1])
    for percent in range(50):
        settings.strength_percent = percent
    assert not settings.file.exists()
    qtbot.waitUntil(settings.file.exists, timeout=5000)
    qtbot.wait(module.SAVE_DELAY_MS // 4)
    assert writes == [settings.file]
    assert Settings(home).strength_percent == 49
    assert os.listdir(settings.config_dir) == [settings.file.name]  # noqa: PTH208


def test_a_write_that_fails_half_way_leaves_the_old_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home)
    settings.theme = "dark"
    settings.save()
    told: list[str] = []
    settings.save_failed.connect(told.append)
    write_bytes = Path.write_bytes

    def half(self: Path, data: bytes) -> int:
        write_bytes(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    settings.theme = "light"
    settings.save()
    settings.save()
    monkeypatch.undo()
    assert len(told) == 1
    assert "No space left" in told[0]
    assert Settings(home).theme == "dark"
    assert [path.name for path in settings.config_dir.iterdir()] == ["settings.json"]


def test_a_place_that_cannot_be_a_folder_is_not_fatal(tmp_path: Path, qtbot: QtBot) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    settings = Settings(in_the_way)
    told: list[str] = []
    settings.save_failed.connect(told.append)
    settings.theme = "dark"
    settings.save()
    assert settings.theme == "dark"
    assert told


def test_recent_files_are_newest_first_once_and_few(home: Path) -> None:
    settings = Settings(home)
    settings.add_recent(*(Path(f"/{number}.jpg") for number in range(10)))
    settings.add_recent(Path("/5.jpg"), Path("/new.jpg"), Path("/5.jpg"))
    assert settings.recent_files[:3] == (Path("/5.jpg"), Path("/new.jpg"), Path("/0.jpg"))
    assert len(set(settings.recent_files)) == len(settings.recent_files) == 11
    settings.add_recent(*(Path(f"/more{number}.jpg") for number in range(20)))
    assert len(settings.recent_files) == RECENT_MAX
    settings.clear_recent()
    assert settings.recent_files == ()


def test_a_path_that_is_not_unicode_survives(home: Path) -> None:
    odd = Path(os.fsdecode(b"/photos/caf\xe9.jpg"))
    settings = Settings(home)
    settings.add_recent(odd)
    settings.save()
    assert os.fsencode(Settings(home).recent_files[0]) == b"/photos/caf\xe9.jpg"


def test_places_follow_the_users_folders(
    tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.model.catalog import user_models_dir

    monkeypatch.delenv(module.HOME_VARIABLE, raising=False)
    settings = Settings()
    for place in (settings.config_dir, settings.data_dir, settings.cache_dir, settings.log_dir):
        assert place.is_relative_to(tmp_path)
        assert "MemoryNet" in place.parts
    assert settings.models_dir == user_models_dir()
    monkeypatch.setenv(module.HOME_VARIABLE, str(tmp_path / "stick"))
    portable = Settings()
    places = (portable.config_dir, portable.data_dir, portable.cache_dir, portable.log_dir)
    assert len(set(places)) == 4
    assert all(place.parent == tmp_path / "stick" for place in places)


def test_reset_forgets_everything(home: Path) -> None:
    settings = Settings(home)
    settings.theme, settings.tile_px = "dark", 512
    heard: list[str] = []
    settings.changed.connect(heard.append)
    settings.reset()
    assert sorted(heard) == ["theme", "tile_px"]
    assert (settings.theme, settings.tile_px) == ("system", None)


def test_panel_sizes_and_models_are_kept_by_name(home: Path) -> None:
    settings = Settings(home)
    settings.set_panel("window", [1000, 300])
    settings.set_panel("other", (5,))
    settings.set_model("derain", "derain-s")
    settings.save()
    again = Settings(home)
    assert again.panel("window") == (1000, 300)
    assert again.panel("other") == (5,)
    assert again.panel("unknown") is None
    assert again.models == {"derain": "derain-s"}
