"""What a maker does before its first run: it loads models, and learns how long a chunk takes here.

So the first visitor is told a time. Where earlier runs do not say it, chunks are drawn and thrown
away. They also do what the first run would have to wait for: kernels are loaded or compiled, memory
is set aside.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from t2v.events import Chunk
from t2v.generator import StreamFn
from t2v.runs.library import Library
from t2v.runs.models import Models
from t2v.runs.queue import RunQueue
from t2v.runs.record import RunSettings


MAX_EARLIER_RUNS = 30  # from which the time of the next is estimated
NUM_CHUNKS = 2  # the first is unlike the others: the second is measured

log = logging.getLogger(__name__)


def get_ready(queue: RunQueue, library: Library, models: Models, usual: RunSettings | None) -> None:
    """Does what comes before the first run. Nothing that fails keeps that run from being made.

    Args:
        usual: of a usual run, of which chunks are drawn; None: none are.
    """
    learn_from_earlier_runs(queue, library)
    measure_gpu(queue)
    preload = models.preload
    if preload is not None and queue.gpus.fits_here(preload, refines=False):
        models.load_first()
    if usual is not None and models.preset == usual.preset:
        warm_up(queue, models, usual)


def learn_from_earlier_runs(queue: RunQueue, library: Library) -> None:
    """Learns from the last runs how long runs take here."""
    try:
        for record in reversed(library.find("", limit=MAX_EARLIER_RUNS)):
            if record.state == "finished":
                num_chunks = record.settings.config.num_chunks
                queue.throughput.learn(record.settings, num_chunks, record.seconds)
    except Exception:  # then there is no estimate
        log.exception("earlier runs could not be read")


def measure_gpu(queue: RunQueue) -> None:
    """Measures the GPU before the first run is taken, which may be one for another worker's GPU."""
    size = 0
    try:
        size = queue.gpus.measure()
    except Exception:  # loading the models will say more
        log.exception("the memory of the GPU is not known")
    with queue.changed:
        queue.gpus.own = size


def warm_up(queue: RunQueue, models: Models, usual: RunSettings) -> None:
    """Draws chunks of a usual run, unless something else is to be done.

    They say how long a run takes, and a GPU does its first work here, not for a visitor. A
    processor has no such work: where the time is known, nothing is drawn.
    """
    if queue.throughput.estimate(usual, 1) and not queue.gpus.own:
        return
    try:
        stream, _ = models.load(usual.preset)
        seconds = seconds_per_chunk(
            stream, usual, lambda: not (queue.is_closing or queue.live_runs())
        )
    except Exception:  # the first run will report it
        log.exception("the time of a chunk could not be measured")
        return
    if seconds is not None:
        queue.throughput.learn(usual, 1, seconds)


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
