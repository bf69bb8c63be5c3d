"""Large JPEG 2000 files are decoded and encoded in a process of their own: its library holds the interpreter meanwhile, which stops a
window for a second at 12 megapixels, and believes what a file claims. A process can be ended, and has its own memory.

Small pictures are quicker where they are than another process starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

LEAST_PIXELS = 2_000_000
_PATIENCE_S, _PATIENCE_S_PER_MP = 30.0, 2.0
_MEMORY, _MEMORY_PER_PX = 3 << 30, 60  # bytes of address space; OpenJPEG holds 4 a channel several times

# What the other process runs. It knows nothing of this program, so that it starts in the time numpy takes.
_HEAD = """
import json, os, sys
job = json.loads(sys.argv[1])
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (job["memory"], job["memory"]))
except (ImportError, ValueError, OSError):
    pass
out = sys.stdout.buffer
"""
_DECODE = (
    _HEAD
    + """
from PIL import Jpeg2KImagePlugin
with open(job["path"], "rb") as file:
    image = Jpeg2KImagePlugin.Jpeg2KImageFile(file)
    image.reduce = job["reduce"]
    image.load()
out.write((json.dumps([image.mode, image.size]) + "\\n").encode())
width, height = image.size
for top in range(0, height, job["rows"]):
    out.write(image.crop((0, top, width, min(top + job["rows"], height))).tobytes())
"""
)
_DECODE_DEEP = (
    _HEAD
    + """
import cv2
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
values = cv2.imread(job["path"], cv2.IMREAD_UNCHANGED)
if values is None:
    sys.exit("pixel data cannot be decoded")
out.write((json.dumps([values.dtype.str, values.shape]) + "\\n").encode())
for top in range(0, len(values), job["rows"]):
    out.write(values[top:top + job["rows"]].tobytes())
"""
)


_ENCODE = (
    _HEAD
    + """
import io
from PIL import Image, Jpeg2KImagePlugin
image = Image.frombytes(job["mode"], job["size"], sys.stdin.buffer.read())
packed = io.BytesIO()
image.save(packed, format="JPEG2000", **job["options"])
out.write(b"{}\\n")
out.write(packed.getbuffer())
"""
)
_ENCODE_DEEP = (
    _HEAD
    + """
import cv2, numpy
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
planes = numpy.frombuffer(sys.stdin.buffer.read(), numpy.uint16).reshape(job["shape"])
done, packed = cv2.imencode(".jp2", planes, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
if not done:
    sys.exit("the encoder refused the picture")
out.write(b"{}\\n")
out.write(packed.data)
"""
)


class ApartFailed(Exception):
    """The other process said no, or had to be ended; the message says which."""


def is_worth_it(width: int, height: int) -> bool:
    return width * height >= LEAST_PIXELS and bool(sys.executable)


@contextlib.contextmanager
def decoded(
    path: Path, pixels: int, reduce: int, rows: int
) -> Iterator[tuple[str, tuple[int, int], IO[bytes]]]:
    """Mode and size (width, height) of an 8-bit JPEG 2000, and its rows as a stream, ``rows`` at a time.

    ``pixels`` is what will be decoded; ``reduce`` halves the picture so many times. Raises ApartFailed, also at the end.
    """
    job: dict[str, Any] = {"path": os.fspath(path), "reduce": reduce, "rows": rows}
    with _process(_DECODE, job, pixels) as (head, stream):
        mode, (width, height) = head
        yield mode, (width, height), stream


def decoded_deep(path: Path, pixels: int) -> np.ndarray:
    """(H, W), (H, W, 3) BGR or (H, W, 4) BGRA of a 16-bit one. Raises ApartFailed."""
    with _process(_DECODE_DEEP, {"path": os.fspath(path), "rows": 256}, pixels) as (head, stream):
        kind, shape = head
        values = np.empty(shape, np.dtype(kind))
        read_into(stream, values)
    return values


def encoded(
    bands: Iterable[np.ndarray], mode: str, size: tuple[int, int], options: Mapping[str, Any]
) -> bytes:
    """An 8-bit picture as Pillow writes it. ``bands`` are its rows in turn, ``size`` width and height. Raises ApartFailed."""
    job = {"mode": mode, "size": size, "options": dict(options)}
    with _process(_ENCODE, job, size[0] * size[1], bands) as (_head, stream):
        return stream.read()


def encoded_deep(planes: np.ndarray) -> bytes:
    """(H, W), (H, W, 3) BGR or (H, W, 4) BGRA uint16, lossless. Raises ApartFailed."""
    job = {"shape": planes.shape}
    with _process(_ENCODE_DEEP, job, planes.shape[0] * planes.shape[1], (planes,)) as (_head, stream):
        return stream.read()


def read_into(stream: IO[bytes], values: np.ndarray) -> None:
    """Fill a contiguous array. Raises ApartFailed: the stream ends before."""
    view = values.reshape(-1).view(np.uint8).data
    at = 0
    while at < len(view):
        count = stream.readinto(view[at : at + (1 << 20)])  # type: ignore[attr-defined]
        if not count:
            raise ApartFailed("the picture ends too soon")
        at += count


@contextlib.contextmanager
def _process(
    code: str, job: dict[str, Any], pixels: int, given: Iterable[np.ndarray] | None = None
) -> Iterator[tuple[Any, IO[bytes]]]:
    """What it says first, and the rest as a stream. ``given`` is handed to it, all of it before it says anything."""
    job["memory"] = _MEMORY + _MEMORY_PER_PX * pixels
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", code, json.dumps(job)],
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows would show a console
    )
    patience_s = _PATIENCE_S + _PATIENCE_S_PER_MP * pixels / 1e6
    late = threading.Timer(patience_s, process.kill)
    late.daemon = True
    late.start()
    try:
        assert process.stdout is not None and process.stderr is not None
        if given is not None:
            _hand_over(process, given)
        head = process.stdout.readline()
        if not head:
            errors = process.stderr.read().decode(errors="replace").strip().splitlines()
            killed = process.wait() < 0
            raise ApartFailed("takes too long or too much memory" if killed or not errors else errors[-1])
        yield json.loads(head), process.stdout
    finally:
        late.cancel()
        process.kill()  # done, or nobody wants the rest
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _hand_over(process: subprocess.Popen[bytes], given: Iterable[np.ndarray]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionError):  # it has ended, and says why
        for values in given:
            process.stdin.write(np.ascontiguousarray(values).data)
    with contextlib.suppress(BrokenPipeError, ConnectionError):
        process.stdin.close()
