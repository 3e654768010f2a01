"""`pack WORK` puts the averaged weights of all stages here, in half precision; `unpack WORK` makes
checkpoints of them that `next/grow.py` goes on from. What the optimiser knew is lost."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


HERE = Path(__file__).parent / "checkpoints"
ALONE = ("autoencoder", "encoders", "refiner", "probe")
DENOISER = ("world", "guidance")  # one network that goes on learning


def pack(work: Path) -> None:
    HERE.mkdir(exist_ok=True)
    found = [name for name in (*ALONE, *DENOISER) if (work / f"{name}.pt").is_file()]
    kept = [name for name in found if name not in DENOISER[:-1] or name == last(found)]
    steps = {}
    for name in found:
        state = torch.load(work / f"{name}.pt", map_location="cpu", weights_only=True)
        steps[name] = state["step"]
        if name in kept:
            weights = {
                key: value.half().contiguous() if value.is_floating_point() else value.contiguous()
                for key, value in state["average"].items()
            }
            save_file(weights, HERE / f"{name}.safetensors")
    for path in HERE.glob("*.safetensors"):
        if path.stem not in kept:
            path.unlink()
    (HERE / "steps.json").write_text(json.dumps(steps, indent=1) + "\n")


def unpack(work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    steps = json.loads((HERE / "steps.json").read_text())
    for name, step in steps.items():
        source = name if name in ALONE else last(list(steps))
        weights = {
            key: value.float() if value.is_floating_point() else value
            for key, value in load_file(HERE / f"{source}.safetensors").items()
        }
        state = {"model": weights, "average": weights, "step": step}
        torch.save(state, work / f"{name}.pt")


def last(names: list[str]) -> str:
    return next((name for name in reversed(DENOISER) if name in names), "")


if __name__ == "__main__":
    {"pack": pack, "unpack": unpack}[sys.argv[1]](Path(sys.argv[2]))
