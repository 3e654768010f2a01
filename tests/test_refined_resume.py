"""A refined video that resumes from files has the frames it would have had without the break."""

import hashlib

import numpy as np
import pytest

from t2v.events import Chunk
from t2v.pipeline.refinement import refine
from t2v.pipeline.refiner_loading import load_refiner
from t2v.runs.frame_store import FrameStore
from t2v.settings.chunking import PAPER_CHUNKING
from t2v.settings.presets import find_preset


NUM_FRAMES = 56  # three windows: 24, 40, 56


def hashes_of(events) -> list[str]:
    chunks = (event for event in events if isinstance(event, Chunk))
    return [hashlib.sha256(chunk.frames.tobytes()).hexdigest() for chunk in chunks]


@pytest.fixture(scope="module")
def refiner():
    """The bundled one: in small networks no kernel depends on how tensors lie in memory."""
    return load_refiner(find_preset("shapes"), device="cpu")


@pytest.fixture(scope="module")
def pieces():
    """A video in pieces as the preview yields them."""
    frames = np.random.default_rng(3).integers(0, 256, (NUM_FRAMES, 8, 8, 3), np.uint8)
    frames = frames.repeat(8, axis=1).repeat(8, axis=2)
    return [frames[:16], *np.split(frames[16:], range(8, NUM_FRAMES - 16, 8))]


@pytest.mark.slow
@pytest.mark.parametrize("blending", ["causal", "shared_noise"])
def test_a_state_read_from_disk_continues_with_identical_frames(
    refiner, pieces, blending, tmp_path
):
    """States were restored in another memory layout, in which kernels round differently."""
    config = find_preset("shapes").config(
        prompt="a red star", seed=7, refine=True, blending=blending
    )
    store = FrameStore(tmp_path, PAPER_CHUNKING)
    whole, num_states = [], 0
    for event in refine(refiner, config, iter(pieces)):
        whole.append(event)
        if isinstance(event, Chunk) and event.refiner is not None:
            store.save_refiner(event.refiner)
            num_states += 1
    assert num_states == 3
    for num_done in (1, 2):
        num_read = 24 + 16 * (num_done - 1)
        state = store.refiner_before(num_read, NUM_FRAMES, 8)
        assert state.num_frames == num_read
        rest = pieces[1 + (num_read - 16) // 8 :]
        resumed = refine(refiner, config, iter(rest), state)
        assert hashes_of(resumed) == hashes_of(whole)[num_done:]
