"""Celery: the message only wakes somebody up; the rows are the queue."""

import os

from celery import Celery
from kombu import Queue

from config.kernel import file_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

QUEUES = ("ingest", "predict", "trading", "learn")

file_broker.register()
app = Celery("oddsmith")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = tuple(Queue(name) for name in QUEUES)
app.autodiscover_tasks()
