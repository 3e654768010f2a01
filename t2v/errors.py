"""Errors that a user can do something about: raised deep, shown at the edge."""


class T2VError(Exception):
    """Base class: the command line and the page print the message and nothing more."""


class ConfigError(T2VError):
    """A setting is out of range, or two settings contradict each other."""


class PresetError(T2VError):
    """A preset is unknown, malformed, or its weights are not installed."""


class CheckpointError(T2VError):
    """A file of weights is missing, or does not fit the model it is meant for."""


class MediaError(T2VError):
    """A video or picture could not be read or written."""


class JobError(T2VError):
    """A run is unknown, or cannot do what was asked of it now."""


OUT_OF_MEMORY = "There was not enough memory for this video; close other programs and try again."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the computer's or the GPU's memory was used up; asked without loading torch."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
