"""Real runs of `shapes` that are killed again and again while they refine.

What they become is what an unbroken run is, to the last byte.
"""

import hashlib
import random
import time

import pytest

from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_segments
from t2v.runs.record import RunSettings
from t2v.settings.presets import find_preset
from tests.support.processes import finish, started, wait_until


PATIENCE = 3600  # seconds, on a busy machine
KILLS = 4  # of each run
LONGEST_WAIT = 4.0  # seconds between a refined chunk and the kill: about as long as the next takes


def settings_of(seed: int, num_steps: int, num_chunks: int, blending: str) -> RunSettings:
    preset = find_preset("shapes")
    config = preset.config(
        prompt="a red star moving left over black",
        seed=seed,
        num_chunks=num_chunks,
        num_inference_steps=num_steps,
        refine=True,
        blending=blending,
    )
    return RunSettings(
        config=config,
        preset=preset.name,
        fps=preset.fps,
        display_size=preset.display_size,
        chunking=preset.chunking,
        refiner=preset.refiner,
    )


def num_refined(folder: RunFolder) -> int:
    return len(list(iter_segments(folder, "refined")))


def kill_while_refining(folder: RunFolder, num_before: int, seconds: float) -> bool:
    """Kills an app some seconds after so many refined chunks; whether it was still at work."""
    with started("crashing_app", folder.path.parent) as app:
        wait_until(lambda: num_refined(folder) >= num_before or app.poll() is not None, PATIENCE)
        time.sleep(seconds)
        return app.poll() is None


def hashes_of(folder: RunFolder) -> dict[str, str]:
    """SHA-256 of every segment and of both videos."""
    files = [*folder.segments_dir.iterdir(), folder.video_path(), folder.video_path("refined")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


@pytest.mark.soak
@pytest.mark.parametrize(
    "seed, num_steps, num_chunks, blending",
    [
        (7, 7, 8, "causal"),
        (11, 4, 8, "causal"),
        (23, 5, 10, "causal"),
        (31, 3, 8, "shared_noise"),
        (43, 6, 9, "independent"),
    ],
)
def test_a_run_killed_at_random_moments_while_refining_is_the_unbroken_one(
    tmp_path, seed, num_steps, num_chunks, blending
):
    """A state that came from the disk once led to other rounding in all later refined chunks."""
    wanted = settings_of(seed, num_steps, num_chunks, blending)
    whole = RunFolder.create(tmp_path / "whole", wanted)
    finish(tmp_path / "whole", PATIENCE)

    killed = RunFolder.create(tmp_path / "killed", wanted)
    moments = random.Random(seed)
    seen = []
    for number in range(KILLS):
        # Each kill after more refined chunks than the one before: a run that does not get ahead
        # is given up.
        num_before = min(number, num_refined(whole) - 1)
        seconds = moments.uniform(0, LONGEST_WAIT)
        if kill_while_refining(killed, num_before, seconds):
            seen.append(f"{seconds:.2f} s after {num_before} refined chunks")
    print(f"seed {seed}: killed {len(seen)} times: {', '.join(seen)}")
    assert len(seen) >= KILLS // 2
    finish(tmp_path / "killed", PATIENCE)
    assert killed.read().state == whole.read().state == "finished"
    assert hashes_of(killed) == hashes_of(whole)
