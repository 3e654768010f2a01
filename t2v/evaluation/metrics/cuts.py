"""SCuts: scene cuts that PySceneDetect finds, as in Table 1 of StreamingT2V.

Two counts, because the default one misses most seams of chunks: it ignores a cut within 15 frames
of the last one, and hue is noise where pictures are grey.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from t2v.evaluation.metrics.measurement import NO_BOUNDARIES, Measurement, absent, boundary_mask


LONGEST_SIDE = 256  # PySceneDetect shrinks larger pictures to this before it looks
FPS = 8.0  # any rate will do: the detector's limits are numbers of frames
WINDOW = 2  # frames before and after, with which the detector compares a frame
SHORTEST_SCENE = 15  # frames; PySceneDetect's default


def scuts(frames: UInt8[np.ndarray, "f h w 3"]) -> Measurement:
    """Number of cuts by PySceneDetect's AdaptiveDetector with its defaults (the paper's metric).

    From 0, lower is better. The detector cannot find a cut in fewer than 18 frames: None.
    """
    fewest = SHORTEST_SCENE + WINDOW + 1
    if len(frames) < fewest:
        return absent(f"fewer than {fewest} frames")
    return Measurement(float(len(find_cuts(frames))))


def scuts_boundary(frames: UInt8[np.ndarray, "f h w 3"], boundaries: Sequence[int]) -> Measurement:
    """Number of chunk boundaries at which brightness alone shows a cut.

    AdaptiveDetector with `luma_only` and scenes of one frame or more. From 0 to the number of
    boundaries, lower is better; None without boundaries or with fewer than 6 frames.
    """
    boundary_mask(boundaries, len(frames))
    if not boundaries:
        return absent(NO_BOUNDARIES)
    fewest = 2 * WINDOW + 2
    if len(frames) < fewest:
        return absent(f"fewer than {fewest} frames")
    return Measurement(float(len(set(find_seam_cuts(frames)) & set(boundaries))))


def cut_share(cuts: Measurement, boundaries: Sequence[int]) -> Measurement:
    """`scuts_boundary` over the number of boundaries, 0 to 1: videos have unequally many."""
    return cuts if cuts.value is None else Measurement(cuts.value / len(boundaries))


def find_cuts(frames: UInt8[np.ndarray, "f h w 3"]) -> list[int]:
    """Indices of the first frames after a cut, by the detector's defaults."""
    return _detect(frames, min_scene_len=SHORTEST_SCENE, luma_only=False)


def find_seam_cuts(frames: UInt8[np.ndarray, "f h w 3"]) -> list[int]:
    """Indices of the first frames after a cut in brightness, however short the scene."""
    return _detect(frames, min_scene_len=1, luma_only=True)


def _detect(frames: np.ndarray, *, min_scene_len: int, luma_only: bool) -> list[int]:
    from scenedetect import AdaptiveDetector, FrameTimecode

    detector = AdaptiveDetector(
        min_scene_len=min_scene_len, window_width=WINDOW, luma_only=luma_only
    )
    cuts = []
    for number, frame in enumerate(frames):
        image = np.ascontiguousarray(_shrunk(frame)[..., ::-1])  # the detector takes BGR
        cuts += detector.process_frame(FrameTimecode(number, FPS), image)
    return [cut.frame_num for cut in cuts]


def _shrunk(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    factor = max(height, width) / LONGEST_SIDE
    if factor <= 1:
        return frame
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)


def detector_version() -> str:
    """Of PySceneDetect: its rule for short scenes has changed between versions."""
    import scenedetect

    return scenedetect.__version__
