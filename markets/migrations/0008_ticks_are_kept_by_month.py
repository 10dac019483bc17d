"""Tick tables become monthly partitions on PostgreSQL, so that old months leave in an instant."""

from django.db import migrations

from config.kernel.partitions import by_month


class Migration(migrations.Migration):
    dependencies = [("markets", "0007_series_are_asked_for_by_their_key")]

    operations = [
        by_month("markets_quote", "markets_publictrade", "markets_spottick", "markets_fundingrate")
    ]
