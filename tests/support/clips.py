"""Synthetic clips for metrics: textures that move, jump, flicker, freeze and change."""

from functools import lru_cache

import numpy as np


@lru_cache
def texture(size, seed=0, margin=160):
    """A texture with energy at all scales (about 1/f) in one plain colour, larger than a frame."""
    rng = np.random.default_rng(seed)
    side = size + margin
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency = np.maximum(frequency, 2 / size)  # windows of a frame's size look much alike
    picture = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) / frequency**1.6).real
    picture *= 30 / picture.std()
    colour = rng.permutation([90, 130, 170])
    return np.clip(picture[..., None] + colour, 0, 255)


def windows(places, size, seed=0):
    """Frames that show the texture from the given whole (x, y) places on."""
    picture = texture(size, seed)
    frames = [picture[y : y + size, x : x + size] for x, y in np.round(places).astype(int)]
    return np.stack(frames).astype(np.uint8)


def pan(num_frames, step=(2, 0), size=96, seed=0):
    """A camera that moves by `step` pixels a frame."""
    return windows(np.arange(num_frames)[:, None] * np.array(step), size, seed)


def jumping(num_frames, every=8, jump=14, size=96):
    """A camera that moves by 2 pixels a frame, and jumps by `jump` more at every boundary."""
    number = np.arange(num_frames)
    x = 2 * number + jump * (number // every)
    return windows(np.stack([x, 0 * x], axis=1), size)


def jittering(num_frames, reach=3, size=96):
    """A camera that stands still but shakes."""
    places = np.random.default_rng(1).integers(0, 2 * reach + 1, (num_frames, 2))
    return windows(places, size)


def noisy(frames, sigma, seed=2):
    noise = np.random.default_rng(seed).normal(0, sigma, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def flickering(frames, gain=0.05):
    """Every other frame brighter, every other darker."""
    sign = np.where(np.arange(len(frames)) % 2, 1, -1)[:, None, None, None]
    return np.clip(frames * (1 + gain * sign), 0, 255).astype(np.uint8)


def frozen_after(frames, count, sigma=4):
    """Frames that move, then stand still but for faint noise."""
    still = noisy(np.repeat(frames[count - 1 : count], len(frames) - count, axis=0), sigma)
    return np.concatenate([frames[:count], still])


def with_cuts(num_frames, every, size=96):
    """A moving camera that is somewhere else after every cut."""
    count = -(-num_frames // every)
    scenes = [pan(every, (1, 0), size, seed=10 + i) for i in range(count)]
    return np.concatenate(scenes)[:num_frames]


def crossfade(num_frames, start, stop, size=96):
    """A moving camera in one place that fades into another."""
    before, after = pan(num_frames, (2, 0), size, 3), pan(num_frames, (2, 0), size, 4)
    share = np.clip((np.arange(num_frames) - start) / (stop - start), 0, 1)[:, None, None, None]
    return (before * (1 - share) + after * share).astype(np.uint8)


def unrelated(num_frames, size=96):
    """Another texture in every frame."""
    return np.concatenate([pan(1, size=size, seed=20 + i) for i in range(num_frames)])
