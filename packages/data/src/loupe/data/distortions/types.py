"""What a distortion is: a pure function of image, level and random generator."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
"""Float image (H, W, 3), RGB in [0, 1]."""

Distortion = Callable[[Array, int, np.random.Generator], Array]
"""(image, level 1..5, generator) → image of the same shape, not yet clipped to [0, 1]."""
