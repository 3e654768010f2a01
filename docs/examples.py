"""Makes the examples of a preset that the page shows: pictures of its prompts, and one whole video.

python docs/examples.py shapes --video 2 --machine "two CPU cores"

The prompts are those of the preset, its defaults are the settings, and nothing is chosen by hand:
whoever runs this again gets the same frames. Say which machine it is only if nothing else runs
there: then the page says how long the video took.

It writes assets/examples/PRESET/: examples.json, a picture that stands and one that moves for each
prompt, and the video of one prompt, in the shapes preset one whose object never leaves the picture.
t2v/ui/examples.py shows them.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image

from t2v.events import Chunk
from t2v.generator import Generator
from t2v.media.images import resize
from t2v.media.video import VideoWriter
from t2v.provenance import Provenance
from t2v.settings.config import GenerationConfig


SIDE = 96  # pixels of a picture's longer side
VIDEO_SIDE = 128  # pixels of the video's longer side
MOVING_FRAMES = 32  # of the picture that moves


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("preset")
    parser.add_argument("--machine", default="", help='an idle one, like "two CPU cores"')
    parser.add_argument("--video", type=int, default=0, help="number of the one that plays")
    root = Path(__file__).parent.parent
    parser.add_argument("--out", type=Path, default=root / "assets" / "examples")
    options = parser.parse_args()
    folder = options.out / options.preset
    folder.mkdir(parents=True, exist_ok=True)
    generator = Generator.load(options.preset)
    made = []
    for number, prompt in enumerate(generator.preset.examples):
        config = generator.preset.config(prompt=prompt)
        frames, seconds = make(generator, config)
        values = {
            "settings": Provenance(config=config, preset=options.preset).to_json(),
            "seconds": round(seconds, 1),
        }
        values |= write_pictures(folder, f"{number}", frames, generator.preset.fps)
        if number == options.video:
            video = folder / f"{number}.mp4"
            values["video"] = write_video(video, frames, generator, config)
        made.append(values)
        print(f"{seconds:6.1f} s  {prompt}")
    text = json.dumps({"machine": options.machine, "examples": made}, indent=1)
    (folder / "examples.json").write_text(text + "\n", encoding="utf-8")


def make(generator: Generator, config: GenerationConfig) -> tuple[np.ndarray, float]:
    """The frames of a video, and the seconds that it took with the models loaded."""
    began = time.monotonic()
    events = generator.stream(config)
    frames = [event.frames for event in events if isinstance(event, Chunk)]
    return np.concatenate(frames), time.monotonic() - began


def write_pictures(folder: Path, name: str, frames: np.ndarray, fps: int) -> dict[str, str]:
    """Two WebP files: the first frame, and one that moves."""
    height, width = frames.shape[1:3]
    scale = SIDE / max(height, width)
    small = resize(frames[:MOVING_FRAMES], (round(height * scale), round(width * scale)))
    pictures = [Image.fromarray(frame) for frame in small]
    pictures[0].save(folder / f"{name}.webp", quality=80, method=6)
    pictures[0].save(
        folder / f"{name}-moving.webp",
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / fps),
        loop=0,
        quality=60,
        method=6,
    )
    return {"picture": f"{name}.webp", "moving": f"{name}-moving.webp"}


def write_video(
    path: Path, frames: np.ndarray, generator: Generator, config: GenerationConfig
) -> str:
    """The whole video, small enough for a part of the page, with its settings in its tags."""
    preset = generator.preset
    height, width = preset.display_size
    scale = min(1, VIDEO_SIDE / max(height, width))
    metadata = Provenance(config=config, preset=preset.name).to_json()
    with VideoWriter(path, fps=preset.fps, metadata=metadata) as writer:
        writer.write(resize(frames, (round(height * scale), round(width * scale))))
    return path.name


if __name__ == "__main__":
    main()
