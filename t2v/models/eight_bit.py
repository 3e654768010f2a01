"""8-bit weights in memory: linear layers hold integers and one scale per output, by torchao."""

from importlib.util import find_spec

from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from t2v.errors import ConfigError


def check_eight_bit() -> None:
    """Checks that weights can be rounded to 8 bits here.

    Raises:
        ConfigError: the package that does it is not installed.
    """
    if find_spec("torchao") is None:
        raise ConfigError(
            "8-bit weights need the package torchao: pip install 'longtake[eight-bit]'"
        )


def round_weights(network: nn.Module) -> None:
    """Rounds the weights of all linear layers in a network to 8 bits, once and for all.

    Layers compute in the precision of before. torchao and not the library's `from_pretrained`,
    which calls the same function: that wants one more package (see `pipeline/helios_loading`).
    """
    check_eight_bit()
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    quantize_(network, Int8WeightOnlyConfig(version=2))
    network.requires_grad_(False)


def is_packed(tensor: Tensor) -> bool:
    """Whether a tensor is made of others, as rounded weights are of whole numbers and scales."""
    return is_traceable_wrapper_subclass(tensor)


def stored_bytes(tensor: Tensor) -> int:
    """Bytes that a tensor takes; one that is packed says how many it would take otherwise."""
    if not is_packed(tensor):
        return tensor.nbytes
    names, _ = tensor.__tensor_flatten__()  # type: ignore[attr-defined]
    return sum(stored_bytes(getattr(tensor, name)) for name in names)
