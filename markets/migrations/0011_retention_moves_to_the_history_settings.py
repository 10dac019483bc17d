"""What a person chose as the days to keep prices stays in force under its new name."""

from django.db import migrations, models

DEFAULT, SHORTEST = 90, 2


def carry_over(apps, editor):
    ingest = apps.get_model("markets", "IngestSettings").objects.order_by("-version").first()
    history = apps.get_model("markets", "HistorySettings").objects
    if ingest is None or ingest.retention_days == DEFAULT or history.exists():
        return
    history.create(
        version=1,
        created_at=ingest.created_at,
        author=ingest.author,
        reason="carried over from the ingest settings",
        quotes_days=max(SHORTEST, ingest.retention_days),
    )


def carry_back(apps, editor):
    history = apps.get_model("markets", "HistorySettings").objects.order_by("-version").first()
    ingest = apps.get_model("markets", "IngestSettings").objects.order_by("-version").first()
    if history is not None and ingest is not None:
        ingest.retention_days = history.quotes_days
        ingest.save(update_fields=["retention_days"])


class Migration(migrations.Migration):
    dependencies = [("markets", "0010_an_opening_price_may_be_estimated")]

    operations = [
        migrations.RunPython(carry_over, carry_back),
        migrations.RemoveField("ingestsettings", "retention_days"),
    ]
