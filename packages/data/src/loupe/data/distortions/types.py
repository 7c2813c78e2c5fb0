"""What a distortion is: a pure function of image, level and random generator."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
"""Float image (H, W, 3), RGB in [0, 1]; the engine passes float32."""

Distortion = Callable[[Array, int, np.random.Generator], Array]
"""(image, level 1..5, generator) → image of the same shape, not yet clipped to [0, 1]."""
