"""Which weights a video was made with: the SHA-256 of every file."""

import hashlib

from t2v.errors import CheckpointError
from t2v.presets import Preset


def weight_digests(preset: Preset) -> dict[str, str]:
    """Digests of a preset's weights by file name, from its folder.

    Raises:
        CheckpointError: a file cannot be read.
    """
    folder, digests = preset.weights_folder, {}
    for path in sorted(folder.rglob("*.safetensors")):
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
        digests[path.relative_to(folder).as_posix()] = digest
    return digests
