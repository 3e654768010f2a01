"""What metrics cost: the live numbers of a chunk, and the measures of a whole video.

    python -m benchmarks.metrics

Milliseconds of the processor's time on one thread, so that a busy machine does not matter much. A
table for people, then one line of JSON: `ratio` compares the live numbers with their budget.
"""

import argparse
import json
from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

import cv2
import numpy as np

from t2v.evaluation.metrics.chunk import measure_chunk
from t2v.evaluation.metrics.cuts import find_cuts
from t2v.evaluation.metrics.flow import DISFlow
from t2v.evaluation.metrics.mawe import PROTOCOL, Sizes, pair_terms
from t2v.evaluation.metrics.video import measure_pairs


LIVE_BUDGET = 50  # milliseconds a chunk at 64 pixels
CHUNK, VIDEO = 16, 88  # frames


def moving_texture(num_frames: int, size: int) -> np.ndarray:
    """A blurred random texture that moves by 2 pixels a frame."""
    noise = np.random.default_rng(0).integers(0, 256, (size, size + 2 * num_frames, 3), np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    return np.stack([texture[:, 2 * i : 2 * i + size] for i in range(num_frames)])


def milliseconds(work: Callable[[], Any], rounds: int) -> float:
    """Median over rounds, after one that is not counted."""
    work()
    times = []
    for _ in range(rounds):
        started = process_time()
        work()
        times.append(1000 * (process_time() - started))
    return median(times)


def measure(rounds: int) -> dict[str, float]:
    """Milliseconds by what is measured and the size of the frames."""
    result = {}
    for size in (64, 256, 720):
        frames = moving_texture(2 * CHUNK, size)
        before, new = frames[:CHUNK], frames[CHUNK : CHUNK + CHUNK // 2]
        result[f"chunk of 8 new frames, {size} px"] = milliseconds(
            lambda before=before, new=new: measure_chunk(before, new, before[0]), rounds
        )
    video = moving_texture(VIDEO, 64)
    few = video[:5]
    for name, sizes in (("protocol, 256/720", PROTOCOL), ("256/256", Sizes(256, 256))):
        work = milliseconds(lambda sizes=sizes: pair_terms(few, DISFlow(), sizes), rounds)
        result[f"pair of frames, {name}"] = work / (len(few) - 1)
    terms = pair_terms(video, DISFlow(), Sizes(64, 64))
    boundaries = range(CHUNK, VIDEO, CHUNK // 2)
    result["SCuts of 88 frames, 64 px"] = milliseconds(lambda: find_cuts(video), rounds)
    result["all but the flow, 88 frames, 64 px"] = milliseconds(
        lambda: measure_pairs(video, terms, boundaries), rounds
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    result = measure(args.rounds)
    for name, value in result.items():
        print(f"{name:40}{value:9.1f} ms")
    ratio = result["chunk of 8 new frames, 64 px"] / LIVE_BUDGET
    print(f"live numbers take {ratio:.2f} of their budget of {LIVE_BUDGET} ms")
    print(json.dumps({"ratio": ratio, "milliseconds": result}))


if __name__ == "__main__":
    main()
