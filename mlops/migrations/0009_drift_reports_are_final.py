from django.db import migrations

from config.kernel.vendor import refuse_changes


class Migration(migrations.Migration):
    dependencies = [("mlops", "0008_the_first_booster_is_deprecated")]

    operations = [refuse_changes("mlops_driftreport")]
