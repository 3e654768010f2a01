"""A benchmark with a small stack: from nothing, stopped and continued, continued wrongly."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from t2v.errors import ConfigError, MediaError, NotFiniteError
from t2v.evaluation.arms import drawing
from t2v.evaluation.benchmark import command, sanity
from t2v.evaluation.benchmark.case_runner import boundaries_of
from t2v.evaluation.benchmark.command import BenchmarkOptions, run_benchmark
from t2v.evaluation.benchmark.derived import NO_SCENE, NOT_FINITE
from t2v.evaluation.benchmark.external_videos import ExternalVideo
from t2v.evaluation.benchmark.folder import (
    BenchmarkFolder,
    read_video,
    write_values,
    write_video,
)
from t2v.evaluation.benchmark.plan import (
    PlanOptions,
    Prompts,
    make_plan,
    prompts_of,
    read_prompts,
)
from t2v.evaluation.benchmark.suites import SUITES
from t2v.evaluation.metrics.mawe import Sizes
from t2v.evaluation.metrics.measurement import absent
from t2v.evaluation.metrics.re_id import re_id
from t2v.evaluation.networks import metric_networks
from t2v.evaluation.networks.clip import ClipScore
from t2v.evaluation.networks.lpips import load_lpips
from t2v.evaluation.networks.metric_networks import find_networks, measure_by_networks
from t2v.settings.presets import list_presets, named_preset
from t2v.worlds import CLASSES
from tests.support.clips import pan
from tests.support.small_networks import write_clip, write_lpips
from tests.support.small_stack import new_stack


DEFAULTS = {"num_inference_steps": 1, "guidance_scale": 1.0, "scheduler": "unipc"}
PRESET = replace(list_presets()["shapes"], defaults=DEFAULTS)
PROMPTS = read_prompts(prompts_of(PRESET))
ARMS = ("cam", "no-cam", "real", "shuffled", "frozen")


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """Runs a suite in a folder, with random weights: benchmark("conditioning", num_prompts=2)."""
    stack = new_stack((64, 64))
    monkeypatch.setattr(command, "load_stack", lambda _, **__: stack)
    monkeypatch.setattr(command, "QUICK_SIZES", Sizes(flow=48, warp=48))

    def benchmark(
        *names, out=tmp_path / "bench", arms=ARMS, networks=None, tell=lambda line: None, **wish
    ):
        wish = PlanOptions(**{"num_prompts": 2, "num_chunks": 3, "quick": True} | wish)
        plans = []
        for name in names:
            own = tuple(arm for arm in arms if arm in SUITES[name].arms)
            plans.append(make_plan(SUITES[name], PRESET, PROMPTS, replace(wish, arms=own)))
        out.mkdir(exist_ok=True)
        job = BenchmarkOptions(
            preset=PRESET,
            prompts=PROMPTS,
            plans=tuple(plans),
            flow="dis",
            networks=networks or {},
            out=out,
            quick=True,
        )
        run_benchmark(job, tell)
        return out

    return benchmark


def read_report(out, suite="conditioning"):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads((out / suite / "report.json").read_text(), parse_constant=refuse)


def test_a_benchmark_writes_videos_report_table_and_pictures(benchmark):
    lines = []
    out = benchmark("conditioning", tell=lines.append)
    assert lines[0] == "10 videos, of which 0 are done already"
    assert lines[1].startswith("about ")
    videos = {
        arm: read_video(out / "videos" / "3" / arm / "000-0.npy") for arm in ("cam", "no-cam")
    }
    first = read_video(out / "first" / "000-0.npy")
    for video in videos.values():
        assert video.shape == (32, 64, 64, 3)
        np.testing.assert_array_equal(video[:16], first)
    assert not np.array_equal(videos["cam"], videos["no-cam"])

    report = read_report(out)
    assert list(report["arms"]) == list(ARMS)
    seam = report["metrics"]["seam_ratio"]
    assert seam["arms"]["cam"]["videos"] == 2
    assert seam["ranked_above_real"] == ["frozen"]
    assert report["metrics"]["mawe_code"]["arms"]["frozen"]["missing"] == {"stagnant": 2}
    assert report["metrics"]["adherence"]["arms"]["real"]["value"] == 1

    table = (out / "conditioning" / "table.md").read_text()
    assert "paper, other model" in table
    assert "**Ranks `frozen` above real video: not to be headlined.**" in table
    for picture in ("per_chunk.png", "contact.png", "xt/000-0.png", "xt/001-0.png"):
        with Image.open(out / "conditioning" / picture) as opened:
            assert min(opened.size) > 50


class StoppedError(Exception):
    """Stands for the end of the process."""


def test_a_stopped_benchmark_goes_on_and_says_the_same(benchmark, tmp_path):
    whole = benchmark("conditioning", out=tmp_path / "whole")

    def stop_after_three(line):
        if line.startswith("conditioning: real, prompt 1"):
            raise StoppedError

    with pytest.raises(StoppedError):
        benchmark("conditioning", tell=stop_after_three)
    out = tmp_path / "bench"
    (out / "videos" / "3" / "shuffled").mkdir(parents=True)
    (out / "videos" / "3" / "shuffled" / ".000-0.npy.part").write_bytes(b"half of it")
    done = {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")}
    assert len(done) == 4  # the first chunk and three videos
    lines = []
    benchmark("conditioning", tell=lines.append)
    assert lines[0] == "10 videos, of which 3 are done already"
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())
    assert read_report(out)["metrics"] == read_report(whole)["metrics"]
    assert not list(out.rglob("*.part"))


def test_a_finished_benchmark_draws_nothing_again(benchmark, monkeypatch):
    benchmark("context", arms=("frozen",))

    def load_again(*args, **options):
        raise AssertionError("this is done already")

    monkeypatch.setattr(command, "load_stack", load_again)
    lines = []
    benchmark("context", arms=("frozen",), tell=lines.append)
    assert lines[0] == "2 videos, of which 2 are done already"


OTHERS = Prompts("mine.txt", (*PROMPTS.texts[:2], "a knight in the rain"), "0" * 64)


def test_a_prompt_without_a_scene_has_all_but_the_real_video(benchmark, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PROMPTS", OTHERS)
    report = read_report(benchmark("conditioning", num_prompts=3))
    real, cam = (report["metrics"]["seam_ratio"]["arms"][arm] for arm in ("real", "cam"))
    assert (real["videos"], real["missing"]) == (2, {NO_SCENE: 1})
    assert cam["videos"] == 3
    adherence = report["metrics"]["adherence"]["arms"]["cam"]
    assert (adherence["videos"], adherence["missing"]) == (2, {NO_SCENE: 1})


def test_a_video_that_cannot_be_drawn_is_counted_and_the_others_are_made(benchmark, monkeypatch):
    draw = drawing.DRAW["no-cam"]

    def fail_once(task):
        if task.config.prompt == PROMPTS.texts[1]:
            raise NotFiniteError("numbers")
        yield from draw(task)

    monkeypatch.setitem(drawing.DRAW, "no-cam", fail_once)
    lines = []
    out = benchmark("conditioning", tell=lines.append)
    row = read_report(out)["metrics"]["seam_ratio"]["arms"]["no-cam"]
    assert (row["videos"], row["missing"]) == (1, {NOT_FINITE: 1})
    assert f"conditioning: no-cam, prompt 2: {NOT_FINITE}" in lines
    monkeypatch.setitem(drawing.DRAW, "no-cam", lambda _: pytest.fail("it is asked again"))
    assert read_report(benchmark("conditioning"))["arms"]["no-cam"]["videos"] == 1


def test_a_second_command_is_kept_out_of_the_folder(benchmark, tmp_path):
    folder = BenchmarkFolder(tmp_path / "bench")
    with (
        folder.locked(),
        pytest.raises(ConfigError, match=r"another benchmark is at work in .*bench;"),
    ):
        benchmark("conditioning")
    benchmark("conditioning", num_prompts=1)


def test_a_report_is_made_without_videos_that_were_deleted_for_room(benchmark):
    out = benchmark("conditioning")
    shutil.rmtree(out / "videos")
    before = read_report(out)["metrics"]
    assert read_report(benchmark("conditioning"))["metrics"] == before


def test_suites_share_videos_of_one_length(benchmark):
    lines = []
    benchmark("conditioning", "context", arms=("cam", "frozen", "cam-2"), tell=lines.append)
    assert lines[0] == "6 videos, of which 0 are done already"


def test_a_folder_of_other_settings_is_refused(benchmark, monkeypatch):
    benchmark("context", arms=("frozen",), num_prompts=1)
    monkeypatch.setattr(command, "QUICK_SIZES", Sizes(flow=48, warp=64))
    with pytest.raises(ConfigError, match="was begun with another protocol sizes: numbers of both"):
        benchmark("context", arms=("frozen",), num_prompts=1)


def test_beginnings_of_videos_are_measured_for_stability(benchmark):
    out = benchmark("stability", arms=("cam", "real"), num_prompts=1, num_chunks=5)
    lengths = read_report(out, "stability")["lengths"]
    assert list(lengths) == ["40"]  # of 48 frames; the suite asks for 56 and 72 too
    cam = lengths["40"]["mawe_ratio"]["cam"]["value"]
    assert cam != read_report(out, "stability")["metrics"]["mawe_ratio"]["arms"]["cam"]["value"]
    assert lengths["40"]["adherence"]["real"]["value"] == 1
    assert "## After 40 frames" in (out / "stability" / "table.md").read_text()


def test_a_clip_that_comes_later_measures_the_videos_that_there_are(benchmark, tmp_path):
    wish = {"arms": ("cam", "real"), "num_prompts": 2, "num_chunks": 5}
    out = benchmark("stability", **wish)
    assert "clip_score" not in read_report(out, "stability")["metrics"]
    videos = {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")}

    clip = write_clip(tmp_path / "tiny-clip")
    benchmark("stability", networks=find_networks(clip=clip), **wish)
    report = read_report(out, "stability")
    values = report["metrics"]["clip_score"]["arms"]["cam"]
    assert (values["videos"], values["paper"][:6]) == (2, "32.45,")
    frames = [read_video(out / "videos" / "5" / "cam" / f"00{i}-0.npy") for i in (0, 1)]
    scores = [ClipScore(clip).measure(f, PROMPTS.texts[i]).value for i, f in enumerate(frames)]
    assert values["value"] == pytest.approx(np.mean(scores))
    beginning = report["lengths"]["40"]["clip_score"]["cam"]["value"]
    starts = [ClipScore(clip).measure(f[:40], PROMPTS.texts[i]).value for i, f in enumerate(frames)]
    assert beginning == pytest.approx(np.mean(starts))
    assert videos == {path: path.stat().st_mtime_ns for path in out.rglob("*.npy")}
    table = (out / "stability" / "table.md").read_text()
    overview = next(line for line in table.splitlines() if line.startswith("| arm |"))
    assert "CLIP: tiny-clip." in table and overview.endswith("| CLIP |")


def test_without_the_clip_the_folder_goes_on_and_says_what_was_not_measured(benchmark, tmp_path):
    clip = write_clip(tmp_path / "tiny-clip")
    wish = {"arms": ("frozen",), "num_chunks": 3}
    benchmark("context", num_prompts=1, networks=find_networks(clip=clip), **wish)
    out = benchmark("context", num_prompts=2, **wish)
    score = read_report(out, "context")["metrics"]["clip_score"]["arms"]["frozen"]
    assert (score["videos"], score["missing"]) == (1, {"not measured": 1})


def loaded(networks):
    return {metric: network.load("cpu") for metric, network in networks.items()}


def test_faces_and_lpips_measure_too(tmp_path, monkeypatch):
    trunk, heads = write_lpips(tmp_path)
    distance = load_lpips(trunk, heads)
    monkeypatch.setattr(metric_networks, "load_lpips", lambda file: distance)
    monkeypatch.setattr(metric_networks, "FaceEmbedder", FakeFaces)
    for find in ("find_faces", "find_lpips"):
        monkeypatch.setattr(metric_networks, find, lambda *_: None)
    networks = find_networks(lpips=trunk, re_id=True)
    frames = pan(9, size=40)
    measured = measure_by_networks(loaded(networks), frames, "a red star")
    assert measured["lpips"] == distance.to_first_frame(frames)
    assert measured["re_id"] == absent("no faces")
    assert networks["lpips"].record()["name"] == "lpips-alex"
    assert len(networks["lpips"].record()["sha256"]) == 64


def test_a_distance_of_random_features_has_a_name_of_its_own():
    networks = find_networks(lpips=Path("random"))
    assert networks.keys() == {"random_distance"}
    assert networks["random_distance"].record() == {"name": "random-feature distance", "sha256": ""}
    measured = measure_by_networks(loaded(networks), pan(9, size=40), "a red star")
    assert measured["random_distance"].value > 0


def test_raft_measures_and_its_weights_are_in_the_manifest(tmp_path, monkeypatch):
    from torchvision.models.optical_flow import raft_large

    torch.manual_seed(0)
    file = tmp_path / "raft.safetensors"
    save_file(raft_large(weights=None).state_dict(), file)
    monkeypatch.setattr(command, "QUICK_SIZES", Sizes(flow=128, warp=128))
    video = ExternalVideo("3f9a" * 6, "a red star", "", [1], lambda: pan(2, size=128))
    job = BenchmarkOptions(
        preset=PRESET, prompts=PROMPTS, plans=(), flow="raft", out=tmp_path, quick=True
    )
    run_benchmark(replace(job, flow_weights=file, given=(video,)), lambda line: None)
    [row] = json.loads((tmp_path / "runs" / "report.json").read_text())["runs"].values()
    assert row["measures"]["motion"]["value"] > 0
    protocol = json.loads((tmp_path / "manifest.json").read_text())["protocol"]
    assert (protocol["flow"], len(protocol["flow_weights"])) == ("raft-large", 64)


class FakeFaces:
    """Stands for an embedder where its extra is not installed; it finds no faces."""

    name = "faces"

    def measure(self, frames):
        return re_id([np.empty((0, 3)) for _ in frames])


def test_boundaries_are_those_of_the_arm():
    assert boundaries_of("cam", PRESET, 4) == [16, 24, 32]
    assert boundaries_of("cam-1", PRESET, 4) == [16, 31]
    assert boundaries_of("gen-l", PRESET, 4) == [16, 24, 32]
    assert boundaries_of("joint", PRESET, 5) == [24, 40]


def test_a_video_is_cut_to_its_length_and_refused_if_too_short(tmp_path):
    pieces = [np.full((3, 4, 5, 3), value, np.uint8) for value in (1, 2, 3)]
    write_video(tmp_path / "a" / "video.npy", iter(pieces), 7)
    assert read_video(tmp_path / "a" / "video.npy")[:, 0, 0, 0].tolist() == [1, 1, 1, 2, 2, 2, 3]
    with pytest.raises(MediaError, match="has 9 frames, not 10"):
        write_video(tmp_path / "short.npy", iter(pieces), 10)
    assert not (tmp_path / "short.npy").exists()
    (tmp_path / "short.npy").write_bytes(b"")
    with pytest.raises(MediaError, match="delete it, and it is made again"):
        read_video(tmp_path / "short.npy")


def test_no_report_can_hold_a_number_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_values(tmp_path / "report.json", {"value": float("nan")})


def test_given_videos_are_measured_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "QUICK_SIZES", Sizes(flow=48, warp=48))
    frames = np.random.default_rng(0).integers(0, 255, (24, 20, 28, 3), np.uint8)
    given = ExternalVideo("3f9a" * 6, "a red | star", "compressed", [16], lambda: frames)
    job = BenchmarkOptions(
        preset=PRESET, prompts=PROMPTS, plans=(), flow="dis", out=tmp_path, quick=True
    )
    run_benchmark(replace(job, given=(given,)), lambda line: None)
    [row] = json.loads((tmp_path / "runs" / "report.json").read_text())["runs"].values()
    assert row["num_frames"] == 24 and "clip_score" not in row["measures"]
    assert row["measures"]["seam_ratio"]["value"] == pytest.approx(1, abs=0.1)
    assert "| prompt | a red / star |" in (tmp_path / "runs" / "table.md").read_text()


def test_given_videos_are_measured_by_networks_too(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "QUICK_SIZES", Sizes(flow=48, warp=48))
    clip = write_clip(tmp_path / "tiny-clip")
    video = ExternalVideo("3f9a" * 6, "a red star", "", [16], lambda: pan(24, size=32))
    job = BenchmarkOptions(
        preset=PRESET, prompts=PROMPTS, plans=(), flow="dis", out=tmp_path, quick=True
    )
    job = replace(job, given=(video,), networks=find_networks(clip=clip))
    run_benchmark(job, lambda line: None)
    [row] = json.loads((tmp_path / "runs" / "report.json").read_text())["runs"].values()
    score = ClipScore(clip).measure(pan(24, size=32), "a red star").value
    assert row["measures"]["clip_score"]["value"] == pytest.approx(score)
    assert "| CLIP | " in (tmp_path / "runs" / "table.md").read_text()


@pytest.mark.parametrize("world", CLASSES)
def test_metrics_rank_spoilt_videos_below_real_ones(tmp_path, monkeypatch, world):
    monkeypatch.setattr(command, "QUICK_SIZES", Sizes(flow=128, warp=128))
    monkeypatch.setattr(sanity, "NUM_SCENES", 2)
    job = BenchmarkOptions(
        preset=named_preset(world), prompts=PROMPTS, plans=(), flow="dis", out=tmp_path, quick=True
    )
    run_benchmark(replace(job, has_sanity=True), lambda line: None)
    monkeypatch.setattr(sanity, "measure_video", lambda *_, **__: pytest.fail("measured twice"))
    run_benchmark(replace(job, has_sanity=True), lambda line: None)
    report = json.loads((tmp_path / "sanity" / "report.json").read_text())
    assert report["world"] == world
    rows = report["rows"]
    assert len(rows) == sum(map(len, sanity.ORDERS.values()))
    assert {(one["spoilt"], one["metric"]) for one in rows if one["share"] < 1} == set()
