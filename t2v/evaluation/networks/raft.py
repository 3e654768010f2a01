"""Optical flow by RAFT-large (Teed and Deng, 2020), with which the authors measured MAWE."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from t2v.errors import ConfigError
from t2v.evaluation.metrics.flow import Flow, Frame
from t2v.evaluation.networks.loading import check_exists, load_tensors
from t2v.weights.safe_load import read_tensors


SOURCE = (
    "it is torchvision's Raft_Large_Weights.C_T_SKHT_V2: `curl -O "
    "https://download.pytorch.org/models/raft_large_C_T_SKHT_V2-ff5fadd5.pth`"
)
UPDATES = 12
SMALLEST = 128  # pixels a side: below, RAFT's smallest correlation map would be a point


def find_raft(weights_file: Path) -> None:
    """Checks that the weights are there.

    Raises:
        CheckpointError: they are not.
    """
    check_exists(weights_file, "RAFT", SOURCE)


class RAFTFlow:
    """RAFT-large of torchvision, by default with 12 updates, as in the authors' script.

    For the script's protocol give `measure_video` Sizes(flow=720, warp=720). Frames must be at
    least 128 pixels a side.
    """

    def __init__(
        self, weights_file: Path, device: torch.device | str = "cpu", num_updates: int = UPDATES
    ):
        """Loads the network.

        Raises:
            CheckpointError: the file is missing or does not fit.
        """
        find_raft(weights_file)
        tensors = read_tensors(weights_file)
        from torchvision.models.optical_flow import raft_large

        self.name = "raft-large"
        if num_updates != UPDATES:
            self.name += f" with {num_updates} updates"
        self._num_updates = num_updates
        self._device = torch.device(device)
        self._network = raft_large(weights=None, progress=False)
        load_tensors(self._network, tensors, weights_file)
        self._network.to(self._device)

    @torch.inference_mode()
    def flow(self, left: Frame, right: Frame) -> Flow:
        """Where every pixel of `left` has gone in `right`: (x, y) in pixels.

        Raises:
            ConfigError: the frames are too small, or their sides are no multiples of 8.
        """
        height, width = left.shape[:2]
        if min(height, width) < SMALLEST or height % 8 or width % 8:
            raise ConfigError(
                f"RAFT needs sides of {SMALLEST} pixels or more, in multiples of 8, "
                f"got {width}x{height}"
            )
        pixels = self._pixels(left), self._pixels(right)
        flow = self._network(*pixels, num_flow_updates=self._num_updates)[-1][0]
        return flow.permute(1, 2, 0).cpu().numpy()

    def _pixels(self, frame: np.ndarray) -> Tensor:
        pixels = torch.tensor(np.asarray(frame), device=self._device)
        return pixels.permute(2, 0, 1)[None].float() / 127.5 - 1
