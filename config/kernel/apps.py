"""The shared kernel: abstract bases, units, locks, audit trail."""

from django.apps import AppConfig


class KernelConfig(AppConfig):
    """Tables that every app may write to: events, heartbeats, jobs."""

    name = "config.kernel"
    label = "kernel"
    verbose_name = "System"
