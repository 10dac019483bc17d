"""Celery for beat alone: it sends tasks by name and imports none, so it needs no ML library."""

import os

from celery import Celery
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
# Celery would check the pages too, and load all of them for it.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

from config.celery import QUEUES

app = Celery("oddsmith-beat", set_as_current=True)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = tuple(Queue(name) for name in QUEUES)
