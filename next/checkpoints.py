"""`pack WORK` puts the averaged weights of all stages here, in half precision; `unpack WORK` makes
checkpoints of them that `next/grow.py` goes on from. What the optimiser knew is lost."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


HERE = Path(__file__).parent / "checkpoints"


def pack(work: Path) -> None:
    HERE.mkdir(exist_ok=True)
    steps = {}
    for path in sorted(work.glob("*.pt")):
        state = torch.load(path, map_location="cpu", weights_only=True)
        steps[path.stem] = state["step"]
        weights = {
            key: value.half().contiguous() if value.is_floating_point() else value.contiguous()
            for key, value in state["average"].items()
        }
        save_file(weights, HERE / f"{path.stem}.safetensors")
    (HERE / "steps.json").write_text(json.dumps(steps, indent=1) + "\n")


def unpack(work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    for name, step in json.loads((HERE / "steps.json").read_text()).items():
        weights = {
            key: value.float() if value.is_floating_point() else value
            for key, value in load_file(HERE / f"{name}.safetensors").items()
        }
        torch.save({"model": weights, "average": weights, "step": step}, work / f"{name}.pt")


if __name__ == "__main__":
    {"pack": pack, "unpack": unpack}[sys.argv[1]](Path(sys.argv[2]))
