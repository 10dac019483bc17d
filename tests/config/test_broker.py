"""The broker of messages outlives the longest task: nothing under way is handed out again."""

from django.conf import settings

from config.celery import app


def test_no_message_comes_back_while_its_task_may_still_run():
    app.loader.import_default_modules()
    limits = {
        name: task.time_limit for name, task in app.tasks.items() if not name.startswith("celery.")
    }

    assert limits["mlops.tasks.train"]
    assert None not in limits.values()
    assert max(limits.values()) < settings.BROKER_REDELIVERS_AFTER_S
