"""`longtake benchmark table1` with baselines beside the paper's method: the plumbing, end to end.

All weights are random, and so are the numbers.
"""

import json
from dataclasses import replace

import pytest

from t2v import cli
from t2v.errors import ConfigError
from t2v.evaluation.benchmark import command
from t2v.evaluation.benchmark.folder import read_video
from t2v.evaluation.benchmark.plan import PlanOptions, Prompts, make_plan
from t2v.evaluation.benchmark.suites import BASELINES, SUITES
from t2v.evaluation.metrics.mawe import Sizes
from t2v.settings import presets
from tests.support.small_baselines import FRAME_SIZE, small_preset
from tests.support.small_stack import new_stack


NAMES = (
    "svd",
    "i2vgen-xl",
    "sparsectrl",
    "freenoise-animatediff",
    "framepack",
    "skyreels-v2",
)
PRESETS = ("svd", "i2vgen-xl", "sparsectrl", "freenoise", "framepack", "skyreels-v2")


@pytest.fixture
def only_these(installed, monkeypatch, tmp_path):
    """`shapes` with another number of steps, and the small baselines; SVD-XT is not installed."""
    defaults = {"num_inference_steps": 1, "guidance_scale": 1.0, "scheduler": "unipc"}
    listed = {
        "shapes": replace(presets.list_presets()["shapes"], defaults=defaults),
        "svd-xt": small_preset("svd-xt", tmp_path / "nothing"),
        **{
            name: replace(installed(name), needs_gpu=False, defaults={"num_inference_steps": 2})
            for name in PRESETS
        },
    }
    monkeypatch.setattr(presets, "list_presets", lambda: listed)
    return listed


def test_baselines_are_measured_beside_the_paper_s_method(only_these, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "load_stack", lambda _, **__: new_stack((64, 64)))
    monkeypatch.setattr(command, "QUICK_SIZES", Sizes(flow=48, warp=48))
    words = ["benchmark", "table1", "--quick", "--prompts", "1", "--chunks", "3"]
    words += ["--arms", ",".join(("cam", *NAMES)), "--out", str(tmp_path)]
    assert cli.main(words) == 0
    for name, preset in zip(NAMES, PRESETS, strict=True):
        video = read_video(tmp_path / "videos" / "3" / name / "000-0.npy")
        assert video.shape == (32, *FRAME_SIZE, 3)  # as long as the others, at its own size
        measures = json.loads((tmp_path / "measures/3" / name / "000-0.json").read_text())
        chunking = only_these[preset].chunking
        assert measures["boundaries"][:2] == [chunking.num_frames(1), chunking.num_frames(2)]
        assert (
            measures["measures"]["adherence"]["reason"] == "the probe knows frames of another size"
        )
    report = json.loads((tmp_path / "table1" / "report.json").read_text())
    assert [report["arms"][name]["kind"] for name in NAMES] == ["baseline"] * len(NAMES)
    assert all(report["metrics"]["warp_error"]["arms"][name]["value"] > 0 for name in NAMES)
    table = (tmp_path / "table1" / "table.md").read_text()
    assert table.count("random weights: its numbers mean nothing") == len(NAMES)
    assert "stabilityai/stable-video-diffusion-img2vid@ae8391f7321b" in table
    assert "6069.7 (SparseCtrl)" in table

    lines = []
    monkeypatch.setattr("builtins.print", lambda line, **_: lines.append(line))
    assert cli.main(words) == 0
    assert lines[0] == "7 videos, of which 7 are done already"


def test_arms_without_weights_or_without_a_gpu_are_left_out(only_these, monkeypatch):
    prompts = Prompts("p.txt", ("a red star",), "0" * 64)

    def plan(*arms):
        return make_plan(SUITES["table1"], only_these["shapes"], prompts, PlanOptions(arms=arms))

    assert set(plan().arms) & set(BASELINES) == set(NAMES)
    assert [reason for reason in plan().left_out if "not trained" not in reason] == [
        "arm svd-xt cannot run: Its weights are not installed; `longtake download svd-xt` gets them"
    ]
    with pytest.raises(ConfigError, match="arm svd-xt cannot run"):
        plan("cam", "svd-xt")
    only_these["svd"] = replace(only_these["svd"], needs_gpu=True)
    monkeypatch.setattr("t2v.evaluation.benchmark.plan.has_gpu", lambda: False)
    assert "svd" not in plan().arms
    assert any("arm svd takes very long without a GPU" in reason for reason in plan().left_out)
    assert "svd" in plan("cam", "svd").arms
