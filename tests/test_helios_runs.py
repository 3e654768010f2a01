"""A Helios preset through the whole product: download, command line, runs on disk, page."""

import json
from dataclasses import replace

import numpy as np
import pytest

from t2v import cli
from t2v.errors import ConfigError, PresetError
from t2v.events import LatentMemory, Notice
from t2v.generator import Generator, stream_function
from t2v.media.reader import read_frames
from t2v.pipeline.helios_loading import load_helios
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_segments
from t2v.runs.record import RunSettings
from t2v.runs.worker import Worker
from tests.support.processes import finish, started, wait_until
from tests.support.runs import finished, hashes
from tests.support.small_helios import install_helios, write_published


SMALL = (64, 64)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The real repository's folders, as OWNER/REPOSITORY, with random weights."""
    return write_published(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def preset(home, tmp_path_factory):
    return install_helios(home, tmp_path_factory.mktemp("weights") / "weights" / "helios")


@pytest.fixture(scope="module")
def generator(preset):
    return Generator.from_helios(preset, load_helios(preset, device="cpu"))


@pytest.fixture
def settings(preset):
    config = preset.config(
        prompt="a red star", num_chunks=3, num_inference_steps=3, frame_size=SMALL, seed=5
    )
    return RunSettings(
        config=config,
        preset="helios",
        fps=preset.fps,
        display_size=SMALL,
        chunking=preset.chunking,
    )


@pytest.fixture
def worker(generator, tmp_path):
    worker = Worker(lambda name: stream_function(generator), tmp_path / "runs")
    yield worker
    worker.close()


def test_chunks_are_drawn_before_the_first_run_and_thrown_away(settings, generator, tmp_path):
    """The worker warms Helios up as it does other presets; the first run does not notice."""
    configs = []

    def stream(config, resume=None, start=None):
        configs.append(config)
        return generator.stream(config, resume=resume, start=start)

    worker = Worker(lambda name: stream, tmp_path / "runs", preload="helios", usual=settings)
    try:
        assert worker.library.find("") == []
        wait_until(lambda: worker.queue.throughput.estimate(settings, 1))
        assert [config.num_chunks for config in configs] == [2]
        run_id = worker.submit(settings)
        assert finished(worker, run_id).num_frames == 99
        assert list(iter_segments(RunFolder(worker.runs_dir / run_id)))
    finally:
        worker.close()


def test_a_run_keeps_the_memory_of_every_chunk(worker, settings):
    run_id = worker.submit(settings)
    record = finished(worker, run_id)
    assert record.num_frames == 99
    store = RunFolder(worker.runs_dir / run_id).frame_store(settings.chunking)
    memories = [store.memory_after(number) for number in (1, 2, 3)]
    assert all(isinstance(memory, LatentMemory) for memory in memories)
    assert np.array_equal(memories[0].anchor, memories[2].anchor)
    assert not np.array_equal(memories[0].history, memories[2].history)


def test_redoing_a_chunk_changes_only_what_follows(worker, settings):
    run_id = worker.submit(settings)
    finished(worker, run_id)
    before = hashes(worker, run_id)
    worker.commands.redo(run_id, 1, seed=12)
    finished(worker, run_id)
    after = hashes(worker, run_id)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, False]


def test_an_extended_run_goes_on(worker, settings):
    short = replace(settings, config=replace(settings.config, num_chunks=2))
    run_id, whole_id = worker.submit(short), worker.submit(settings)
    finished(worker, run_id)
    worker.commands.extend(run_id, 1)
    finished(worker, run_id)
    finished(worker, whole_id)
    assert hashes(worker, run_id) == hashes(worker, whole_id)


@pytest.mark.slow
def test_a_run_killed_between_chunks_resumes_with_the_same_frames(
    worker, settings, preset, tmp_path
):
    """The app in a process of its own, with the shipped preset and weights where they belong."""
    whole_id = worker.submit(settings)
    finished(worker, whole_id)
    folder = RunFolder.create(tmp_path / "killed", settings)
    home = {"LONGTAKE_HOME": str(preset.weights_folder.parents[1])}
    with started("crashing_app", tmp_path / "killed", **home) as app:
        wait_until(lambda: list(iter_segments(folder)) or app.poll() is not None)
    assert folder.read().state == "running"
    finish(tmp_path / "killed", **home)
    assert folder.read().state == "finished"
    whole = RunFolder(worker.runs_dir / whole_id)
    assert np.array_equal(read_frames(folder.video_path()), read_frames(whole.video_path()))
    stores = [one.frame_store(settings.chunking) for one in (folder, whole)]
    for start_frame in (0, 33, 66):
        one, other = (store.read(start_frame) for store in stores)
        assert np.array_equal(one, other)


def test_a_stopped_run_resumes_at_its_next_chunk(worker, settings):
    run_id, whole_id = worker.submit(settings), worker.submit(settings)
    for event in worker.watch(run_id):
        if hasattr(event, "sha256"):
            worker.commands.stop(run_id)
            break
    list(worker.watch(run_id))
    num_done = len(hashes(worker, run_id))
    assert worker.record(run_id).state == "stopped" and num_done < 3
    worker.commands.resume(run_id)
    finished(worker, run_id)
    finished(worker, whole_id)
    assert hashes(worker, run_id) == hashes(worker, whole_id)


def test_settings_of_other_presets_are_named_and_not_used(generator):
    events = generator.stream(prompt="a red star", apm_strength=0.5, negative_prompt="blur")
    assert next(events) == Notice("Not used by the helios preset: Negative prompt, APM strength.")
    events.close()


def test_it_cannot_be_refined(generator):
    with pytest.raises(PresetError, match="The helios preset has no refiner"):
        generator.configure(prompt="a red star", refine=True)


def test_every_level_needs_a_step(preset):
    with pytest.raises(ConfigError, match="num_inference_steps must be at least 3 for the helios"):
        preset.config(prompt="a red star", num_inference_steps=2)


@pytest.fixture
def at_home(preset, monkeypatch):
    """The shipped preset finds its weights where `longtake download helios` puts them."""
    monkeypatch.setenv("LONGTAKE_HOME", str(preset.weights_folder.parents[1]))


def generate(tmp_path, *options):
    words = ["generate", "--preset", "helios", "--prompt", "a red star", "--size", "64x64"]
    words += ["--steps", "3", "--seed", "5", "--out", str(tmp_path / "out.mp4"), *options]
    return cli.main(words)


def test_the_command_line_makes_a_video(at_home, tmp_path, capsys):
    assert generate(tmp_path, "--chunks", "2") == 0
    assert read_frames(tmp_path / "out.mp4").shape == (66, *SMALL, 3)
    sidecar = json.loads((tmp_path / "out.json").read_text())
    assert len(sidecar["chunks"]) == 2
    assert sidecar["preset"] == "helios"
    assert any(name.startswith("transformer/") for name in sidecar["weights"])
    assert "66 frames, 2.8 s" in capsys.readouterr().out
