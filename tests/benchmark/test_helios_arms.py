"""The benchmark's arms on Helios: its history for the CAM, its anchor for the APM."""

import json
from dataclasses import replace

import numpy as np
import pytest

from t2v.errors import ConfigError, MediaError
from t2v.evaluation.arms import helios_drawing
from t2v.evaluation.arms.catalogue import ARMS
from t2v.evaluation.arms.helios_catalogue import ABOUT
from t2v.evaluation.benchmark import command
from t2v.evaluation.benchmark.case_runner import boundaries_of
from t2v.evaluation.benchmark.command import BenchmarkOptions, run_benchmark
from t2v.evaluation.benchmark.folder import BenchmarkFolder, read_memory, read_video
from t2v.evaluation.benchmark.plan import Case, PlanOptions, make_plan, prompts_of, read_prompts
from t2v.evaluation.benchmark.suites import SUITES
from t2v.evaluation.metrics.mawe import Sizes
from t2v.events import Chunk
from t2v.pipeline.helios import stream
from t2v.pipeline.helios_loading import load_helios
from tests.support.small_helios import small_helios_preset, write_small_helios


SIZE = (64, 64)
DRAWN = [name for name, arm in ARMS.items() if name in ABOUT and arm.shares_first_chunk]


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    preset = small_helios_preset(write_small_helios(tmp_path_factory.mktemp("helios")))
    defaults = preset.defaults | {"num_inference_steps": 3}
    return replace(preset, frame_size=SIZE, display_size=SIZE, defaults=defaults)


@pytest.fixture(scope="module")
def stack(preset):
    return load_helios(preset, device="cpu")


@pytest.fixture(scope="module")
def prompts(preset):
    return read_prompts(prompts_of(preset))


@pytest.fixture(scope="module")
def bench(preset, prompts, tmp_path_factory):
    """The folder after `longtake benchmark conditioning apm` with all arms that can run."""
    out = tmp_path_factory.mktemp("bench")
    wish = PlanOptions(num_prompts=1, num_chunks=3, quick=True)
    plans = tuple(
        make_plan(SUITES[name], preset, prompts, wish) for name in ("conditioning", "apm")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "QUICK_SIZES", Sizes(flow=48, warp=48))
        job = BenchmarkOptions(
            preset=preset, prompts=prompts, plans=plans, flow="dis", out=out, quick=True
        )
        run_benchmark(job, lambda line: None)
    return out


def video_of(bench, arm):
    return np.array(read_video(BenchmarkFolder(bench).video(Case(arm, 3, 0, 0))))


def report_of(bench, suite):
    return json.loads((bench / suite / "report.json").read_text())


def test_what_an_arm_means_on_helios_is_said_of_every_arm_that_can_be_drawn():
    of_others = {name for name, arm in ARMS.items() if arm.preset}
    assert ABOUT.keys() | of_others == helios_drawing.DRAW.keys()


def test_arms_that_need_the_unet_are_named_with_the_reason(preset, prompts, bench):
    left_out = report_of(bench, "conditioning")["left_out"]
    reason = "cannot run: it takes the UNet of StreamingT2V apart, and Helios has none"
    assert [line for line in left_out if line.endswith(reason)] == [
        f"arm replacement {reason}",
        f"arm last-anchor {reason}",
    ]
    with pytest.raises(ConfigError, match="arm gen-l cannot run: it takes the UNet"):
        make_plan(SUITES["table1"], preset, prompts, PlanOptions(arms=("cam", "gen-l")))


def test_the_table_says_what_the_arms_mean_for_helios(bench):
    table = (bench / "apm" / "table.md").read_text()
    assert ABOUT["no-apm"] in table and "CAM alone" not in table
    report = report_of(bench, "conditioning")
    assert list(report["arms"]) == ["cam", "no-apm", "no-cam", "restart", "last-frame", "shuffled",
                                    "frozen"]  # fmt: skip
    assert report["metrics"]["seam_ratio"]["arms"]["cam"]["value"] > 0


def test_cam_is_what_the_app_draws(bench, stack, preset, prompts):
    config = preset.config(prompt=prompts.texts[0], seed=0, num_chunks=3)
    frames = [event.frames for event in stream(stack, config) if isinstance(event, Chunk)]
    assert np.array_equal(video_of(bench, "cam"), np.concatenate(frames))


@pytest.mark.parametrize(
    ("arm", "off"),
    [
        ("no-apm", {"use_anchor": False}),
        ("no-cam", {"history_length": 0}),
        ("last-frame", {"history_length": 1}),
    ],
)
def test_an_ablation_is_a_setting_of_the_app(bench, stack, preset, prompts, arm, off):
    config = preset.config(prompt=prompts.texts[0], seed=0, num_chunks=3, **off)
    memory = read_memory(BenchmarkFolder(bench).first_memory(Case(arm, 3, 0, 0)))
    events = stream(stack, config, 1, memory)
    rest = np.concatenate([event.frames for event in events if isinstance(event, Chunk)])
    video = video_of(bench, arm)
    assert np.array_equal(video[33:], rest)
    assert np.array_equal(video[:33], video_of(bench, "cam")[:33])
    assert not np.array_equal(video, video_of(bench, "cam"))


def test_chunks_of_a_restart_know_nothing_of_each_other(bench):
    chunks = np.split(video_of(bench, "restart"), 3)
    assert np.array_equal(chunks[0], video_of(bench, "cam")[:33])
    assert not np.array_equal(chunks[1], chunks[2])


def test_every_arm_joins_where_chunks_of_helios_do(preset):
    assert {tuple(boundaries_of(arm, preset, 3)) for arm in ABOUT} == {(33, 66)}


def test_layers_that_read_a_memory_are_counted(stack):
    count = helios_drawing.trained_parameters
    assert count(stack, ("cam", "apm")) == count(stack, ("cam",)) > count(stack, ("apm",)) > 0
    assert count(stack, ()) == 0


def test_a_damaged_memory_is_a_sentence(tmp_path):
    (tmp_path / "000-0.npz").write_bytes(b"PK")
    with pytest.raises(MediaError, match=r"delete it and 000-0\.npy, and both are made again"):
        read_memory(tmp_path / "000-0.npz")
