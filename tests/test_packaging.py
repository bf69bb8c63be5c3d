"""What is built carries everything the program needs, and the set-up files say what they should."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from core import __version__

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FOLDERS = ("core", "memorynet_gui", "resources", "docs", "scripts")
FILES = (
    "pyproject.toml", "MANIFEST.in", "LICENSE", "README.md", "CHANGELOG.md", "Makefile", "constraints.txt",
    "main.py", ".pre-commit-config.yaml",
)  # fmt: skip


def _files(*folders: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheel and sdist, built from a copy (building leaves files behind) without the network."""
    copy = tmp_path_factory.mktemp("project")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy2(ROOT / file, copy / file)
    code = (
        "import zlib; pack = zlib.compressobj; zlib.compressobj = lambda _level, *how: pack(1, *how);"  # quick, not small
        "from setuptools import build_meta as b; b.build_wheel('dist'); b.build_sdist('dist')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return copy / "dist"


def test_the_wheel_carries_code_and_resources(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = _files("core", "memorynet_gui", "resources")
    assert expected - names == set()
    assert {name.split("/")[0] for name in names} == {
        "core", "memorynet_gui", "resources", f"memorynet-{__version__}.dist-info",
    }  # fmt: skip


def test_the_sdist_carries_what_building_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = _files("core", "memorynet_gui", "resources", "scripts")
    expected |= {"pyproject.toml", "README.md", "LICENSE", "Makefile", "constraints.txt", "main.py"}
    assert expected - names == set()


def test_the_wheel_works_on_its_own(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        (entry,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "memorynet = memorynet_gui.app:main" in archive.read(entry).decode()
    code = (
        "import json, core, core.model.catalog as c, core.cli.program;"
        "print(json.dumps([core.__file__, [s.path.is_file() for s in c.samples()], c.recipes(),"
        " [m.error for m in c.models()]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,  # not the checkout: what is imported has to come from the wheel
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    place, samples, recipes, errors = json.loads(done.stdout)
    assert Path(place).is_relative_to(tmp_path / "site")
    assert samples and all(samples)
    assert "derain" in recipes
    assert not any(errors)


def test_one_version() -> None:
    assert PROJECT["project"]["version"] == __version__


def test_pins_that_bind() -> None:
    """Qt 6.12 loses references on Python 3.11; only the exact torch is found where wheels lie at hand."""
    wanted = {line.split(">")[0].split("=")[0]: line for line in PROJECT["project"]["dependencies"]}
    assert wanted["PySide6-Essentials"].endswith("<6.12")
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    assert any(pin.startswith("torch==") and "+" not in pin for pin in pins)


def test_packages_are_named_in_full() -> None:
    """Every folder with code is listed: an unlisted one works in a checkout and is missing in the wheel."""
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    with_code = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("core", "memorynet_gui")
        for path in (ROOT / top).rglob("*.py")
    }
    assert with_code <= listed


@pytest.mark.skipif(
    shutil.which("make") is None, reason="make is not installed; nothing here depends on data"
)
def test_make_is_done_once_set_up(tmp_path: Path) -> None:
    """With both stamps newer than what they depend on, make has nothing to install."""
    for part in ("Makefile", "pyproject.toml", "constraints.txt", "scripts"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, tmp_path / part)
    first = _make(tmp_path, "check")
    assert "setup.sh install" in first and "setup.sh libraries" in first
    (tmp_path / ".venv").mkdir()
    newest = max(path.stat().st_mtime for path in tmp_path.rglob("*")) + 10
    for stamp, age in ((".installed", 0), (".qt-ready", 1)):
        path = tmp_path / ".venv" / stamp
        path.touch()
        os.utime(path, (newest + age, newest + age))
    assert "setup.sh" not in _make(tmp_path, "check")
    os.utime(tmp_path / "constraints.txt", (newest + 5, newest + 5))
    assert "setup.sh install" in _make(tmp_path, "check")


def _make(folder: Path, target: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--dry-run", target],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_set_up_scripts_are_plain_shell() -> None:
    for script in ("scripts/setup.sh", ".ci/run"):
        shell = "bash" if script == ".ci/run" else "sh"
        done = subprocess.run([shell, "-n", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "make test" in (ROOT / ".ci/run").read_text()


def test_qt_starts_here() -> None:
    """The check that the set-up relies on agrees with the fact that these tests run."""
    code = "import sys; sys.path.insert(0, 'scripts'); import check_qt; print(check_qt.TRIAL)"
    trial = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    good = subprocess.run(
        [sys.executable, "-c", trial], env=environment, capture_output=True, text=True, check=False
    )
    assert good.returncode == 0, good.stderr
    environment["QT_QPA_PLATFORM"] = "no-such-platform"
    bad = subprocess.run([sys.executable, "-c", trial], env=environment, capture_output=True, check=False)
    assert bad.returncode != 0


def test_the_readme_shows_pictures_that_exist() -> None:
    """Each is one that "make screenshots" draws, from photos that ship."""
    scenes = runpy.run_path(str(ROOT / "scripts/make_screenshots.py"))
    shown = re.findall(r"\]\((docs/pictures/[^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert shown
    for picture in shown:
        assert (ROOT / picture).is_file()
        assert Path(picture).stem in {*scenes["SCENES"], *scenes["TRAIN_SCENES"], scenes["MEMORY"]}
    for photos, _options in scenes["SCENES"].values():
        assert all((ROOT / scenes["SAMPLES"] / photo).is_file() for photo in photos)


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text("utf-8")):
            if "://" not in link:
                assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_files_that_the_architecture_names_exist() -> None:
    """Its recipes say which files a task, a page, a format or a memory design touches."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    named = set(
        re.findall(r"(?<![\w/])(?:core|memorynet_gui|resources|scripts|benchmarks|tests)/[\w/]+\.\w+", text)
    )
    assert len(named) > 30
    assert [path for path in sorted(named) if "NAME" not in path and not (ROOT / path).is_file()] == []


# --- system libraries, with a stage of fake programs ---------------------------------------------


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A checkout whose Python says that Qt cannot start until apt-get has installed something."""
    (tmp_path / "scripts").mkdir()
    shutil.copy2(ROOT / "scripts/setup.sh", tmp_path / "scripts")
    programs = tmp_path / "programs"
    for path, text in {
        tmp_path / ".venv/bin/python": 'test -e installed || { echo "missing: libxcb-cursor.so.0"; exit 1; }',
        programs / "apt-get": 'echo "$*" >> apt.log; case "$1" in install) touch installed ;; esac',
        programs / "id": "echo ${FAKE_ID:-1000}",
        programs / "sudo": 'test -n "$FAKE_SUDO" || exit 1; test "$1" != -n || shift; exec "$@"',
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return tmp_path


def _set_up(stage: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{stage / 'programs'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "scripts/setup.sh", "libraries"],
        cwd=stage, env={**os.environ, "PATH": path, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_libraries_that_may_not_be_installed_are_named(stage: Path) -> None:
    done = _set_up(stage)
    assert done.returncode != 0
    assert "missing: libxcb-cursor.so.0" in done.stdout
    command = next(line for line in done.stderr.splitlines() if "apt-get install" in line)
    assert command.strip().startswith(
        "sudo apt-get update && sudo apt-get install -y --no-install-recommends libgl1 "
    )
    assert "libxcb-cursor0" in command
    assert not (stage / "apt.log").exists()


@pytest.mark.parametrize("may", [{"FAKE_ID": "0"}, {"FAKE_SUDO": "1"}])
def test_libraries_are_installed_where_that_is_allowed(stage: Path, may: dict[str, str]) -> None:
    done = _set_up(stage, **may)
    assert done.returncode == 0, done.stderr
    update, install = (stage / "apt.log").read_text().splitlines()
    assert update.startswith("update")
    assert "libegl1" in install and "libxkbcommon-x11-0" in install and "--no-install-recommends" in install
    (stage / "apt.log").unlink()
    assert _set_up(stage, **may).returncode == 0
    assert not (stage / "apt.log").exists(), "nothing is installed where nothing is missing"


def test_an_installation_that_fails_stops(stage: Path) -> None:
    (stage / "programs/apt-get").write_text("#!/bin/sh\nexit 100\n")
    done = _set_up(stage, FAKE_ID="0")
    assert done.returncode != 0 and "apt-get install" in done.stderr
