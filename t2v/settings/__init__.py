"""Settings: what a video depends on, prompt schedules, and presets."""
