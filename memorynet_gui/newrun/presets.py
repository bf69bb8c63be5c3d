"""The ready recipes a new run starts from, and the folders of a person put into a recipe. No widgets here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.left_out import LeftOut
from core.data.source import BUNDLED
from core.tasks import TASKS
from core.training.recipe import RecipeError, TrainRecipe
from core.training.recipe_folders import resolve_folders
from memorynet_gui.newrun.mixing import is_data

if TYPE_CHECKING:
    from core.data.recognise import LayoutFound


@dataclass(frozen=True, slots=True)
class Preset:
    """What a new run may start from; which recipe that is for a task stands in :data:`core.tasks.TASKS`."""

    key: str
    title: str
    words: str
    icon: str

    @property
    def recipes(self) -> dict[str, str]:
        """Task -> name of a recipe that ships; the first is taken where there is none for the task."""
        return {name: task.recipes[self.key] for name, task in TASKS.items() if self.key in task.recipes}

    def recipe_name(self, task: str) -> str:
        return self.recipes.get(task) or next(iter(self.recipes.values()))


PRESETS = (
    Preset(
        "quick-look", "Quick look", "A first try on photos that ship with MemoryNet. Minutes.",
        "mdi6.timer-outline",
    ),
    Preset(
        "fine-tune", "Fine-tune a shipped model", "Goes on from a model that already works, with your photos.",
        "mdi6.tune-vertical",
    ),
    Preset(
        "standard", "Standard", "A new model from nothing, with your photos. Hours on a processor.",
        "mdi6.school-outline",
    ),
)  # fmt: skip


def load(name: str) -> TrainRecipe:
    """A recipe that ships. Raises :class:`core.model.catalog.CatalogError`, :class:`core.training.recipe.RecipeError`, OSError."""
    from core.model import catalog

    return TrainRecipe.from_toml(catalog.recipe(name))


def shown_name(start_from: str) -> str:
    """A model as people know it: by its name, or that of its run."""
    path = Path(start_from)
    return path.parent.name if path.name == "model" and path.parent.name else path.name


# --- folders -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceFound:
    """What one source of a mixture would read, in words, or what is wrong with its folders."""

    words: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class DataFound:
    """What a recipe's folders hold, in words. ``photos``: some clean ones, for the preview."""

    lines: tuple[str, ...] = ()
    problem: str | None = None
    photos: tuple[Path, ...] = ()
    count: int = 0  # photos and pairs to train on
    what: str = ""  # those in words: "13 photos and 8 pairs"
    can_be_examined: bool = False  # there is a problem, and the doctor knows more about it
    sources: tuple[SourceFound, ...] = ()  # of a mixture, in its order


def needs_folder(values: Mapping[str, Any]) -> bool:
    """Whether the recipe speaks of DATA, which a person has to say what it is."""
    return any(is_data(folder) for folder in folders_of(values))


def fits(values: Mapping[str, Any], data: tuple[Path, ...]) -> bool:
    """Whether every folder that the recipe names by DATA is found with it standing for ``data``."""
    try:
        resolve_folders(tuple(folder for folder in folders_of(values) if is_data(folder)), data)
    except RecipeError:
        return False
    return True


def merge(found: Sequence[LayoutFound]) -> dict[str, Any]:
    """Fields of a recipe that trains on all of several chosen folders; empty when none can be used."""
    usable = [item for item in found if item.suggestion]
    if not usable:
        return {}
    clean = [item.suggestion for item in usable if item.kind == "clean"]
    pairs = [item.suggestion for item in usable if item.kind == "pairs"]
    deciding = pairs or clean
    merged: dict[str, Any] = {
        "kind": "mixed" if clean and pairs else "pairs" if pairs else "clean",
        "sources": (),
        "train": _union(clean or pairs, "train"),
        "pairs": _union(pairs, "train") if clean and pairs else (),
        "validation": _union(deciding, "validation"),
        "hold_out": max((float(item.get("hold_out", 0.0)) for item in deciding), default=0.0),  # type: ignore[arg-type]
    }
    own = tuple(folder for folder in merged["validation"] if folder not in BUNDLED)
    if own:  # the photos that ship stand in only where there are no others
        merged["validation"] = own
    return merged


def _union(suggestions: Sequence[Mapping[str, Any]], key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(folder for item in suggestions for folder in item.get(key, ())))


def recognise_all(folders: Sequence[Path]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What recipe the folders make, and what there is to say about them. Reads the disk: not on the window's thread."""
    from core.data.recognise import recognise

    found = [recognise(folder) for folder in folders]
    return merge(found), tuple(dict.fromkeys(note for item in found for note in item.notes))


def describe_data(values: Mapping[str, Any], data: tuple[Path, ...]) -> DataFound:
    """Count what the recipe would read. Reads the disk: not on the window's thread. Never raises for what is there."""
    from core.data.dataset import PairingError
    from core.images.io import ImageError

    if needs_folder(values) and not data:
        return DataFound(problem="Choose the folder with your photos.")
    try:
        return _describe(values, data)
    except (RecipeError, PairingError, ImageError, OSError) as error:
        from core.problems import describe

        if isinstance(error, RecipeError):
            return DataFound(problem=str(error))
        torn = isinstance(error, PairingError) and bool(error.unpaired)
        return DataFound(problem=_with_way_out(describe(error).sentence, torn), can_be_examined=torn)


def _with_way_out(problem: str, is_torn: bool) -> str:
    """What a person can do here about a picture without a partner; the doctor says whether it may go."""
    return f'{problem} "Check the photos" in step 3 offers "Leave it out".' if is_torn else problem


def _describe(values: Mapping[str, Any], data: tuple[Path, ...]) -> DataFound:
    from core.data.dataset import few_photos

    noun = TASKS[values["task"]].noun if values["task"] in TASKS else "damage"
    kind = values["kind"]
    leave_out = LeftOut(values.get("leave_out", ()))
    gone: set[Path] = set()  # the first file of each photo or pair that is left out
    photos: list[Path] = []
    lines, what, count = [], [], 0
    if kind == "sources":
        return _describe_sources(values, data, leave_out)
    if kind != "pairs":
        photos, left = _photos(values["train"], data, leave_out)
        gone |= left
        if left and not photos:
            return DataFound(problem=_ALL_LEFT_OUT)
        count += len(photos)
        what.append(_many(len(photos), "photo"))
        lines.append(
            f"Learns from {_many(len(photos), 'clean photo')}{_where(values['train'])}. "
            f"{noun.capitalize()} {'are' if noun.endswith('s') else 'is'} drawn on {'it' if len(photos) == 1 else 'them'} as training goes."
        )
    if kind != "clean":
        folders = values["pairs"] if kind == "mixed" else values["train"]
        pairs, layouts, left = _pairs(folders, data, leave_out)
        gone |= left
        if left and not pairs:
            return DataFound(problem=_ALL_LEFT_OUT)
        count += pairs
        what.append(_many(pairs, "pair"))
        shape = f" ({', '.join(layouts)})" if layouts else ""
        also = "Also learns" if kind == "mixed" else "Learns"
        lines.append(f"{also} from {_many(pairs, 'pair')}{shape}{_where(folders)}.")
    scored, left = _scored(values, data, kind, leave_out)
    gone |= left
    if not scored:
        return DataFound(problem="All that would be scored on is left out; see All settings.")
    lines.append(scored)
    if few := few_photos(count):
        lines.append(few)
    if gone:
        lines.append(f"{len(gone):,} left out.")
    problem = None if count else "There are no photos to learn from in the folder."
    return DataFound(tuple(lines), problem, tuple(photos[:6]), count, " and ".join(what))


def _describe_sources(values: Mapping[str, Any], data: tuple[Path, ...], leave_out: LeftOut) -> DataFound:
    """Source by source: what is wrong with one does not keep the others from being looked at."""
    from core.data.dataset import PairingError, few_photos
    from core.images.io import ImageError

    found: list[SourceFound] = []
    seen: set[Path] = set()  # several sources may draw on the same photos
    photos, pairs, torn = 0, 0, False
    for source in values["sources"]:
        if source.lacks:  # the recipe's check says so
            found.append(SourceFound())
            continue
        try:
            if source.kind == "pairs":
                number, layouts, _ = _pairs(source.folders, data, leave_out)
                pairs += number
                shape = f" ({', '.join(layouts)})" if layouts else ""
                found.append(_source_found(f"{_many(number, 'pair')}{shape}", number))
                continue
            own, _ = _photos(source.folders or values["train"], data, leave_out)
            words = _many(len(own), "clean photo")
            new = set(own) - seen
            seen |= new
            photos += len(new)
            if source.kind == "layers" and own:
                layers, _ = _photos((source.layers,), data, LeftOut(()))
                found.append(_source_found(f"{words}, {_many(len(layers), 'layer')}", len(layers), "layers"))
            else:
                found.append(_source_found(words, len(own)))
        except (RecipeError, PairingError, ImageError, OSError) as error:
            is_torn = isinstance(error, PairingError) and bool(error.unpaired)
            torn = torn or is_torn
            found.append(SourceFound(problem=_with_way_out(_problem_text(error), is_torn)))
    wrong = [(number, item.problem) for number, item in enumerate(found, 1) if item.problem is not None]
    problem = f"Source {wrong[0][0]}: {wrong[0][1]}" if wrong else None
    what = [_many(number, word) for number, word in ((photos, "photo"), (pairs, "pair")) if number]
    lines = [f"Learns from {' and '.join(what)}, mixed by their shares."] if what else []
    try:
        scored, _ = _photos(values["validation"], data, leave_out)
    except (RecipeError, ImageError, OSError) as error:
        problem = problem or _problem_text(error)
    else:
        if not scored:
            problem = problem or "There are no photos to score on; see All settings."
        lines.append(_scored_by_source(values, len(scored)))
    if what and (few := few_photos(photos + pairs)):
        lines.append(few)
    return DataFound(
        tuple(lines), problem, tuple(sorted(seen)[:6]), photos + pairs, " and ".join(what), torn, tuple(found)
    )


def _source_found(words: str, count: int, what: str = "photos") -> SourceFound:
    return SourceFound(words) if count else SourceFound(problem=f"There are no {what} to learn from in it.")


def _scored_by_source(values: Mapping[str, Any], photos: int) -> str:
    kinds = {source.kind for source in values["sources"]}
    on = []
    if kinds - {"pairs"}:
        on.append(f"{_many(photos, 'other photo')}{_where(values['validation'])}")
    if any(source.hold_out for source in values["sources"]):
        on.append("scenes kept apart")
    return f"Scored on {' and on '.join(on)}, source by source." if on else "Nothing to score on."


def _problem_text(error: Exception) -> str:
    if isinstance(error, RecipeError):
        return f"{error}."
    from core.problems import describe

    return describe(error).sentence


_ALL_LEFT_OUT = "All that would be learnt from is left out; see All settings."


def _scored(
    values: Mapping[str, Any], data: tuple[Path, ...], kind: str, leave_out: LeftOut
) -> tuple[str, set[Path]]:
    """What scores are made on, empty where nothing is left of it; and what is left out."""
    held = values["hold_out"]
    if kind != "clean" and held:
        return f"Scored on {held:.0%} of the scenes, which are kept apart.", set()
    if kind == "clean":
        photos, left = _photos(values["validation"], data, leave_out)
        count, word = len(photos), "photo"
    else:
        count, _, left = _pairs(values["validation"], data, leave_out)
        word = "pair"
    if left and not count:
        return "", left
    return f"Scored on {_many(count, f'other {word}')}{_where(values['validation'])}.", left


def _photos(
    folders: Sequence[str], data: tuple[Path, ...], leave_out: LeftOut
) -> tuple[list[Path], set[Path]]:
    """Those to use, and those left out."""
    from core.images import io as image_io
    from core.model import catalog

    found: list[Path] = []
    for folder in folders:
        if folder in BUNDLED:
            found += catalog.sample_photos(BUNDLED[folder])
        else:
            (path,) = resolve_folders((folder,), data)
            found += image_io.find_images(path, recursive=False)
    left = {path for path in found if leave_out.matching((path,))}
    return [path for path in found if path not in left], left


def _pairs(
    folders: Sequence[str], data: tuple[Path, ...], leave_out: LeftOut
) -> tuple[int, tuple[str, ...], set[Path]]:
    """As training finds them: a picture without a partner is refused. How many, how they lie, what is left out."""
    from core.data.dataset import find_pairs

    found = [find_pairs(path, leave_out=leave_out) for path in resolve_folders(tuple(folders), data)]
    return (
        sum(len(item.pairs) for item in found),
        tuple(dict.fromkeys(item.layout for item in found)),
        {files[0] for item in found for files in item.left_out},
    )


def _where(folders: Sequence[str]) -> str:
    """ " in clean and clean_extra", " that ship with MemoryNet" """
    if all(folder in BUNDLED for folder in folders):
        return " that ship with MemoryNet"
    names = ["the photos that ship" if f in BUNDLED else Path(f).name for f in folders]
    shown = names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]
    return " in " + (shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}")


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def folders_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Every folder that the recipe would read, each once."""
    if values["kind"] != "sources":
        return tuple(dict.fromkeys((*values["train"], *values["pairs"], *values["validation"])))
    named = list(values["validation"])
    for source in values["sources"]:
        named += source.all_folders()
        if source.kind != "pairs" and not source.folders:
            named += values["train"]
    return tuple(dict.fromkeys(named))
