"""What tests of bad files and bad disks share."""

from __future__ import annotations

import numpy as np

from tests.image_makers import (
    photo,
)

RGB, DEEP = photo(80, 66), photo(80, 66, np.uint16)
