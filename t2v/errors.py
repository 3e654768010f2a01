"""Errors that a user can do something about: raised deep inside, shown at the edge."""


class T2VError(Exception):
    """Base class: the page and the command line show the message and nothing else."""


class ConfigError(T2VError):
    """A setting is out of range, or two settings contradict each other."""


class PresetError(T2VError):
    """A preset is unknown, malformed, or its weights are not installed."""


class CheckpointError(T2VError):
    """A file of weights is missing, or does not fit the model it is meant for."""


class MediaError(T2VError):
    """A video or picture could not be read or written."""


class FileError(MediaError):
    """A MediaError whose message begins with the name of a file; the name keeps its case."""


class NotFiniteError(T2VError):
    """A network computed values that are no numbers: NaN or infinite."""


class RunError(T2VError):
    """A run is unknown, or cannot do what was asked of it now."""


OUT_OF_MEMORY = "There was not enough memory for this video; close other programs and try again."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether main memory or GPU memory was used up; does not import torch."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def describe_failure(error: BaseException) -> str:
    """A message for an unexpected failure; the app's log has the details."""
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    if isinstance(error, OSError) and error.strerror:
        return f"The disk refused a file of this video: {error.strerror}."
    return f"Something in Longtake broke ({type(error).__name__}); the log has the details."
