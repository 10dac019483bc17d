from django.db import migrations

from config.kernel.vendor import refuse_changes


class Migration(migrations.Migration):
    """SQLite loses the triggers of a table that is altered; the new facts get theirs."""

    dependencies = [("trading", "0003_money")]

    operations = [
        refuse_changes(
            "trading_approval",
            "trading_conversion",
            "trading_discrepancy",
            "trading_fill",
            "trading_opportunity",
            "trading_settlement",
            "trading_transfer",
        )
    ]
