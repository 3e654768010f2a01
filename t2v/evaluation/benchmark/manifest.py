"""The manifest of a benchmark's folder: what every number in it depends on.

A folder holds videos and measures of one manifest only, so that no table mixes two of them.
"""

import hashlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from t2v import __version__
from t2v.errors import ConfigError
from t2v.evaluation.benchmark.folder import write_values
from t2v.evaluation.benchmark.plan import Prompts
from t2v.pipeline.arms import read_record
from t2v.provenance import versions_here
from t2v.resources import PACKAGE, in_checkout
from t2v.settings.conditionings import CONDITIONINGS, arm_folder, is_trained
from t2v.settings.presets import Preset
from t2v.weight_hashes import hash_preset, hash_weights


FORMAT = 1  # of the folder: raised when old files can no longer be read
NAME = "manifest.json"
ADDED_LATER = ("arms", "networks", "baselines")  # what a folder may get after it was begun


def make_manifest(
    preset: Preset,
    prompts: Prompts,
    protocol: dict[str, Any],
    networks: dict[str, dict[str, Any]],
    device: str,
    baselines: Sequence[Preset] = (),
) -> dict[str, Any]:
    """What the videos and measures of a benchmark depend on, as plain values.

    Args:
        protocol: of the metrics: backend of the flow, sizes, versions of their libraries.
        networks: that measure as well, by metric: their names and the hashes of their weights.
        device: "cpu" or "cuda".
        baselines: other presets that draw.
    """
    sources = sources_of(preset)
    values = {
        "format": FORMAT,
        "version": __version__,
        "commit": find_commit(),
        "source": hash_source(),
        "versions": versions_here(),
        "preset": preset.name,
        "device": device,
        "settings": preset.defaults,
        "refiner": asdict(preset.refiner) if preset.refiner else None,
        "baselines": {
            one.name: {"settings": one.defaults, "sources": sources_of(one)} for one in baselines
        },
        "weights": sources or hash_preset(preset),
        "frame_size": preset.frame_size,
        "chunking": [preset.chunking.chunk_frames, preset.chunking.overlap],
        "prompts": {"name": prompts.name, "sha256": prompts.sha256},
        "protocol": protocol,
        "networks": networks,
        "arms": trained_arms(),
    }
    return json.loads(json.dumps(values))  # tuples are lists, as in the file


def sources_of(preset: Preset) -> list[str]:
    return [f"{source.repo}@{source.revision}" for source in preset.sources]


def trained_arms() -> dict[str, dict[str, Any]]:
    """How the arms that are here were trained, and the hashes of their weights."""
    folders = {name: arm_folder(name) for name in CONDITIONINGS if is_trained(name)}
    return {
        name: read_record(folder) | {"base": "", "weights": hash_weights(folder)}
        for name, folder in folders.items()
    }


def find_commit() -> str:
    """The commit of the checkout, with "+" after it if files have changed; "" outside of one."""
    if not in_checkout():
        return ""
    try:
        commit, changes = (
            subprocess.run(
                ["git", *words], cwd=PACKAGE, capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "."])
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit + ("+" if changes else "")


def hash_source() -> str:
    """Hash of this package's own code: a changed checkout has the commit of its last one."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def settle_manifest(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Writes the manifest of a new folder, or checks that of one that is continued.

    Trained arms and networks of metrics may be added after the folder was begun, but not changed.

    Returns:
        What the folder has now, with what was added before.

    Raises:
        ConfigError: the folder was begun with another one; the message names what differs.
    """
    path = folder / NAME
    if path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read; give another folder with --out") from error
        if isinstance(before, dict):
            for part in ADDED_LATER:
                old, new = (values.get(part, {}) for values in (before, manifest))
                before, manifest = before | {part: new | old}, manifest | {part: old | new}
        if changed := differences(before, manifest):
            raise ConfigError(
                f"{folder} was begun with another {', '.join(changed)}: numbers of both would be "
                "mixed; give another folder with --out"
            )
    write_values(path, manifest)
    return manifest


def differences(before: Any, now: dict[str, Any], prefix: str = "") -> list[str]:
    """Names of the values that differ, with those that contain them: "prompts sha256"."""
    if not isinstance(before, dict):
        return [prefix.strip() or "manifest"]
    changed: list[str] = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict) and not prefix:
            changed += differences(old, new, f"{name} ")
        else:
            changed.append(f"{prefix}{name}")
    return changed
