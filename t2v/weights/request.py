"""What `longtake download` is asked for, checked before anything heavy is loaded."""

from pathlib import Path

from t2v.errors import PresetError
from t2v.settings.presets import Preset


DTYPES = ("float16", "bfloat16", "float32")


def check_request(preset: Preset, weights_dir: Path | None, dtype: str) -> None:
    """Checks the arguments of `install`.

    Raises:
        PresetError: the preset's weights are bundled, or an argument is not one of those allowed.
    """
    if not preset.sources:
        raise PresetError(f"preset {preset.name} has nothing to download: its weights are bundled")
    if dtype not in DTYPES:
        raise PresetError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if weights_dir and not weights_dir.is_dir():
        raise PresetError(f"the folder {weights_dir} does not exist")
