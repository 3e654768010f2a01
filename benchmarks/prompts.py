"""Writes the prompts of a world: captions of held-out scenes, always the same.

    python -m benchmarks.prompts --world shapes --out presets/prompts/shapes-50.txt
    python -m benchmarks.prompts --kept-colours --out presets/prompts/shapes-kept-colours-24.txt

`longtake benchmark` reads the file, and renders the scene of each caption as a control.
"""

import argparse
from pathlib import Path

from t2v.evaluation.benchmark.loading import NUM_SCENES
from t2v.evaluation.samples import held_out_scenes
from t2v.worlds import find_world


NUM_PROMPTS, NUM_KEPT = 50, 24


def captions(world_name: str, kept_colours: bool = False) -> list[str]:
    """One caption for each held-out scene of one object, in order.

    Args:
        kept_colours: only scenes whose object stays in the picture and keeps its colours, so that
            the drift of these can be measured.
    """
    world = find_world(world_name)
    scenes, _ = held_out_scenes(world, NUM_SCENES)
    if not kept_colours:
        return [scene.caption for scene in scenes[:NUM_PROMPTS]]
    kept = (scene.caption for scene in scenes if world.keeps_its_colours(scene))
    return list(dict.fromkeys(kept))[:NUM_KEPT]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", default="shapes")
    parser.add_argument("--kept-colours", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    lines = captions(options.world, options.kept_colours)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} captions, {len(set(lines))} different ones: {options.out}")


if __name__ == "__main__":
    main()
