"""Sizes of frames: limits, text like 320x576, and proportions."""

import re
from math import sqrt

from t2v.errors import ConfigError
from t2v.settings.declaration import brief


SIDES = (16, 4096)  # pixels of a frame
DRAWN_SIDES = (64, 1024)  # of a frame that is drawn
DRAWN_MULTIPLE = 64  # of which those sides are: what every network's downsampling divides


def fit_area(size: tuple[int, int], like: tuple[int, int], multiple: int = 1) -> tuple[int, int]:
    """Height and width in the proportions of `size`, with about as many pixels as `like`.

    Args:
        multiple: of which both sides are; 2 for video files, which have one colour per 2x2 pixels.
    """
    scale = sqrt(like[0] * like[1] / (size[0] * size[1])) / multiple
    height, width = (multiple * max(1, round(side * scale)) for side in size)
    return height, width


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from text like 320x576; whether they are allowed is for others to say.

    Raises:
        ConfigError: it is no size.
    """
    match = re.fullmatch(r"\s*(\d{1,5})\s*x\s*(\d{1,5})\s*", text)
    if not match:
        raise ConfigError(f"frame_size must be like 256x448, height first, got {brief(text)}")
    return int(match[1]), int(match[2])
