import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0007_a_cancel_that_was_heard"),
    ]

    operations = [
        migrations.AlterField(
            model_name="reconciliationsettings",
            name="confirm_s",
            field=models.PositiveIntegerField(
                default=30,
                help_text="what nothing explains and is not certain counts when seen again after so long",
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
    ]
