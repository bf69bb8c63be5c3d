"""Exceptions in words: what happened, why, what to do."""

from __future__ import annotations

import builtins
import errno
import importlib
from pathlib import Path

import pytest

from core import problems
from core.cli import words
from core.images import types as image_types
from core.jobs import Cancelled
from core.problems import Problem, describe


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.png"), "disk is full. a.png: No space"),
        (PermissionError(errno.EACCES, "Permission denied", "a.png"), "Check its permissions"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.png"), "does not exist"),
        (OSError("something odd"), "something odd"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
        (RuntimeError("CUDA error: device-side assert\nmore lines"), "CUDA error: device-side assert. Try again"),
        (Cancelled(), "Cancelled"),
        (KeyboardInterrupt(), "Cancelled"),
        (image_types.EmptyFile(Path("x/a.png"), "the file is empty"), "a.png cannot be opened. The file is empty."),
        (image_types.NotAnImage(Path("a.png"), "is a text file"), "a.png cannot be opened. It is a text file."),
        (image_types.ImageTooLarge(Path("a.png"), 40000, 20000), "800 megapixels"),
        (image_types.WriteFailed(Path("a.png"), "no space", errno.ENOSPC), "Free some space"),
        (image_types.WouldOverwrite(Path("a.png"), True), "a.png was not written. It is the original picture."),
    ],
)  # fmt: skip
def test_foreseen(error: BaseException, expected: str) -> None:
    problem = describe(error)
    assert expected in problem.sentence
    assert problem.expected
    assert "\n" not in problem.sentence
    assert type(error).__name__ in problem.details


def test_the_unforeseen_is_called_a_bug() -> None:
    try:
        raise ZeroDivisionError("division by zero")
    except ZeroDivisionError as error:
        problem = describe(error)
    assert not problem.expected
    assert "ZeroDivisionError: division by zero" in problem.why
    assert "test_problems.py" in problem.details
    # torch also reports bugs as RuntimeError: those are not to be explained away
    assert not describe(RuntimeError("shape '[2, 3]' is invalid for input of size 5")).expected


def test_one_line_whatever_the_exception_says() -> None:
    problem = Problem("What happened", "first\n  second", "Do this.", "")
    assert problem.sentence == "What happened. first second. Do this."
    assert Problem("What happened.", "", "", "").sentence == "What happened."
    assert describe(KeyError("slot")).why == "KeyError: slot"
    assert describe(ValueError()).why == "ValueError"


def test_every_foreign_class_named_exists() -> None:
    """They are looked up by qualified name; a renamed one would silently fall back to 'a bug'."""
    for name in problems._FOREIGN:
        module, _, cls = name.rpartition(".")
        if name == "torch.cuda.OutOfMemoryError":  # its name in older versions of torch
            continue
        owner = builtins if module == "builtins" else importlib.import_module(module)
        found = getattr(owner, cls)
        assert f"{found.__module__}.{found.__qualname__}" == name


def test_advice_is_of_whoever_speaks() -> None:
    error = image_types.WouldOverwrite(Path("a.png"), False)
    assert "--overwrite" not in describe(error).sentence and "--overwrite" in words.describe(error).todo
    assert "--overwrite" not in words.describe(image_types.WouldOverwrite(Path("a.png"), True)).todo
    assert "--device cpu" in words.describe(RuntimeError("CUDA error: x")).todo
    assert words.describe(RuntimeError("shape mismatch")) == describe(RuntimeError("shape mismatch"))


def test_every_error_of_the_core_has_words() -> None:
    """Public exception classes of core modules are foreseen by definition."""
    import core

    root = Path(core.__file__).parent
    inner = {"ApartFailed", "ExifError"}  # never leaves the rooms behind image_io
    seen = set()
    for path in root.rglob("*.py"):
        name = ".".join(("core", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        if name.startswith("core.cli") or path.stem == "__main__":
            continue
        module = importlib.import_module(name)
        for cls in vars(module).values():
            if isinstance(cls, type) and issubclass(cls, Exception) and cls.__module__ == module.__name__:
                key = getattr(cls, "problem_key", None)
                known = key in problems.KEYS or issubclass(cls, OSError)
                assert known or cls.__name__.startswith("_") or cls.__name__ in inner, cls
                seen.add(cls.__name__)
    assert {"ImageError", "CheckpointError", "RunBusy"} <= seen, "the rooms were not found"
