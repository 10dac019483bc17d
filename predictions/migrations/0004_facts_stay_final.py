from django.db import migrations

from config.kernel.vendor import refuse_changes


class Migration(migrations.Migration):
    """SQLite rebuilt these tables in the migration before, which takes their triggers away."""

    dependencies = [("predictions", "0003_thirty_two_experts")]

    operations = [refuse_changes("predictions_prediction", "predictions_modelversion")]
