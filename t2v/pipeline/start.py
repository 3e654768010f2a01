"""Begins a video of the paper's stack with an image or a clip, as far as the method allows."""

from collections.abc import Generator

from t2v.errors import ConfigError
from t2v.events import Chunk, Event, Frames, Start, remember
from t2v.pipeline.retry import check_clip
from t2v.pipeline.stack import Stack
from t2v.pipeline.streaming_t2v import stream
from t2v.settings.config import GenerationConfig


def begin(stack: Stack, config: GenerationConfig, start: Start) -> Generator[Event, None, None]:
    """Yields the events of a video that begins with something else than text.

    The last 16 frames of a clip are the first chunk; the Streaming T2V Stage goes on from them. An
    image takes the place of the one that an image-first stack draws, and the first chunk is drawn
    from it. A public text-to-video UNet, which draws the first chunk of the paper's own stack,
    reads text alone.

    Raises:
        ConfigError: the clip is too short, its frames have another size, or the stack cannot begin
            with an image.
    """
    size = config.frame_size or stack.frame_size
    if start.frames.shape[1:3] != size:
        raise ConfigError(f"the frames to begin with must have {size[0]} x {size[1]} pixels")
    if start.is_image:
        if not stack.image_first:
            raise ConfigError(
                f"the {stack.name} preset cannot begin with an image: its first chunk is drawn "
                "from text alone. It can go on from a clip"
            )
        return stream(stack, config, image=start.anchor)
    length = stack.chunking.chunk_frames
    check_clip(start.frames, length)
    return go_on(stack, config, start.frames[-length:])


def go_on(stack: Stack, config: GenerationConfig, frames: Frames) -> Generator[Event, None, None]:
    """Yields the frames of a clip as the first chunk, and the chunks that follow."""
    yield Chunk(stage="initialization", index=0, start_frame=0, frames=frames)
    if config.num_chunks > 1:
        yield from stream(stack, config, 1, remember(None, frames, stack.chunking.overlap))
