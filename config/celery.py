"""Celery: the message only wakes somebody up; the rows are the queue."""

import os
from importlib import import_module
from typing import Any

from celery import Celery
from celery.signals import worker_init
from kombu import Queue

from config.kernel import file_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

QUEUES = ("ingest", "predict", "trading", "learn")
FORECASTING = frozenset({"predict", "trading", "learn"})  # their tasks compute features

file_broker.register()
app = Celery("oddsmith")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = tuple(Queue(name) for name in QUEUES)
app.autodiscover_tasks()


@worker_init.connect
def warm_up(sender: Any, **_unknown: Any) -> None:
    """Compile the kernels once, before the first task and the fork: children inherit them.

    Nothing else is imported for it, and a worker that only listens to the venue loads none.
    """
    if FORECASTING & set(sender.app.amqp.queues.consume_from):
        import_module("predictions.core.features").warm()
