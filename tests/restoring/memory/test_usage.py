"""Usage of slots over several photos is the mean of each photo's own, and says what was left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.images import io as image_io
from core.jobs import JobControl, ignore
from core.model import checkpoint
from core.model.health import Listener
from core.restoring import restore as restoring
from core.restoring.memory import look as memory_look
from core.restoring.memory import usage as memory_usage
from core.restoring.restore import RestoreError, RestoreRequest, restore
from tests.small import photo, save_small_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("models") / "small")


def test_each_photo_counts_alike_and_bad_ones_are_named(model: Path, tmp_path: Path) -> None:
    paths = []
    for seed, size in ((1, (96, 64)), (2, (160, 120))):
        paths.append(tmp_path / f"{seed}.png")
        image_io.write(paths[-1], image_io.from_array(photo(*size, seed)))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    request = RestoreRequest(model=model, device="cpu", precision="fp32")
    found = memory_usage.usage_over([*paths, tmp_path / "bad.png"], request)
    each = [memory_look.look(image_io.read(path), request).usage for path in paths]
    assert np.allclose(found.mean, np.mean(each, axis=0), atol=1e-5)
    assert found.photos == ("1.png", "2.png") and [name for name, _why in found.failed] == ["bad.png"]
    assert found.used_in.max() == 2 and found.health.slots == len(found.mean)
    with pytest.raises(RestoreError, match="none of 1 photos"):
        memory_usage.usage_over([tmp_path / "bad.png"], request)


def test_what_reaches_the_features_is_what_a_listener_hears(model: Path) -> None:
    picture = image_io.from_array(photo(128, 96, 5))
    request = RestoreRequest(model=model, device="cpu", precision="fp32", scale="1")
    loaded = restoring.load_model(model, "cpu", "fp32")
    with Listener(loaded.network.memory) as listener:
        restore(picture, request, ignore, JobControl())
    assert listener.heard is not None
    seen = memory_look.look(picture, request)
    assert (seen.heard() == listener.heard).mean() > 0.98  # on the verge of zero rounding decides
    assert checkpoint.load(model).network.config.has_memory


def test_a_large_folder_is_thinned_evenly() -> None:
    paths = [Path(f"{number}.png") for number in range(1000)]
    some = memory_usage.some_of(paths, 11)
    assert some[0] == paths[0] and some[-1] == paths[-1] and len(set(some)) == 11
    assert memory_usage.some_of(paths[:5], 11) == paths[:5]
