"""Measures how long a chunk takes here before anybody asks, so that the first visitor is told.

The chunks are thrown away. They also do what the first run would have to wait for: kernels are
loaded or compiled, memory is set aside.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from t2v.events import Chunk
from t2v.generator import StreamFn
from t2v.runs.record import RunSettings


NUM_CHUNKS = 2  # the first is unlike the others: the second is measured


def seconds_per_chunk(
    stream: StreamFn, settings: RunSettings, may_go_on: Callable[[], bool]
) -> float | None:
    """Seconds that a chunk of the preview takes; None if something else had to be done first.

    Args:
        settings: of a usual run.
        may_go_on: asked after every step.
    """
    config = replace(settings.config, num_chunks=NUM_CHUNKS, refine=False)
    events, began = stream(config, None), None
    try:
        for event in events:
            if isinstance(event, Chunk) and began is not None:
                return time.monotonic() - began
            if not may_go_on():
                return None
            if isinstance(event, Chunk):
                began = time.monotonic()
    finally:
        events.close()
    return None
