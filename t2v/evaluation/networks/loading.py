"""Finds files of weights and optional packages, and says how to get what is missing."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from torch import Tensor, nn

from t2v.errors import CheckpointError, ConfigError
from t2v.models.checkpoints import check_finite, check_fit


def check_exists(file: Path, purpose: str, source: str) -> None:
    """Nothing is ever downloaded for a metric.

    Raises:
        CheckpointError: says what the file is for and where it comes from.
    """
    if not file.is_file():
        raise CheckpointError(f"{purpose} needs {file}, which is not there; {source}")


def load_tensors(network: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Gives a network its weights, for inference on the CPU.

    Raises:
        CheckpointError: names or shapes do not fit, or values are no numbers; the network was not
            changed.
    """
    name = type(network).__name__
    check_fit(tensors, network.state_dict(), f"{file} does not fit {name}")
    check_finite(tensors, file)
    network.load_state_dict(dict(tensors))
    network.requires_grad_(False).eval()


def optional_module(name: str, extra: str, purpose: str) -> ModuleType:
    """A module that is installed with an extra of this package.

    Raises:
        ConfigError: it is not installed.
    """
    check_installed(name, extra, purpose)
    return import_module(name)


def optional_file(module: str, path: str, extra: str, purpose: str) -> Path:
    """A file that comes with an optional module, which is not imported.

    Raises:
        ConfigError: the module is not installed.
    """
    origin = check_installed(module, extra, purpose)
    return Path(origin).parent / path


def check_installed(name: str, extra: str, purpose: str) -> str:
    """Where a module is.

    Raises:
        ConfigError: it is not installed.
    """
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ConfigError(f"{purpose} needs the package {name}: pip install 'longtake[{extra}]'")
    return spec.origin
