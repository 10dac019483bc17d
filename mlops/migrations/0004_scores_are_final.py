from django.db import migrations

from config.kernel.vendor import refuse_changes


class Migration(migrations.Migration):
    dependencies = [("mlops", "0003_evidence_and_drift")]

    operations = [refuse_changes("mlops_cohortscore", "mlops_onlineweights")]
