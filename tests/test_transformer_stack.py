"""A stack whose base model is a transformer: on the disk, in the pipeline and in training."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from t2v.cli import main
from t2v.errors import CheckpointError
from t2v.events import Chunk, Memory
from t2v.models.networks import base_class
from t2v.models.streaming_transformer import StreamingTransformer, TransformerExtractor
from t2v.models.streaming_unet import StreamingUNet
from t2v.pipeline.arms import conditioning_parts
from t2v.pipeline.loading import load_stack
from t2v.pipeline.streaming_t2v import stream
from t2v.resources import bundled
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import list_presets
from t2v.training import processes, recipe
from t2v.training.export import write_network
from t2v.training.options import STEPS
from tests.support.small_batches import make_batches_small
from tests.support.small_stack import FRAME_SIZE, new_stack, new_transformer


CONFIG = GenerationConfig(
    prompt="a red star", num_chunks=3, num_inference_steps=2, guidance_scale=3.0, seed=5
)


def chunks_of(stack, config, **start):
    return [event for event in stream(stack, config, **start) if isinstance(event, Chunk)]


def memory_of(chunks):
    """What the next chunk knows of those before it."""
    frames = np.concatenate([chunk.frames for chunk in chunks])
    return Memory(frames[-8:].copy(), frames[0].copy())


@pytest.fixture(scope="module")
def stack():
    return new_stack(new_base=new_transformer)


def test_it_streams_at_odd_sizes_and_resumes_with_the_same_frames(stack):
    chunks = chunks_of(stack, CONFIG)
    assert [chunk.frames.shape[1:] for chunk in chunks] == [(*FRAME_SIZE, 3)] * 3
    [resumed] = chunks_of(stack, CONFIG, first_chunk=2, memory=memory_of(chunks[:2]))
    assert resumed.frames.tobytes() == chunks[2].frames.tobytes()


@pytest.mark.parametrize("change", [{"use_cam": False}, {"apm_strength": 0.0}])
def test_each_memory_changes_later_chunks_only(stack, change):
    ours, others = chunks_of(stack, CONFIG), chunks_of(stack, replace(CONFIG, **change))
    are_same = [a.frames.tobytes() == b.frames.tobytes() for a, b in zip(ours, others, strict=True)]
    assert are_same == [True, False, False]


def test_the_benchmark_counts_what_learns_from_conditioning_frames(stack):
    assert conditioning_parts(stack) == (stack.extractor, stack.unet.injectors)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder after two steps of every stage of the denoiser."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        make_batches_small(patch)
        training = recipe.Training(
            world="shapes",
            base="transformer",
            out=folder / "weights",
            work=folder / "work",
            steps=dict.fromkeys(STEPS, 2),
            until="world",
            trained=bundled() / "assets" / "shapes",
        )
        processes.train(training, num_processes=1)
    return folder


STAGES = ("images", "clips", "cam", "apm", "world")


@pytest.mark.parametrize("stage", STAGES)
def test_two_steps_of_every_stage_run(trained, stage):
    log = [json.loads(line) for line in (trained / f"work/{stage}.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2]
    assert all(np.isfinite(entry["loss"]) for entry in log)


def test_each_stage_changes_what_it_should(trained):
    states = [
        torch.load(trained / f"work/{stage}.pt", weights_only=True)["model"] for stage in STAGES
    ]

    def changed_in(part):
        """The stages after the first that change a parameter with this in its name."""
        return [
            stage
            for stage, (before, after) in zip(STAGES[1:], pairwise(states), strict=True)
            if any(not torch.equal(before[key], after[key]) for key in before if part in key)
        ]

    assert changed_in("unet.transformer_blocks.7.attn1.to_q.weight") == list(STAGES[1:])
    assert changed_in("unet.injectors.3.proj_out.weight") == ["cam", "apm", "world"]
    assert changed_in("extractor.frame_encoder.conv_out") == ["cam", "apm", "world"]
    assert changed_in("unet.mixers.0.alpha") == ["apm", "world"]
    assert changed_in("anchor_tokens") == ["apm", "world"]


def test_the_trained_folder_is_the_preset(trained):
    preset = replace(list_presets()["shapes-dit"], weights=str(trained / "weights"))
    assert preset.unavailable is None
    stack = load_stack(preset, "cpu")
    assert isinstance(stack.unet, StreamingTransformer)
    assert isinstance(stack.extractor, TransformerExtractor)
    assert sum(p.numel() for p in stack.unet.parameters()) < 8e6
    config = preset.config(prompt="a red star", num_chunks=2, num_inference_steps=1)
    first, second = chunks_of(stack, config)
    assert [first.frames.shape, second.frames.shape] == [(16, 64, 64, 3), (8, 64, 64, 3)]
    again = load_stack(preset, "cpu")
    [resumed] = chunks_of(again, config, first_chunk=1, memory=memory_of([first]))
    assert resumed.frames.tobytes() == second.frames.tobytes()


def test_the_config_says_which_base_model_it_is(tmp_path, stack):
    assert base_class(bundled() / "assets" / "shapes") is StreamingUNet
    write_network(stack.unet, tmp_path / "unet")
    assert base_class(tmp_path) is StreamingTransformer
    (tmp_path / "unet/config.json").write_text('{"_class_name": "Conformer"}')
    with pytest.raises(CheckpointError, match="StreamingUNet or StreamingTransformer, got 'Conf"):
        base_class(tmp_path)


@pytest.mark.parametrize(
    "options, complaint",
    [
        (["--base", "mamba"], "--base must be one of unet, transformer, got 'mamba'"),
        (["--base", "transformer", "--arm", "cam"], "--arm must not go with --base"),
        (
            ["--base", "transformer", "--start-from", "shapes"],
            "the base model of --start-from shapes is no transformer",
        ),
    ],
)
def test_a_base_model_that_cannot_be_trained_is_refused(tmp_path, capsys, options, complaint):
    assert main(["train", "--out", str(tmp_path / "out"), *options]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_weights_the_preset_says_how_to_train_them(monkeypatch, tmp_path):
    monkeypatch.setenv("LONGTAKE_HOME", str(tmp_path))
    preset = list_presets()["shapes-dit"]
    command = "longtake train --base transformer --out weights/shapes-dit"
    assert preset.weights_folder == tmp_path / "weights/shapes-dit"
    assert preset.unavailable == f"Its weights are not bundled; `{command}` trains them."
    assert preset.needs.startswith(f"Trained on this machine by `{command}`")
