"""Memory profiles: how much of a GPU a stack uses; `t2v/pipeline/offload.py` says how."""

from t2v.errors import ConfigError


PROFILES = ("full", "balanced", "low")  # from fast to small


def check_profile(profile: str) -> None:
    """Checks the name of a memory profile.

    Raises:
        ConfigError: there is no such profile.
    """
    if profile not in PROFILES:
        raise ConfigError(f"memory must be one of {', '.join(PROFILES)}, got {profile!r}")
