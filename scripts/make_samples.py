"""Make the photos of ``resources/samples`` again from the packages they come from.

The clean photos come from the Debian package ``lomiri-wallpapers-16.04`` and from the data inside
scikit-image's wheel; only photos under CC0, CC BY, CC BY-SA or in the public domain are taken. (The photos
of Debian's ``mate-backgrounds`` are under the GPL, version 2 or later, and are therefore left out.)

    apt-get download lomiri-wallpapers-16.04
    dpkg -x lomiri-wallpapers-16.04_*.deb unpacked
    python scripts/make_samples.py --lomiri unpacked/usr/share/backgrounds
    python scripts/make_samples.py --rainy
    python scripts/make_samples.py --shaded
    python scripts/make_samples.py --blurred

Each step rewrites ``samples.json`` and ``LICENSES.md`` from the tables below and remove JPEGs that are not
in them. The JPEG bytes depend on the version of Pillow, rain, shadows and blur on :mod:`core.data.degrade`.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # the script may be run from any folder and without an install

from core.data.degrade.base import Bounds  # noqa: E402
from core.data.degrade.blur import BlurParams, average, random_path  # noqa: E402
from core.data.degrade.rain import RainParams, rain  # noqa: E402
from core.data.degrade.shadow import ShadowParams, shadow  # noqa: E402

LONG_EDGE_PX = 720
QUALITY = 88
RAINY_QUALITY = 92  # streaks are fine detail: at 88 the compression would blur what is to be removed
CAMERA_QUALITY = 62  # a photo of a camera's size in less than a megabyte
TOTAL_LIMIT_BYTES = 4_000_000

LOMIRI = "lomiri-wallpapers-16.04"
SKIMAGE = "scikit-image"
PACKAGE_URLS = {
    LOMIRI: "https://gitlab.com/ubports/development/core/lomiri-wallpapers (Debian package lomiri-wallpapers-16.04)",
    SKIMAGE: "https://scikit-image.org/docs/stable/api/skimage.data.html",
}
LICENCE_URLS = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC BY-SA 4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "Public domain": "https://creativecommons.org/publicdomain/mark/1.0/",
}


@dataclass(frozen=True, slots=True)
class Photo:
    """One clean photo. ``crop`` is (left, top, right, bottom) as shares of the upright original, 0..1."""

    file: str  # name under clean/ (and rainy/), without suffix
    name: str  # what a person reads
    package: str
    original: str  # file name inside the package
    author: str
    licence: str
    origin: str = ""  # where the package took it from, when it says so
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    validation: bool = False  # kept out of the ready training recipe


PHOTOS = (
    Photo("dogs", "Dogs at the window", LOMIRI, "friends_by_Aitzol_Berasategi.jpg",
          "Aitzol Berasategi", "CC BY 4.0", validation=True),
    Photo("hill", "Autumn hill", LOMIRI, "aitzgorri_by_Aitzol_Berasategi.jpg",
          "Aitzol Berasategi", "CC BY 4.0", validation=True),
    Photo("stream", "Stream in the wood", LOMIRI, "life_by_Aitzol_Berasategi.jpg",
          "Aitzol Berasategi", "CC BY 4.0", validation=True),
    Photo("launchpad", "Launch pad at dusk", SKIMAGE, "rocket.jpg", "SpaceX", "Public domain",
          origin="https://www.flickr.com/photos/spacexphotos/16511594820/", validation=True),
    Photo("path", "Mountain path", LOMIRI, "picosdeeuropa_by_Aitzol_Berasategi.jpg",
          "Aitzol Berasategi", "CC BY 4.0"),
    Photo("sunset", "Sunset over hills", LOMIRI, "sunset_by_Aitzol_Berasategi.jpg",
          "Aitzol Berasategi", "CC BY 4.0"),
    Photo("estuary", "Bridge cables over an estuary", LOMIRI, "Bridge_by_Sander_Klootwijk.jpg",
          "Sander Klootwijk", "CC BY-SA 4.0", crop=(0.06, 0.0, 0.90375, 1.0)),
    Photo("dragonfly", "Dragonfly on a hazel", LOMIRI, "Dragonfly_by_Bolly.jpg", "Bolly", "CC BY-SA 4.0"),
    Photo("dandelions", "Dandelions", LOMIRI, "seeding_by_Clements_Engelhardt.jpg",
          "Clemens Engelhardt", "CC0 1.0", crop=(0.06, 0.0, 0.90375, 1.0)),
    Photo("fig", "Fig in a red bowl", LOMIRI, "Picture_0B_by_freespace.jpg",
          'Trevor "Freespace"', "CC BY 4.0"),
    Photo("brushes", "Paint brushes", LOMIRI, "Picture_1A_by_freespace.jpg",
          'Trevor "Freespace"', "CC BY 4.0"),
    Photo("lounge", "Drum and wine", LOMIRI, "Wine_by_Jakkub_Mede.jpg", "Jakub Mede", "CC BY 4.0"),
    Photo("clock", "Wall clock", LOMIRI, "greentock_by_Peter_Nerlich.jpg", "Peter Nerlich", "CC BY-SA 4.0"),
    Photo("cat", "Chelsea the cat", SKIMAGE, "chelsea.png", "Stefan van der Walt", "CC0 1.0"),
    Photo("coffee", "Cup of coffee", SKIMAGE, "coffee.png",
          "Rachel Michetti (courtesy of Pikolo Espresso Bar)", "CC0 1.0"),
    Photo("bricks", "Brick wall", SKIMAGE, "brick.png", "CC0 Textures", "CC0 1.0",
          origin="https://cc0textures.com/view.php?tex=Bricks25"),
    Photo("gravel", "Gravel", SKIMAGE, "gravel.png", "CC0 Textures", "CC0 1.0",
          origin="https://cc0textures.com/view.php?tex=Gravel04", crop=(0.0, 0.0, 0.75, 0.75)),
)  # fmt: skip


# Light over light looks most like a photograph; no draw may give no rain, or a JPEG inside the JPEG.
FINE = RainParams(  # distant rain: short, thin, faint and dense
    layers=(0.0, 1.0), drawn=0.3, deep=0, length_px=Bounds(14, 30), width_px=Bounds(0.6, 1.1),
    scatter_deg=Bounds(1, 3), cover=Bounds(0.03, 0.08), strength=Bounds(0.18, 0.35), angle_spread_deg=14,
    any_angle=0, screen=1, mist=1, jpeg=0, untouched=0,
)  # fmt: skip
NEAR = RainParams(  # close to the camera: long, bright, well apart
    layers=(1.0,), drawn=1, deep=0, length_px=Bounds(40, 80), width_px=Bounds(0.8, 1.6),
    scatter_deg=Bounds(0.5, 2.5), cover=Bounds(0.008, 0.02), strength=Bounds(0.3, 0.55), angle_spread_deg=14,
    any_angle=0, screen=1, mist=0, jpeg=0, untouched=0,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shower:
    """Rain over the clean photo ``file``: the falls one after the other, far first, from one seed.

    The seeds were chosen by eye among a dozen each, for rain that looks photographed.
    """

    file: str
    name: str
    seed: int
    falls: tuple[RainParams, ...]


SHOWERS = (
    Shower("dogs", "Dogs in the rain", 4, (
        replace(NEAR, layers=(0.0, 1.0), drawn=0.5, length_px=Bounds(25, 60), width_px=Bounds(0.8, 1.8),
                scatter_deg=Bounds(0.5, 3), cover=Bounds(0.02, 0.06), strength=Bounds(0.35, 0.65),
                angle_spread_deg=15),
    )),
    Shower("hill", "Rain over the hill", 1, (
        replace(FINE, cover=Bounds(0.05, 0.12), mist_strength=Bounds(0.05, 0.1)),
        replace(NEAR, length_px=Bounds(30, 60), width_px=Bounds(0.8, 1.5), cover=Bounds(0.01, 0.03),
                strength=Bounds(0.3, 0.5)),
    )),
    Shower("stream", "Downpour in the wood", 6, (
        replace(FINE, layers=(1.0,), drawn=0, angle_spread_deg=10, mist_strength=Bounds(0.05, 0.12)),
        replace(NEAR, layers=(0.0, 1.0), drawn=0.6, width_px=Bounds(1.2, 2.2), cover=Bounds(0.015, 0.04),
                strength=Bounds(0.3, 0.6), angle_spread_deg=10),
    )),
    Shower("launchpad", "Rain at dusk", 4, (
        replace(FINE, mist_strength=Bounds(0.02, 0.06)),
        replace(NEAR, drawn=0.5),
    )),
)  # fmt: skip

CAMERA = Shower("dragonfly", "Dragonfly, 13 megapixels", 3, (
    replace(FINE, length_px=Bounds(90, 170), width_px=Bounds(3.2, 6), cover=Bounds(0.05, 0.10),
            strength=Bounds(0.15, 0.3), mist_strength=Bounds(0.04, 0.09)),
    replace(NEAR, length_px=Bounds(220, 420), width_px=Bounds(4.5, 10), cover=Bounds(0.012, 0.03),
            strength=Bounds(0.3, 0.5)),
))  # fmt: skip
"""The one photo of a camera's own size, under rain as wide as a camera shows it."""


def srgb(image: Image.Image) -> Image.Image:
    """The image upright, in 8-bit sRGB, whatever profile it carries."""
    icc = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image).convert("RGB")
    if not icc:
        return upright
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    converted = ImageCms.profileToProfile(upright, source, ImageCms.createProfile("sRGB"))
    return converted if converted is not None else upright


def prepare(photo: Photo, original: Image.Image) -> Image.Image:
    """Crop, then shrink to :data:`LONG_EDGE_PX`; a smaller original keeps its size."""
    image = srgb(original)
    left, top, right, bottom = photo.crop
    box = (
        round(left * image.width),
        round(top * image.height),
        round(right * image.width),
        round(bottom * image.height),
    )
    image = image.crop(box)
    scale = LONG_EDGE_PX / max(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return image


@dataclass(frozen=True, slots=True)
class Shade:
    """A shadow on the clean photo ``file``, from one seed that was chosen by eye among a few."""

    file: str
    name: str
    seed: int
    outlines: tuple[float, ...]  # as ShadowParams
    size_px: Bounds


_BLOB, _LIMBS = (1.0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 1.0, 0)
SHADES = (
    Shade("bricks", "A shadow on bricks", 0, _BLOB, Bounds(110, 150)),
    Shade("gravel", "A branch over gravel", 1, _LIMBS, Bounds(120, 200)),
    Shade("path", "A branch over the path", 1, _LIMBS, Bounds(120, 200)),
)


@dataclass(frozen=True, slots=True)
class Shake:
    """The clean photo ``file`` as a shaken hand would have taken it, nearly along a line."""

    file: str
    name: str  # says that the blur is computed: a blurred photo looks like one
    seed: int
    length_px: float


SHAKES = (
    Shake("dragonfly", "Shaken dragonfly (computed)", 2, 7.0),
    Shake("cat", "Shaken cat (computed)", 2, 7.0),
)
_GAMMA = 2.2  # of stored levels to light


def save_jpeg(image: Image.Image, path: Path, quality: int) -> None:
    bare = Image.frombytes("RGB", image.size, image.tobytes())  # no metadata of the original can follow
    bare.save(path, quality=quality, subsampling=0, optimize=True, progressive=True)


def make_clean(out: Path, folders: dict[str, Path]) -> None:
    """Write ``clean/`` from the packages' folders. Raises FileNotFoundError naming a photo that is missing."""
    clean = out / "clean"
    clean.mkdir(parents=True, exist_ok=True)
    for photo in PHOTOS:
        with Image.open(folders[photo.package] / photo.original) as original:
            save_jpeg(prepare(photo, original), clean / f"{photo.file}.jpg", QUALITY)
    _remove_strays(clean, {photo.file for photo in PHOTOS})


def make_camera(out: Path, folders: dict[str, Path]) -> None:
    """Write ``camera/``: a photo of the size that it came from the camera in. Its truth would be another megabyte."""
    (photo,) = (photo for photo in PHOTOS if photo.file == CAMERA.file)
    with Image.open(folders[photo.package] / photo.original) as original:
        pixels = np.asarray(srgb(original), np.float32) / 255
    camera = out / "camera"
    camera.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(CAMERA.seed)
    for fall in CAMERA.falls:
        pixels = rain(pixels, rng, fall)
    image = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    image.save(camera / f"{CAMERA.file}.jpg", quality=CAMERA_QUALITY, optimize=True, progressive=True)
    _remove_strays(camera, {CAMERA.file})


def make_rainy(out: Path) -> None:
    """Write ``rainy/`` from ``clean/`` as it lies there, so that the truth is exactly what a user has."""
    rainy = out / "rainy"
    rainy.mkdir(parents=True, exist_ok=True)
    for shower in SHOWERS:
        with Image.open(out / "clean" / f"{shower.file}.jpg") as truth:
            pixels = np.asarray(truth.convert("RGB"), np.float32) / 255
        rng = np.random.default_rng(shower.seed)
        for fall in shower.falls:
            pixels = rain(pixels, rng, fall)
        image = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
        save_jpeg(image, rainy / f"{shower.file}.jpg", RAINY_QUALITY)
    _remove_strays(rainy, {shower.file for shower in SHOWERS})


def make_shaded(out: Path) -> None:
    """Write ``shaded/`` from ``clean/`` as it lies there."""
    shaded = out / "shaded"
    shaded.mkdir(parents=True, exist_ok=True)
    for shade in SHADES:
        with Image.open(out / "clean" / f"{shade.file}.jpg") as truth:
            pixels = np.asarray(truth.convert("RGB"), np.float32) / 255
        params = ShadowParams(
            shadows=(1.0,), outlines=shade.outlines, size_px=shade.size_px, thickness_px=Bounds(50, 90),
            penumbra_px=Bounds(1.5, 3), widening=Bounds(1, 2), ambient=Bounds(0.25, 0.4), tint=Bounds(0.1, 0.3),
            relief=Bounds(0, 0.05), veil=Bounds(0, 0.001), lit_patches=0, jpeg=0, untouched=0, unevenness=0.08,
        )  # fmt: skip
        shadowed, _matte = shadow(pixels, np.random.default_rng(shade.seed), params)
        image = Image.fromarray(np.rint(shadowed * 255).astype(np.uint8))
        save_jpeg(image, shaded / f"{shade.file}.jpg", QUALITY)
    _remove_strays(shaded, {shade.file for shade in SHADES})


def make_blurred(out: Path) -> None:
    """Write ``blurred/`` from ``clean/`` as it lies there: averaged in linear light along a smooth path."""
    blurred = out / "blurred"
    blurred.mkdir(parents=True, exist_ok=True)
    for shake in SHAKES:
        with Image.open(out / "clean" / f"{shake.file}.jpg") as truth:
            light = (np.asarray(truth.convert("RGB"), np.float32) / 255) ** _GAMMA
        params = BlurParams(straight=1.0)
        path = random_path(shake.length_px, np.random.default_rng(shake.seed), params)
        seen = np.clip(average(light, path), 0, 1) ** (1 / _GAMMA)
        image = Image.fromarray(np.rint(seen * 255).astype(np.uint8))
        save_jpeg(image, blurred / f"{shake.file}.jpg", RAINY_QUALITY)
    _remove_strays(blurred, {shake.file for shake in SHAKES})


def _remove_strays(folder: Path, wanted: set[str]) -> None:
    for path in folder.glob("*.jpg"):
        if path.stem not in wanted:
            path.unlink()


def skimage_folder() -> Path:
    import skimage.data

    return Path(skimage.data.__file__).parent


def listed(out: Path) -> Iterator[tuple[dict[str, object], Photo]]:
    """Entries of ``samples.json`` for the files that exist, the rainy ones first, then the shaded and blurred."""
    photos = {photo.file: photo for photo in PHOTOS}
    entries: list[tuple[str, str, str | None, Photo]]
    entries = [(f"rainy/{s.file}.jpg", s.name, f"clean/{s.file}.jpg", photos[s.file]) for s in SHOWERS]
    # second: the window's empty page shows three
    entries.insert(1, (f"camera/{CAMERA.file}.jpg", CAMERA.name, None, photos[CAMERA.file]))
    entries += [(f"shaded/{s.file}.jpg", s.name, f"clean/{s.file}.jpg", photos[s.file]) for s in SHADES]
    entries += [(f"blurred/{s.file}.jpg", s.name, f"clean/{s.file}.jpg", photos[s.file]) for s in SHAKES]
    entries += [(f"clean/{p.file}.jpg", p.name, None, p) for p in PHOTOS]
    for file, name, truth, photo in entries:
        if (out / file).is_file():
            yield (
                {
                    "name": name,
                    "file": file,
                    "truth": truth,
                    "credit": photo.author,
                    "licence": photo.licence,
                    "validation": photo.validation and truth is None,
                    **({"task": task} if (task := _TASKS.get(file.split("/")[0])) else {}),
                },
                photo,
            )


_TASKS = {"shaded": "deshadow", "blurred": "deblur", "camera": "derain"}  # by folder


def changes(photo: Photo, file: str) -> str:
    done = ["cropped"] if photo.crop != (0.0, 0.0, 1.0, 1.0) else []
    if photo.package == LOMIRI and not file.startswith("camera/"):
        done.append(f"shrunk to {LONG_EDGE_PX} px")
    done.append("saved as JPEG without metadata")
    if file.startswith(("rainy/", "camera/")):
        done.append("rain added by computer")
    if file.startswith("shaded/"):
        done.append("shadow added by computer")
    if file.startswith("blurred/"):
        done.append("blurred by computer")
    text = ", ".join(done)
    return text[0].upper() + text[1:]


def write_lists(out: Path) -> None:
    entries = list(listed(out))
    text = json.dumps([entry for entry, _ in entries], indent=1, ensure_ascii=False)
    (out / "samples.json").write_text(text + "\n", encoding="utf-8")

    lines = [
        "# Sample photos",
        "",
        "These photos are not under the licence of the code: each keeps the licence its author gave it, in the",
        "changed form found here too (photos under CC BY-SA stay under CC BY-SA). `scripts/make_samples.py`",
        "makes them again from the packages named below and writes this file. The rain in `rainy/` and `camera/`,",
        "the shadows in `shaded/` and the blur in `blurred/` are synthetic; the truth of all but `camera/` lies in `clean/` under",
        "the same name.",
        "",
        "| File | Title in its package | Author | Licence | Source | Changes |",
        "|---|---|---|---|---|---|",
    ]
    for entry, photo in entries:
        file = str(entry["file"])
        source = f"{photo.package}, {photo.origin}" if photo.origin else photo.package
        cells = (f"`{file}`", photo.original, photo.author, photo.licence, source, changes(photo, file))
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Sources:", *(f"- {name}: {url}" for name, url in PACKAGE_URLS.items())]
    used = {photo.licence for _, photo in entries}
    lines += ["", "Licences:", *(f"- {name}: {url}" for name, url in LICENCE_URLS.items() if name in used)]
    (out / "LICENSES.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--lomiri", type=Path, metavar="DIR", help=f"make clean/ and camera/: folder of {LOMIRI}'s photos"
    )
    parser.add_argument(
        "--skimage", type=Path, metavar="DIR", help="scikit-image's data (default: installed)"
    )
    parser.add_argument("--rainy", action="store_true", help="make rainy/ from clean/")
    parser.add_argument("--shaded", action="store_true", help="make shaded/ from clean/")
    parser.add_argument("--blurred", action="store_true", help="make blurred/ from clean/")
    parser.add_argument("--out", type=Path, default=ROOT / "resources" / "samples", metavar="DIR")
    options = parser.parse_args(arguments)
    if options.lomiri is None and not (options.rainy or options.shaded or options.blurred):
        parser.error("nothing to do: give --lomiri DIR, --rainy, --shaded, --blurred or several")
    if options.lomiri is not None:
        folders = {LOMIRI: options.lomiri, SKIMAGE: options.skimage or skimage_folder()}
        make_clean(options.out, folders)
        make_camera(options.out, folders)
    if options.rainy:
        make_rainy(options.out)
    if options.shaded:
        make_shaded(options.out)
    if options.blurred:
        make_blurred(options.out)
    write_lists(options.out)
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {size / 1e6:.2f} MB")
    if size > TOTAL_LIMIT_BYTES:
        print(f"more than the {TOTAL_LIMIT_BYTES / 1e6:.0f} MB that may ship", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
