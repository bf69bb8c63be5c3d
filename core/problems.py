"""From an exception to what a person needs: what happened, why, and what to do.

The core raises with values in the message; nobody but this module turns that into sentences. The command
line prints :attr:`Problem.sentence`, the window shows the parts and offers ``details`` for copying.

Classes are looked up by their qualified name, so that knowing about torch, safetensors or the checkpoint
module does not mean importing them.
"""

from __future__ import annotations

import errno
import platform
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from core import __version__


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure in words. Every field is plain text; ``what`` and ``todo`` end with a full stop."""

    what: str  # "The picture is damaged."
    why: str  # "beach.jpg: the file ends after 12 of 340 kB"; may be empty
    todo: str  # "Open it elsewhere and save it again."; may be empty
    details: str  # traceback and versions, for a bug report
    expected: bool = True  # False: nobody foresaw this exception, it is a bug of ours

    @property
    def sentence(self) -> str:
        """All of it on one line, for a terminal or a table row."""
        parts = (" ".join(text.split()) for text in (self.what, self.why, self.todo))
        return " ".join(_closed(part) for part in parts if part)


Words = tuple[str, str, str]
"""what, why, todo"""


def _closed(text: str) -> str:
    return text if not text or text[-1] in ".!?:…" else text + "."


def _message(exc: BaseException) -> str:
    # KeyError quotes its argument; the bare argument reads better
    if isinstance(exc, KeyError) and len(exc.args) == 1:
        return str(exc.args[0])
    return str(exc)


def _plain(what: str, todo: str = "") -> Callable[[BaseException], Words]:
    return lambda exc: (what, _message(exc), todo)


_OS_WORDS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("The disk is full.", "Free some space or choose another folder, then try again."),
    errno.EDQUOT: ("Your share of the disk is used up.", "Free some space or choose another folder."),
    errno.EACCES: ("The file or folder may not be opened.", "Check its permissions or choose another place."),
    errno.EPERM: ("The file or folder may not be changed.", "Check its permissions or choose another place."),
    errno.EROFS: ("This place can only be read.", "Choose another folder for the result."),
    errno.ENOENT: ("The file or folder does not exist.", "Check the name; it may have been moved."),
    errno.ENOTDIR: ("A folder was expected, but this is a file.", "Choose a folder."),
    errno.EISDIR: ("A file was expected, but this is a folder.", "Choose a file."),
    errno.EEXIST: ("Something of that name is there already.", "Choose another name."),
    errno.ENAMETOOLONG: ("The file name is too long for this disk.", "Shorten the name."),
    errno.EMFILE: ("Too many files are open.", "Close other programs and try again."),
    errno.EIO: ("The disk could not be read or written.", "Check the disk or the cable, then try again."),
}


def _os_error(exc: BaseException) -> Words:
    assert isinstance(exc, OSError)
    where = f"{exc.filename}: " if exc.filename else ""
    why = f"{where}{exc.strerror or _message(exc)}"
    what, todo = _OS_WORDS.get(
        exc.errno or 0, ("The file could not be read or written.", "Check the file and its folder.")
    )
    return what, why, todo


def _image(what: str, todo: str = "") -> Callable[[BaseException], Words]:
    """For errors about one file, which carry its path, a reason and sometimes the system's error number."""

    def words(exc: BaseException) -> Words:
        path, reason = getattr(exc, "path", None), str(getattr(exc, "reason", _message(exc)))
        name = getattr(path, "name", "") or str(path)
        advice = _OS_WORDS.get(getattr(exc, "errno", None) or 0)
        return what.format(name), _closed(_as_sentence(reason)), advice[1] if advice else todo

    return words


def _would_overwrite(exc: BaseException) -> Words:
    original = getattr(exc, "is_source", False)  # nothing allows that
    todo = "Choose another name or folder" + ("." if original else ", or allow it with --overwrite.")
    return _image("{} was not written.", todo)(exc)


def _as_sentence(reason: str) -> str:
    """Reasons are written to follow a name ("is a text file"); alone they need a subject or a capital."""
    if re.match(r"(is|has|holds|ends|starts|exists|does|cannot|was|were|could|lacks|contains)\b", reason):
        return f"It {reason}"
    return reason[:1].upper() + reason[1:]


def _out_of_memory(exc: BaseException) -> Words:
    first_line = _message(exc).splitlines()[0] if _message(exc) else ""
    return (
        "There was not enough memory.",
        first_line,
        "Close other programs, choose a smaller tile (--tile 256) or the CPU (--device cpu).",
    )


def speaks_of_short_memory(text: str) -> bool:
    """Whether this is how torch or a library below it says that memory ran out; only the text tells."""
    signs = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
    return any(sign in text.lower() for sign in signs)


def _runtime_error(exc: BaseException) -> Words | None:
    """torch reports most of what goes wrong as a bare RuntimeError; its text says which."""
    text = _message(exc).lower()
    if speaks_of_short_memory(text):
        return _out_of_memory(exc)
    if "cuda" in text or "hip error" in text or "mps backend" in text:
        first_line = _message(exc).splitlines()[0]
        return "The graphics device reported an error.", first_line, "Try again with --device cpu."
    return None


_WORDS: dict[str, Callable[[BaseException], Words | None]] = {
    "core.jobs.Cancelled": lambda _exc: ("Cancelled.", "", "What was finished before is kept."),
    "builtins.KeyboardInterrupt": lambda _exc: ("Cancelled.", "", "What was finished before is kept."),
    # pictures
    "core.images.types.EmptyFile": _image("{} cannot be opened.", "Copy it again from where it came from."),
    "core.images.types.DamagedImage": _image("{} is damaged.", "Copy it again from where it came from."),
    "core.images.types.NotAnImage": _image("{} cannot be opened.", "Choose a photo instead."),
    "core.images.types.UnsupportedImage": _image(
        "{} is of a kind that is not supported.", "Use PNG, TIFF or JPEG instead."
    ),
    "core.images.types.ImageTooLarge": _image("{} is too large.", "Restore a smaller part of it."),
    "core.images.types.UnreadableFile": _image(
        "{} could not be read.", "Check that it exists and that you may read it."
    ),
    "core.images.types.WouldOverwrite": _would_overwrite,
    "core.images.types.WriteFailed": _image(
        "{} could not be written.", "Check the free space and permissions of its folder."
    ),
    "core.images.types.ImageError": _image("{} could not be opened or saved."),
    "core.cli.photos.NoPhotos": _image("{} holds no photos."),
    # models
    "core.model.checkpoint.CheckpointError": _plain(
        "The model could not be loaded.", "Choose another model; memorynet info lists those at hand."
    ),
    "core.model.tensors.NotFinite": _plain(
        "The photo could not be restored.", "Choose another model, or copy this one again."
    ),
    "core.restoring.calibration.CalibrationError": _plain("The model could not be measured."),
    "core.data.source.DataSourceError": _plain("A source of training photos cannot be used."),
    "core.restoring.scales.ScaleError": _plain("The photo cannot be restored at this scale."),
    "core.model.exemplars.SampleError": _plain(
        "The sample memory cannot be used.",
        "Photos are restored without it; it can be filled anew from clean photos.",
    ),
    "core.model.catalog.CatalogError": _plain(
        "The model, recipe or task was not found.", "memorynet info lists what is at hand."
    ),
    "safetensors._safetensors_rust.SafetensorError": _plain("The model file is damaged.", "Copy it again."),
    # data
    "core.data.dataset.PairingError": _plain(
        "The folder's pictures could not be paired.", "Give both pictures of a pair the same name."
    ),
    "core.training.recipe.RecipeError": _plain("The recipe cannot be used.", "Correct that, then try again."),
    "core.training.recipe.FolderMissing": _plain(
        "A folder of photos is not there.", "Bring it back, or choose where the photos are now."
    ),
    "tomllib.TOMLDecodeError": _plain("The recipe is not valid TOML.", "Correct the line named above."),
    "json.decoder.JSONDecodeError": _plain("A settings file is not valid JSON.", "Correct or remove it."),
    "core.data.degrade.DegradationError": _plain(
        "The degradation is not valid.", "Correct the value named above."
    ),
    "core.data.degrade.blur.MotionError": _plain(
        "The recorded movement cannot be read.", "Choose another file, or none."
    ),
    "core.model.slot_names.SlotNamesError": _plain(
        "The names of the memory's slots cannot be read or kept.", "Correct or remove their file."
    ),
    "core.restoring.which.NotSure": _plain(
        "It cannot be said what is to be taken out of this photo.", "Choose the task; nothing was done."
    ),
    "core.restoring.records.RestoreError": _plain("This cannot be restored as asked."),
    "core.model.memory_edit.MemoryEditError": _plain(
        "The memory edit is not valid.", "Correct the value named above."
    ),
    "core.data.guidance.MaskError": _plain(
        "The mask cannot be used.", "Give a grey picture of the photo's size, white where the damage is."
    ),
    "core.training.steering.StopAsked": lambda _exc: ("Stopped.", "", "What was learned before is kept."),
    "core.training.run_folder.TrainingError": _plain("The training run cannot start or go on."),
    "core.training.run_folder.RunBusy": _plain(
        "The run is being trained elsewhere.", "Wait until it ends, or stop it in the other program."
    ),
    "core.training.run_folder.RunDamaged": _plain("The run's record cannot be read."),
    "core.training.runs.NotARun": _plain(
        "This is no training run.", "Choose the folder that a run was written to."
    ),
    "core.training.runs.NoTrash": _plain(
        "The run could not be moved to the trash.", "Delete its folder for good if you are sure."
    ),
    "core.extras.MissingExtra": _plain("An optional part is not installed."),
    "core.export.folder.ExportError": _plain("The model was not exported."),
    "core.export.import_weights.ImportFailed": _plain("The weights were not imported."),
    "core.images.metrics.MetricError": _plain("The pictures cannot be compared."),
    # the machine
    "builtins.MemoryError": _out_of_memory,
    "torch.OutOfMemoryError": _out_of_memory,
    "torch.cuda.OutOfMemoryError": _out_of_memory,
    "core.model.tensors.DeviceError": _plain(
        "The device cannot be used.", "memorynet info lists the devices."
    ),
    "builtins.RuntimeError": _runtime_error,
    "builtins.OSError": _os_error,
}


def _known(exc: BaseException) -> Words | None:
    for cls in type(exc).__mro__:
        find = _WORDS.get(f"{cls.__module__}.{cls.__qualname__}")
        words = find(exc) if find else None
        if words:
            return words
    return None


def describe(exc: BaseException) -> Problem:
    """What ``exc`` means to a person. Never raises, whatever it is given."""
    details = (
        f"MemoryNet {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        + "".join(traceback.format_exception(exc)).rstrip()
    )
    words = _known(exc)
    if words is not None:
        return Problem(*words, details)
    name = type(exc).__name__
    return Problem(
        "Something went wrong that should not have.",
        f"{name}: {_message(exc)}" if _message(exc) else name,
        "Please report it with the details.",
        details,
        expected=False,
    )
