from django.db import migrations

from config.kernel.vendor import refuse_changes


class Migration(migrations.Migration):
    dependencies = [("risk", "0001_initial")]

    operations = [refuse_changes("risk_riskdecision", "risk_equitypoint")]
