from django.db import migrations

from config.kernel.vendor import refuse_changes


class Migration(migrations.Migration):
    """SQLite rebuilds a table to add a column, which drops its triggers."""

    dependencies = [("mlops", "0006_reach_and_calibration")]

    operations = [refuse_changes("mlops_cohortscore", "mlops_onlineweights")]
