from django.db import migrations

from config.kernel.vendor import refuse_changes


class Migration(migrations.Migration):
    dependencies = [("mlops", "0001_initial")]

    operations = [refuse_changes("mlops_experttransition")]
