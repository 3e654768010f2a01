"""The table of `t2v evaluate` by two processes, one thread each, side by side:

python next/evaluate.py WEIGHTS a & python next/evaluate.py WEIGHTS b; wait
python next/evaluate.py WEIGHTS report
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from t2v import attributes
from t2v import evaluation as ev
from t2v.checkpoints import load_weights
from t2v.pipeline.stack import load_stack
from t2v.presets import find_preset
from t2v.training.probe import Probe


NUM_PROMPTS = 64
weights, part = Path(sys.argv[1]), sys.argv[2]
preset = replace(find_preset("shapes"), weights=weights)
scenes, pairs = ev.held_out_scenes(NUM_PROMPTS)


def configs_of(some):
    return [
        preset.config(prompt=scene.caption, seed=i, num_chunks=ev.NUM_CHUNKS)
        for i, scene in enumerate(some)
    ]


def rows_of(part: str) -> dict:
    torch.set_num_threads(1)
    stack, probe = load_stack(preset), Probe().eval()
    load_weights(probe, weights / "probe")
    configs = configs_of(scenes)
    if part == "b":
        return {
            **ev.return_rows(stack, probe, preset, NUM_PROMPTS),
            **ev.drift_rows(stack, probe, scenes, configs),
        }
    real = [ev.render(scene) for scene in scenes]
    videos = [ev.generate(stack, config) for config in tqdm(configs, desc="CAM on")]
    ev.write_sheet(weights / "sheet.png", videos[: ev.SHEET_PROMPTS])
    off = [ev.generate(stack, replace(config, use_cam=False)) for config in tqdm(configs)]
    of_pairs = [ev.generate(stack, config) for config in tqdm(configs_of(pairs), desc="pairs")]
    return {
        **attributes.attribute_rows(probe, scenes, videos, ""),
        **attributes.attribute_rows(probe, scenes, real, "real_"),
        **attributes.pair_rows(probe, pairs, of_pairs, ""),
        **attributes.pair_rows(probe, pairs, [ev.render(scene) for scene in pairs], "real_"),
        **ev.seam_rows(videos, off, real),
        **ev.motion_rows(scenes, videos, real),
    }


if part == "report":
    rows = {}
    for name in "ab":
        rows |= json.loads((weights / f"rows_{name}.json").read_text())
    prompts = [scene.caption for scene in scenes[: ev.SHEET_PROMPTS]]
    report = {"preset": "shapes", "defaults": preset.defaults, "rows": rows, "prompts": prompts}
    (weights / "evaluation.json").write_text(json.dumps(report, indent=1) + "\n")
    print(ev.format_table(report))
else:
    (weights / f"rows_{part}.json").write_text(json.dumps(rows_of(part)))
