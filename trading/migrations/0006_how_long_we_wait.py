import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0005_booked_cost_of_open_positions"),
    ]

    operations = [
        migrations.AddField(
            model_name="executionsettings",
            name="cancel_wait_s",
            field=models.FloatField(
                default=10,
                help_text="so long a cancel waits as the venue asks; what it asks beyond that holds for orders",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(3600),
                ],
            ),
        ),
        migrations.AddField(
            model_name="executionsettings",
            name="longest_wait_s",
            field=models.FloatField(
                default=900,
                help_text="no answer of a venue, right or wrong, keeps us from sending for longer: then we ask again",
                validators=[
                    django.core.validators.MinValueValidator(10),
                    django.core.validators.MaxValueValidator(3600),
                ],
            ),
        ),
        migrations.AddField(
            model_name="reconciliationsettings",
            name="late_fill_days",
            field=models.PositiveIntegerField(
                default=3,
                help_text="so long after its end an order may turn out to have been filled after all",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(30),
                ],
            ),
        ),
    ]
