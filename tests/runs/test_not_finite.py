"""A run of real networks whose numbers stop being numbers."""

from dataclasses import replace

import pytest

from t2v.events import Chunk
from t2v.generator import Generator, stream_function
from t2v.media.reader import read_frames
from t2v.runs.events import Failed, SegmentReady
from t2v.runs.worker import Worker
from tests.support.fakes import painted_preset, settings
from tests.support.small_refiner import new_refiner
from tests.support.small_stack import new_stack


def fill_with_nan(network):
    """Gives back what was there."""
    weights = next(network.parameters()).data
    before = weights.clone()
    weights.fill_(float("nan"))
    return weights, before


@pytest.mark.parametrize("broken", ["unet", "decoder"])
def test_a_run_fails_with_its_chunk_keeps_what_was_before_and_resumes(tmp_path, broken):
    stack = new_stack()
    network = stack.unet if broken == "unet" else stack.autoencoder.vae.decoder
    generator = Generator.from_networks(
        painted_preset(frame_size=stack.frame_size), stack, new_refiner
    )
    damage = []

    def stream(config, resume=None):
        for event in stream_function(generator)(config, resume):
            yield event
            if isinstance(event, Chunk) and event.index == 1 and not damage:
                damage.append(fill_with_nan(network))

    worker = Worker(lambda _: stream, tmp_path / "runs")
    try:
        run_id = worker.submit(settings(num_chunks=4, num_inference_steps=2))
        *events, end = worker.watch(run_id)
        assert isinstance(end, Failed) and "no numbers in chunk 2" in end.message
        segments = [event for event in events if isinstance(event, SegmentReady)]
        assert [event.index for event in segments] == [0, 1]
        assert len(read_frames(end.path)) == 24
        record = worker.record(run_id)
        assert (record.state, record.num_frames, record.message) == ("failed", 24, end.message)
        memory = worker.runs_dir / run_id / "memory"
        assert sorted(file.name for file in memory.iterdir()) == ["00000000.npz", "00000016.npz"]

        [(weights, before)] = damage
        weights.copy_(before)
        worker.commands.resume(run_id)
        *_, end = worker.watch(run_id)
        assert (end.state, end.num_frames) == ("finished", 40)
    finally:
        worker.close()


def test_a_refined_chunk_that_is_no_numbers_leaves_no_state_and_the_preview_whole(tmp_path):
    stack, refiner = new_stack(), new_refiner()
    preset = painted_preset(frame_size=stack.frame_size, refiner=refiner.settings)
    generator = Generator.from_networks(preset, stack, lambda: refiner)
    wanted = settings(num_chunks=4, num_inference_steps=2)
    wanted = replace(wanted, config=replace(wanted.config, refine=True), refiner=refiner.settings)

    def stream(config, resume=None):
        for event in stream_function(generator)(config, resume):
            yield event
            if isinstance(event, Chunk) and event.stage == "refinement":
                fill_with_nan(refiner.unet)

    worker = Worker(lambda _: stream, tmp_path / "runs")
    try:
        run_id = worker.submit(wanted)
        *_, end = worker.watch(run_id)
        assert isinstance(end, Failed) and "no numbers in refined chunk 1" in end.message
        assert (end.num_refined_frames, worker.record(run_id).state) == (16, "failed")
        states = list((worker.runs_dir / run_id / "memory").glob("refiner-*"))
        assert len(states) == 1
    finally:
        worker.close()
