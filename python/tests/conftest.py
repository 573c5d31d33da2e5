"""Settings of the whole suite."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The same examples in every run, so that a failure is a finding and never bad luck; nothing kept
# on disk. No deadlines, because a shared machine is not a stopwatch.
settings.register_profile(
    "crossentropy",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("crossentropy")
