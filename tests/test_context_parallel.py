"""Several processes share every step of Helios; with one, a sentence says what is needed."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch

from t2v import cli
from t2v.errors import ConfigError
from t2v.media.reader import read_frames
from t2v.pipeline.context_parallel import check_gpus, plan_of, share_steps, tokens_of_levels
from t2v.pipeline.helios_loading import load_helios
from tests.support.small_helios import small_helios_preset, write_small_helios


GENERATE = ["generate", "--preset", "helios", "--prompt", "a red star", "--size", "128x128"]
GENERATE += ["--steps", "3", "--chunks", "1", "--no-metadata", "--out"]


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home") / "weights" / "helios"
    return small_helios_preset(write_small_helios(folder))


@pytest.fixture(scope="module")
def stack(preset):
    return load_helios(preset.at_size((128, 128)), device="cpu")


def sentence(capsys, *words):
    assert cli.main([*GENERATE, "out.mp4", "--context-parallel", *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line.removeprefix("longtake generate: ")


def test_one_process_is_told_how_to_start_several(capsys, preset, monkeypatch):
    monkeypatch.setenv("LONGTAKE_HOME", str(preset.weights_folder.parents[1]))
    assert sentence(capsys) == (
        "--context-parallel needs several GPUs with a process each, and this is one process: "
        "torchrun --nproc-per-node 2 -m t2v generate --context-parallel ..."
    )


def test_other_presets_are_refused(capsys):
    said = sentence(capsys, "--preset", "shapes", "--size", "64x64", "--steps", "7")
    assert said == "--context-parallel is for helios, and shapes is another base"


def test_a_process_without_a_gpu_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match="a GPU for each process, and 0 of 3 are there"):
        check_gpus(torch.device("cpu"))


def test_the_tokens_of_every_level_are_counted(stack):
    """9 latents of 4x4, 8x8 and 16x16 in patches of 2x2; the history is 128 + 16 + 16."""
    assert tokens_of_levels(stack) == {36, 144, 576, 196, 304, 736}


def test_a_number_that_does_not_divide_the_tokens_is_refused(stack, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match="128 x 128 cannot be shared out among 3 processes"):
        share_steps(stack)


def test_the_plan_is_that_of_the_library_for_the_blocks_that_there_are(stack):
    plan = plan_of(stack.transformer)
    assert len(plan) == 3 + 2 * 3
    assert {"blocks.*.attn1", "blocks.1.ffn"} < plan.keys() and "blocks.2.ffn" not in plan


@pytest.mark.slow
def test_two_processes_make_the_frames_of_one_and_the_first_writes_them(preset, tmp_path):
    home = str(preset.weights_folder.parents[1])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}

    def start(out, *words, **environment):
        command = [sys.executable, "-m", "tests.support.sharing_process", *GENERATE, str(out)]
        environment = os.environ | {"LONGTAKE_HOME": home, "OMP_NUM_THREADS": "1"} | environment
        return subprocess.Popen(
            [*command, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    paths = [tmp_path / f"{name}.mp4" for name in ("first", "second", "alone")]
    processes = [
        start(path, "--context-parallel", RANK=rank, LOCAL_RANK=rank, **shared)
        for rank, path in zip("01", paths[:2], strict=True)
    ]
    processes.append(start(paths[2]))
    said = [process.communicate(timeout=600)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert [path.exists() for path in paths] == [True, False, True]
    together, alone = (read_frames(path).astype(int) for path in (paths[0], paths[2]))
    assert alone.std() > 5
    assert np.abs(together - alone).mean() < 0.5  # rounding, and what the codec makes of it
