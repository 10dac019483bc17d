from django.db import migrations

from config.kernel.vendor import refuse_changes


class Migration(migrations.Migration):
    """SQLite loses the triggers of a table that is altered."""

    dependencies = [("risk", "0003_rehearsal_and_protocol")]

    operations = [refuse_changes("risk_riskdecision", "risk_equitypoint")]
