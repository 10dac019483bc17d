from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0006_how_long_we_wait"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="cancel_heard_at",
            field=models.DateTimeField(
                blank=True, help_text="when the venue first answered such a request", null=True
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="cancel_requested_at",
            field=models.DateTimeField(
                blank=True, help_text="when the venue was last asked to cancel it", null=True
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="cancel_asked_at",
            field=models.DateTimeField(
                blank=True, help_text="when it was decided that it shall end", null=True
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="next_attempt_at",
            field=models.DateTimeField(
                blank=True, help_text="a SIGNED order waits until then to be handed in", null=True
            ),
        ),
    ]
