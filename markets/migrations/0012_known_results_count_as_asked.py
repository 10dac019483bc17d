"""Markets whose result was known before results were asked for in turn leave the line."""

from django.db import migrations
from django.db.models import OuterRef, Subquery


def mark(apps, editor):
    resolution = apps.get_model("markets", "Resolution").objects.filter(market=OuterRef("pk"))
    apps.get_model("markets", "Market").objects.filter(
        resolution__isnull=False, result_asked_at__isnull=True
    ).update(result_asked_at=Subquery(resolution.values("received_at")[:1]))


class Migration(migrations.Migration):
    dependencies = [("markets", "0011_retention_moves_to_the_history_settings")]

    operations = [migrations.RunPython(mark, migrations.RunPython.noop)]
