from django.db import migrations

from config.kernel.vendor import refuse_changes


class Migration(migrations.Migration):
    dependencies = [("predictions", "0001_initial")]

    operations = [refuse_changes("predictions_prediction", "predictions_modelversion")]
