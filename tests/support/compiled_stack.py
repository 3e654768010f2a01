"""Draws with a stack as it is and compiled; prints the largest and the mean difference of a pixel.

Graphs are captured as on a GPU and run by torch itself: no compiler, which takes minutes, takes
part. Fails where a network is not one graph, or where a second video compiles again.
"""

import numpy as np
import torch

from t2v.events import Chunk
from t2v.pipeline.acceleration import compile_networks
from t2v.pipeline.streaming_t2v import stream
from t2v.settings.config import GenerationConfig
from tests.support.small_stack import new_stack


def frames_of(stack, num_chunks):
    config = GenerationConfig(prompt="a red star", num_chunks=num_chunks, num_inference_steps=2)
    chunks = [event.frames for event in stream(stack, config) if isinstance(event, Chunk)]
    return np.concatenate(chunks).astype(int)


stack = new_stack()
expected = frames_of(stack, 3)
networks = {"unet": stack.unet, "extractor": stack.extractor}
compile_networks(networks, torch.device("cpu"), backend="aot_eager")
frames_of(stack, 2)
with torch._dynamo.config.patch(error_on_recompile=True):
    difference = abs(frames_of(stack, 3) - expected)
print(difference.max(), difference.mean())
