import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('venue', models.CharField(max_length=40)),
                ('venue_key', models.CharField(max_length=200)),
                ('slug', models.CharField(blank=True, default='', max_length=300)),
                ('title', models.CharField(blank=True, default='', max_length=500)),
                ('category', models.CharField(blank=True, db_index=True, default='', max_length=40)),
                ('tags', models.CharField(blank=True, default='', help_text='separated by |', max_length=2000)),
                ('neg_risk', models.BooleanField(help_text='outcomes exclude each other; null = unknown', null=True)),
                ('neg_risk_augmented', models.BooleanField(default=False)),
                ('origin', models.CharField(choices=[('VENUE', 'Venue'), ('IMPORT', 'Imported history'), ('SANDBOX', 'Simulated')], default='VENUE', max_length=8)),
                ('received_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='RawMessage',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('source', models.CharField(max_length=60)),
                ('reason', models.CharField(max_length=400)),
                ('body', models.TextField()),
                ('seen', models.PositiveIntegerField(default=1)),
                ('first_seen_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='SpotTick',
            fields=[
                ('pk', models.CompositePrimaryKey('asset', 'source', 'interval_s', 'observed_at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('asset', models.CharField(max_length=12)),
                ('source', models.CharField(max_length=30)),
                ('interval_s', models.PositiveIntegerField()),
                ('observed_at', models.DateTimeField(help_text='end of the bar: when its close was known')),
                ('close', models.FloatField()),
                ('open', models.FloatField(null=True)),
                ('high', models.FloatField(null=True)),
                ('low', models.FloatField(null=True)),
                ('volume', models.FloatField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='FeeSchedule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('category', models.CharField(blank=True, default='', help_text='set for category tables', max_length=40)),
                ('condition_key', models.CharField(blank=True, default='', help_text="set for one market's own schedule", max_length=80)),
                ('rate', models.DecimalField(decimal_places=6, max_digits=8)),
                ('exponent', models.DecimalField(decimal_places=2, default=1, max_digits=4)),
                ('taker_only', models.BooleanField(default=True)),
                ('rebate_rate', models.DecimalField(decimal_places=4, default=0, max_digits=6)),
                ('valid_from', models.DateTimeField()),
                ('source', models.CharField(blank=True, default='', max_length=200)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('category', 'condition_key', 'valid_from'), name='fee_schedule_once'), models.CheckConstraint(condition=models.Q(('rate__gte', 0)), name='fee_rate_is_not_negative')],
            },
        ),
        migrations.CreateModel(
            name='IngestSettings',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(editable=False, unique=True)),
                ('created_at', models.DateTimeField(db_index=True, editable=False)),
                ('reason', models.CharField(max_length=400)),
                ('min_depth_usd', models.FloatField(default=500, help_text='dollars resting near the mid, both sides together', validators=[django.core.validators.MinValueValidator(0)])),
                ('depth_within', models.FloatField(default=0.02, help_text='how far from the mid depth counts, dollars a share', validators=[django.core.validators.MinValueValidator(0.001), django.core.validators.MaxValueValidator(0.5)])),
                ('max_spread', models.FloatField(default=0.05, validators=[django.core.validators.MinValueValidator(0.001), django.core.validators.MaxValueValidator(1)])),
                ('min_seconds_left', models.PositiveIntegerField(default=3600, help_text='no forecast closer to the scheduled end; up/down markets: see below')),
                ('min_epoch_seconds_left', models.PositiveIntegerField(default=20, help_text='up/down markets: no forecast closer to the end of the window')),
                ('max_epoch_lead_s', models.PositiveIntegerField(default=900, help_text='up/down markets: followed from so many seconds before the window')),
                ('epoch_assets', models.CharField(blank=True, default='btc eth sol xrp', help_text='separated by blanks', max_length=200)),
                ('epoch_windows', models.CharField(blank=True, default='5m 15m 4h', help_text='looked up by name, e.g. 5m 15m', max_length=100)),
                ('book_levels', models.PositiveSmallIntegerField(default=10, help_text='levels a side kept with each book; totals count all levels', validators=[django.core.validators.MinValueValidator(5), django.core.validators.MaxValueValidator(200)])),
                ('max_days_left', models.PositiveIntegerField(default=180)),
                ('max_tracked', models.PositiveIntegerField(default=2000, validators=[django.core.validators.MaxValueValidator(5000)])),
                ('stale_after_s', models.PositiveIntegerField(default=600, help_text='older books are fetched anew before deciding')),
                ('retention_days', models.PositiveIntegerField(default=90)),
                ('author', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'ingest settings',
                'verbose_name_plural': 'ingest settings',
            },
        ),
        migrations.CreateModel(
            name='Market',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('venue', models.CharField(max_length=40)),
                ('venue_key', models.CharField(max_length=200)),
                ('condition_id', models.CharField(blank=True, max_length=66, null=True)),
                ('slug', models.CharField(blank=True, default='', max_length=300)),
                ('question', models.CharField(max_length=1000)),
                ('category', models.CharField(blank=True, db_index=True, default='', max_length=40)),
                ('protocol', models.CharField(choices=[('v1', 'v1 (CTF)'), ('v2', 'v2 (PositionManager)'), ('unknown', 'Unknown')], default='unknown', max_length=8)),
                ('origin', models.CharField(choices=[('VENUE', 'Venue'), ('IMPORT', 'Imported history'), ('SANDBOX', 'Simulated')], default='VENUE', max_length=8)),
                ('dataset', models.CharField(blank=True, db_index=True, default='', help_text='imported history only', max_length=40)),
                ('opens_at', models.DateTimeField(blank=True, null=True)),
                ('scheduled_end_at', models.DateTimeField(blank=True, help_text='null where no end was announced', null=True)),
                ('closed_at', models.DateTimeField(blank=True, help_text='when trading ended; known in hindsight only', null=True)),
                ('accepting_orders', models.BooleanField(null=True)),
                ('tick_size', models.DecimalField(blank=True, decimal_places=6, max_digits=7, null=True)),
                ('min_shares', models.DecimalField(blank=True, decimal_places=6, max_digits=20, null=True)),
                ('neg_risk', models.BooleanField(null=True)),
                ('neg_risk_other', models.BooleanField(default=False)),
                ('asset', models.CharField(blank=True, default='', help_text='up/down markets: btc, eth …', max_length=12)),
                ('window_s', models.PositiveIntegerField(blank=True, help_text='up/down markets: length of the epoch', null=True)),
                ('epoch_start_at', models.DateTimeField(blank=True, null=True)),
                ('reference_price', models.FloatField(blank=True, help_text='up/down markets: price to beat, dollars', null=True)),
                ('volume', models.FloatField(blank=True, help_text='dollars, as last reported; null = unknown, never zero', null=True)),
                ('liquidity', models.FloatField(blank=True, help_text='dollars, as last reported; null = unknown', null=True)),
                ('tracked', models.BooleanField(default=False, help_text='in the universe: quoted and forecast every cycle')),
                ('filter_reason', models.CharField(blank=True, default='', help_text='why it is not in the universe', max_length=40)),
                ('received_at', models.DateTimeField(help_text='when we first learned of it')),
                ('event', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='markets', to='markets.event')),
                ('fees', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to='markets.feeschedule')),
            ],
        ),
        migrations.CreateModel(
            name='Outcome',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index', models.PositiveSmallIntegerField()),
                ('name', models.CharField(max_length=200)),
                ('asset_id', models.CharField(blank=True, max_length=80, null=True)),
                ('market', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='outcomes', to='markets.market')),
            ],
        ),
        migrations.CreateModel(
            name='PublicTrade',
            fields=[
                ('trade_key', models.CharField(help_text="digest of the venue's row", max_length=40, primary_key=True, serialize=False)),
                ('outcome_index', models.PositiveSmallIntegerField(null=True)),
                ('observed_at', models.DateTimeField()),
                ('received_at', models.DateTimeField()),
                ('side', models.CharField(max_length=12)),
                ('price', models.FloatField()),
                ('shares', models.FloatField()),
                ('wallet', models.CharField(blank=True, default='', max_length=44)),
                ('tx_hash', models.CharField(blank=True, default='', max_length=68)),
                ('market', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='markets.market')),
            ],
        ),
        migrations.CreateModel(
            name='Quote',
            fields=[
                ('pk', models.CompositePrimaryKey('market_id', 'observed_at', 'kind', blank=True, editable=False, primary_key=True, serialize=False)),
                ('observed_at', models.DateTimeField()),
                ('kind', models.PositiveSmallIntegerField(choices=[(1, 'order book snapshot'), (2, 'top of book, on change'), (3, 'venue price history, 1 minute'), (4, 'venue price history, 10 minutes'), (5, 'hourly bar close'), (6, 'last fill'), (7, 'catalogue snapshot'), (8, 'mean over a window placed in hindsight'), (9, 'one logged price'), (10, '1-minute candle close'), (11, '1-minute candle close, favourite side mapped to Up'), (12, 'last trade of recorded wallets per 5 s'), (13, '1-minute closes of both sides, taken as bids'), (14, 'single price-history point')])),
                ('received_at', models.DateTimeField()),
                ('price', models.FloatField(help_text="mid of a two-sided, uncrossed book, else the source's mid-like price", null=True)),
                ('bid', models.FloatField(null=True)),
                ('ask', models.FloatField(null=True)),
                ('last', models.FloatField(null=True)),
                ('bid_depth', models.FloatField(help_text='shares on the visible bid levels', null=True)),
                ('ask_depth', models.FloatField(help_text='shares on the visible ask levels', null=True)),
                ('volume_24h', models.FloatField(help_text='dollars', null=True)),
                ('levels', models.BinaryField(help_text='float64[2, n, 2]: bids then asks, best first, (price, shares)', null=True)),
                ('market', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, to='markets.market')),
            ],
        ),
        migrations.CreateModel(
            name='Resolution',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('payout_0', models.DecimalField(decimal_places=6, max_digits=7)),
                ('payout_1', models.DecimalField(decimal_places=6, max_digits=7)),
                ('source', models.CharField(help_text='who said so', max_length=120)),
                ('strength', models.CharField(default='official', help_text='official > derived > weak', max_length=20)),
                ('resolved_at', models.DateTimeField()),
                ('received_at', models.DateTimeField()),
                ('market', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='resolution', to='markets.market')),
            ],
        ),
        migrations.CreateModel(
            name='Series',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('venue', models.CharField(max_length=40)),
                ('slug', models.CharField(max_length=200)),
                ('title', models.CharField(blank=True, default='', max_length=300)),
                ('recurrence', models.CharField(blank=True, default='', max_length=20)),
            ],
            options={
                'verbose_name_plural': 'series',
                'constraints': [models.UniqueConstraint(fields=('venue', 'slug'), name='series_once_per_venue')],
            },
        ),
        migrations.AddField(
            model_name='event',
            name='series',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to='markets.series'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(condition=models.Q(('tracked', True)), fields=['scheduled_end_at'], name='market_tracked'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(fields=['closed_at', 'scheduled_end_at'], name='market_open_by_end'),
        ),
        migrations.AddConstraint(
            model_name='market',
            constraint=models.UniqueConstraint(fields=('venue', 'venue_key'), name='market_once_per_venue'),
        ),
        migrations.AddConstraint(
            model_name='market',
            constraint=models.UniqueConstraint(condition=models.Q(('condition_id__isnull', False)), fields=('condition_id',), name='market_condition_once'),
        ),
        migrations.AddConstraint(
            model_name='outcome',
            constraint=models.UniqueConstraint(fields=('market', 'index'), name='outcome_once_per_market'),
        ),
        migrations.AddConstraint(
            model_name='outcome',
            constraint=models.UniqueConstraint(condition=models.Q(('asset_id__isnull', False)), fields=('asset_id',), name='outcome_asset_once'),
        ),
        migrations.AddConstraint(
            model_name='outcome',
            constraint=models.CheckConstraint(condition=models.Q(('index__in', [0, 1])), name='outcome_is_first_or_second'),
        ),
        migrations.AddIndex(
            model_name='publictrade',
            index=models.Index(fields=['market', 'observed_at'], name='public_trade_by_market'),
        ),
        migrations.AddConstraint(
            model_name='resolution',
            constraint=models.CheckConstraint(condition=models.Q(('payout_0', django.db.models.expressions.CombinedExpression(models.Value(1), '-', models.F('payout_1'))), ('payout_0__gte', 0), ('payout_0__lte', 1)), name='resolution_pays_one_dollar'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.UniqueConstraint(fields=('venue', 'venue_key'), name='event_once_per_venue'),
        ),
    ]
