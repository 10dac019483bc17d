"""Public trades get their time into the key: PostgreSQL partitions them by it."""

import django.db.models.deletion
from django.db import migrations, models

COLUMNS = (
    "trade_key, market_id, outcome_index, observed_at, received_at, side, price, shares, "
    "wallet, tx_hash"
)


def copy(before: str, after: str) -> str:
    return f"INSERT INTO {after} ({COLUMNS}) SELECT {COLUMNS} FROM {before}"


class Migration(migrations.Migration):
    dependencies = [("markets", "0002_facts_are_final")]

    operations = [
        migrations.RemoveIndex("PublicTrade", "public_trade_by_market"),
        migrations.RenameModel("PublicTrade", "OldPublicTrade"),
        migrations.CreateModel(
            name="PublicTrade",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "trade_key",
                        "observed_at",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "trade_key",
                    models.CharField(help_text="digest of the venue's row", max_length=40),
                ),
                ("outcome_index", models.PositiveSmallIntegerField(null=True)),
                ("observed_at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                ("side", models.CharField(help_text="the taker's", max_length=12)),
                ("price", models.FloatField()),
                ("shares", models.FloatField()),
                ("wallet", models.CharField(blank=True, default="", max_length=44)),
                ("tx_hash", models.CharField(blank=True, default="", max_length=68)),
                (
                    "market",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="markets.market",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["market", "observed_at"], name="public_trade_by_market")
                ],
            },
        ),
        migrations.RunSQL(
            copy("markets_oldpublictrade", "markets_publictrade"),
            copy("markets_publictrade", "markets_oldpublictrade"),
        ),
        migrations.DeleteModel("OldPublicTrade"),
    ]
