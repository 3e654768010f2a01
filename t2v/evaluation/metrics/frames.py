"""Frames as all metrics take them, from arrays of anybody."""

import numpy as np
from jaxtyping import UInt8

from t2v.errors import MediaError


def as_frames(array: np.ndarray) -> UInt8[np.ndarray, "f h w 3"]:
    """Frames of an array: grey ones get three equal colours, transparency is dropped.

    Raises:
        MediaError: the array does not hold 8-bit pictures of one size, or they have no pixels.
    """
    if array.dtype != np.uint8:
        raise MediaError(f"frames must be 8-bit numbers (uint8), got {array.dtype}")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3, 4) or 0 in array.shape[1:3]:
        raise MediaError(
            "frames must have the axes frame, height, width and colour, "
            f"got an array of {' x '.join(map(str, array.shape))}"
        )
    if array.shape[-1] == 1:
        return array.repeat(3, axis=-1)
    return array[..., :3]
