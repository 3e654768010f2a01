"""Writes the prompts of a world: captions of held-out scenes, always the same.

    python -m benchmarks.prompts --world shapes --out presets/prompts/shapes-50.txt

`longtake benchmark` reads the file, and renders the scene of each caption as a control.
"""

import argparse
from pathlib import Path

from t2v.evaluation.samples import held_out_scenes
from t2v.worlds import find_world


NUM_PROMPTS = 50


def captions(world: str) -> list[str]:
    """One caption for each held-out scene of one object, in order."""
    scenes, _ = held_out_scenes(find_world(world), NUM_PROMPTS)
    return [scene.caption for scene in scenes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", default="shapes")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    lines = captions(options.world)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} captions, {len(set(lines))} different ones: {options.out}")


if __name__ == "__main__":
    main()
