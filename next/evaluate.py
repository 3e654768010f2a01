"""The table of `t2v evaluate` by two processes, one thread each, side by side:

python next/evaluate.py WEIGHTS videos & python next/evaluate.py WEIGHTS memories; wait
python next/evaluate.py WEIGHTS report

`python next/evaluate.py WEIGHTS directions [SCALE STEPS]` alone says which first chunks go wrong.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from t2v import attributes
from t2v import evaluation as ev
from t2v.checkpoints import load_weights
from t2v.pipeline.stack import load_stack
from t2v.presets import named_preset
from t2v.training.probe import Probe
from t2v.training.world import CROSSING


NUM_PROMPTS = 64
weights, part, *more = sys.argv[1:]
weights = Path(weights).absolute()
preset = replace(named_preset("shapes"), weights=str(weights))
scenes, _ = ev.held_out_scenes(NUM_PROMPTS)


def say_directions(stack, probe):
    scale, steps = [*map(float, more), preset.defaults["guidance_scale"], 0][:2]
    changes = {"guidance_scale": scale} | ({"num_inference_steps": int(steps)} if steps else {})
    right = count = 0
    for i, scene in enumerate(scenes):
        if scene.motion not in CROSSING:
            continue
        config = preset.config(prompt=scene.caption, seed=i, num_chunks=1, **changes)
        answers = attributes.ask(probe, ev.generate(stack, config))
        went = attributes.direction(answers["centre"], answers["visible"])
        wanted = attributes.way_name(CROSSING[scene.motion])
        right, count = right + (went == wanted), count + 1
        if went != wanted:
            print(f"{wanted}, went {went}: {scene.caption}", flush=True)
    print(f"{right} of {count}")


if part == "report":
    rows = {}
    for name in ("videos", "memories"):
        rows |= json.loads((weights / f"rows_{name}.json").read_text())
    prompts = [scene.caption for scene in scenes[: ev.SHEET_PROMPTS]]
    report = {"preset": "shapes", "defaults": preset.defaults, "rows": rows, "prompts": prompts}
    (weights / "evaluation.json").write_text(json.dumps(report, indent=1) + "\n")
    print(ev.format_table(report))
else:
    torch.set_num_threads(1)
    stack, probe = load_stack(preset), Probe().eval()
    load_weights(probe, weights / "probe")
    if part == "directions":
        say_directions(stack, probe)
    else:
        arguments = stack, probe, preset, NUM_PROMPTS
        sheet = weights / "sheet.png"
        measured = (
            ev.video_rows(*arguments, sheet) if part == "videos" else ev.memory_rows(*arguments)
        )
        (weights / f"rows_{part}.json").write_text(json.dumps(measured))
