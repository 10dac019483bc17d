from django.db import migrations

from config.kernel.vendor import refuse_changes


class Migration(migrations.Migration):
    dependencies = [("trading", "0001_initial")]

    operations = [refuse_changes("trading_approval", "trading_fill", "trading_transfer")]
