"""From an exception to what a person needs: what happened, why, and what to do.

The core raises with values in the message; nobody but this module turns that into sentences. An exception of ours
carries a ``problem_key``, by which its words are found here; one of somebody else's is known by the name of its class,
so that knowing about torch or safetensors does not mean importing them.

What to do is said here as far as it is the same everywhere. Whoever speaks to people (the command line, the window)
gives advice of its own by the same keys: the one names options, the other controls.
"""

from __future__ import annotations

import errno
import platform
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from core import __version__


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure in words. Every field is plain text; ``what`` and ``todo`` end with a full stop."""

    what: str  # "The picture is damaged."
    why: str  # "beach.jpg: the file ends after 12 of 340 kB"; may be empty
    todo: str  # "Open it elsewhere and save it again."; may be empty
    details: str  # traceback and versions, for a bug report
    expected: bool = True  # False: nobody foresaw this exception, it is a bug of ours
    key: str = ""  # of the kind of problem, for advice and for whoever decides by it

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


def _said(what: str, todo: str) -> Callable[[BaseException], Words]:
    """Where the exception's own message adds nothing."""
    return lambda _exc: (what, "", todo)


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


def _as_sentence(reason: str) -> str:
    """Reasons are written to follow a name ("is a text file"); alone they need a subject or a capital."""
    if re.match(r"(is|has|holds|ends|starts|exists|does|cannot|was|were|could|lacks|contains)\b", reason):
        return f"It {reason}"
    return reason[:1].upper() + reason[1:]


def speaks_of_short_memory(text: str) -> bool:
    """Whether this is how torch or a library below it says that memory ran out; only the text tells."""
    signs = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
    return any(sign in text.lower() for sign in signs)


def _first_line(exc: BaseException) -> str:
    return _message(exc).splitlines()[0] if _message(exc) else ""


def _of_the_device(what: str, todo: str) -> Callable[[BaseException], Words]:
    return lambda exc: (what, _first_line(exc), todo)


def _runtime_key(exc: BaseException) -> str | None:
    """torch reports most of what goes wrong as a bare RuntimeError; its text says which."""
    text = _message(exc).lower()
    if speaks_of_short_memory(text):
        return "memory"
    return "graphics" if "cuda" in text or "hip error" in text or "mps backend" in text else None


_CANCELLED = _said("Cancelled.", "What was finished before is kept.")
_COPY = "Copy it again from where it came from."

_WORDS: Mapping[str, Callable[[BaseException], Words]] = MappingProxyType(
    {
        "cancelled": _CANCELLED,
        "stopped": _said("Stopped.", "What was learned before is kept."),
        # pictures
        "image": _image("{} could not be opened or saved."),
        "image-empty": _image("{} cannot be opened.", _COPY),
        "image-damaged": _image("{} is damaged.", _COPY),
        "image-none": _image("{} cannot be opened.", "Choose a photo instead."),
        "image-unsupported": _image(
            "{} is of a kind that is not supported.", "Save it anew as an ordinary PNG, TIFF or JPEG."
        ),
        "image-too-large": _image("{} is too large.", "Restore a smaller part of it."),
        "image-unreadable": _image("{} could not be read.", "Check that it exists and that you may read it."),
        "would-overwrite": _image("{} was not written.", "Choose another name or folder."),
        "over-original": _image("{} was not written.", "Choose another name or folder."),
        "image-unwritten": _image(
            "{} could not be written.", "Check the free space and permissions of its folder."
        ),
        "process-lost": _plain("Another process ended without a word."),
        "no-photos": _image("{} holds no photos."),
        "metric": _plain("The pictures cannot be compared."),
        "mask": _plain(
            "The mask cannot be used.", "Give a grey picture of the photo's size, white where the damage is."
        ),
        "taught": _plain(
            "What is taught cannot be used.",
            "Give a grey picture of the photo's size: black denies damage, white asserts it, middle grey says nothing.",
        ),
        # models
        "model": _plain("The model could not be loaded.", "Choose another model."),
        "model-file": _plain("The model file is damaged.", "Copy it again."),
        "catalog": _plain("The model, recipe or task was not found.", "Check its name."),
        "not-finite": _plain(
            "The photo could not be restored.", "Choose another model, or copy this one again."
        ),
        "request": _plain("This cannot be restored as asked."),
        "scale": _plain("The photo cannot be restored at this scale."),
        "which": _plain(
            "It cannot be said what is to be taken out of this photo.", "Choose the task; nothing was done."
        ),
        "memory-edit": _plain("The memory edit is not valid.", "Correct the value named above."),
        "slot-names": _plain(
            "The names of the memory's slots cannot be read or kept.", "Correct or remove their file."
        ),
        "calibration": _plain("The model could not be measured."),
        "samples": _plain(
            "The sample memory cannot be used.",
            "Photos are restored without it; it can be filled anew from clean photos.",
        ),
        "export": _plain("The model was not exported."),
        "import": _plain("The weights were not imported."),
        "extra": _plain("An optional part is not installed."),
        # training
        "pairs": _plain(
            "The folder's pictures could not be paired.", "Give both pictures of a pair the same name."
        ),
        "source": _plain("A source of training photos cannot be used."),
        "degradation": _plain("The degradation is not valid.", "Correct the value named above."),
        "motion": _plain("The recorded movement cannot be read.", "Choose another file, or none."),
        "recipe": _plain("The recipe cannot be used.", "Correct that, then try again."),
        "data-not-named": _plain("The recipe cannot be used.", "Say which folder holds the photos."),
        "folder-missing": _plain(
            "A folder of photos is not there.", "Bring it back, or choose where the photos are now."
        ),
        "toml": _plain("The recipe is not valid TOML.", "Correct the line named above."),
        "json": _plain("A settings file is not valid JSON.", "Correct or remove it."),
        "training": _plain("The training run cannot start or go on."),
        "run-exists": _plain(
            "The training run cannot start or go on.", "Go on with that run, or choose another folder."
        ),
        "run-busy": _plain(
            "The run is being trained elsewhere.", "Wait until it ends, or stop it in the other program."
        ),
        "run-damaged": _plain("The run's record cannot be read."),
        "no-run": _plain("This is no training run.", "Choose the folder that a run was written to."),
        "no-trash": _plain(
            "The run could not be moved to the trash.", "Delete its folder for good if you are sure."
        ),
        # the machine
        "memory": _of_the_device(
            "There was not enough memory.", "Close other programs, or use smaller tiles."
        ),
        "graphics": _of_the_device("The graphics device reported an error.", "Try again with the processor."),
        "device": _plain("The device cannot be used.", "Choose another device."),
        "os": _os_error,
    }
)
KEYS = frozenset(_WORDS)

_FOREIGN: Mapping[str, Callable[[BaseException], str | None]] = MappingProxyType(
    {
        "builtins.KeyboardInterrupt": lambda _exc: "cancelled",
        "builtins.MemoryError": lambda _exc: "memory",
        "builtins.RuntimeError": _runtime_key,
        "builtins.OSError": lambda _exc: "os",
        "torch.OutOfMemoryError": lambda _exc: "memory",
        "torch.cuda.OutOfMemoryError": lambda _exc: "memory",
        "safetensors._safetensors_rust.SafetensorError": lambda _exc: "model-file",
        "tomllib.TOMLDecodeError": lambda _exc: "toml",
        "json.decoder.JSONDecodeError": lambda _exc: "json",
    }
)
"""Of classes that are not ours, by their qualified names: the key of what they tell of."""


def key_of(exc: BaseException) -> str | None:
    """What kind of problem it is; None: nobody foresaw it."""
    for cls in type(exc).__mro__:
        own = vars(cls).get("problem_key")
        if isinstance(own, str):
            return "over-original" if own == "would-overwrite" and getattr(exc, "is_source", False) else own
        find = _FOREIGN.get(f"{cls.__module__}.{cls.__qualname__}")
        key = find(exc) if find else None
        if key:
            return key
    return None


def describe(exc: BaseException, advice: Mapping[str, str] = MappingProxyType({})) -> Problem:
    """What ``exc`` means to a person. Never raises, whatever it is given.

    ``advice`` is what to do in the words of whoever speaks, by key, in place of what is said everywhere.
    """
    details = (
        f"MemoryNet {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        + "".join(traceback.format_exception(exc)).rstrip()
    )
    key = key_of(exc)
    if key in _WORDS:
        assert key is not None
        problem = Problem(*_WORDS[key](exc), details, key=key)
        return replace(problem, todo=advice[key]) if key in advice else problem
    name = type(exc).__name__
    return Problem(
        "Something went wrong that should not have.",
        f"{name}: {_message(exc)}" if _message(exc) else name,
        "Please report it with the details.",
        details,
        expected=False,
        key=key or "",
    )
