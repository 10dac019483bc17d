"""Django settings shared by every environment; what differs is in dev, test and prod."""

import os
from typing import Any

from django.templatetags.static import static

from config import env as environment
from config import throwaway_keys

DEBUG = os.environ.get("DJANGO_SETTINGS_MODULE", "").endswith((".dev", ".test"))
ENV = environment.load(debug=DEBUG)
if DEBUG:
    ENV = throwaway_keys.instead(ENV)
BASE_DIR = environment.ROOT

SECRET_KEY = ENV.secret_key
ALLOWED_HOSTS = list(ENV.allowed_hosts)
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold",
    "config.apps.OddsmithConfig",
    "config.kernel",
    "markets",
    "predictions",
    "risk",
    "trading",
    "mlops",
    "config.apps.AdminOnDemand",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.pages.context.trading_banner",
            ],
        },
    },
]


def database_settings(database: environment.Database) -> dict[str, Any]:
    """Django's DATABASES entry: WAL and immediate transactions on SQLite, kept connections else."""
    if database.vendor == "sqlite":
        pragmas = (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "PRAGMA cache_size=-64000; PRAGMA mmap_size=268435456;"
            # Without it INSERT OR REPLACE deletes the old row past the triggers that guard facts.
            "PRAGMA recursive_triggers=ON;"
        )
        options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": pragmas}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": database.name, "OPTIONS": options}
    timeouts = " ".join(
        f"-c {name}={milliseconds}"
        for name, milliseconds in (
            ("statement_timeout", 120_000),
            ("idle_in_transaction_session_timeout", 60_000),
            ("lock_timeout", 10_000),
        )
    )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database.name,
        "HOST": database.host,
        "PORT": database.port,
        "USER": database.user,
        "PASSWORD": database.password,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"options": timeouts},
    }


DATABASES = {"default": database_settings(ENV.database)}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "overview"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = False
FORMAT_MODULE_PATH = ["config.formats"]
STATIC_URL = "static/"
STATIC_ROOT = ENV.state_dir / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.BasicAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "config.api.NewestFirst",
    "DEFAULT_RENDERER_CLASSES": ["config.api.FastJSON"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.api.explain_error",
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Oddsmith API",
    "DESCRIPTION": "Markets, forecasts, signals, trades and the portfolio of one installation.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
}
UNFOLD = {
    "SITE_TITLE": "Oddsmith",
    "SITE_HEADER": "Oddsmith control room",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("oddsmith/icon.svg"),
    "ENVIRONMENT": "config.admin_site.environment_label",
    "DASHBOARD_CALLBACK": "config.admin_site.control_room",
    "SHOW_HISTORY": True,
    "SIDEBAR": {"show_search": True, "navigation": "config.admin_site.navigation"},
}

CELERY_TIMEZONE = "UTC"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "ingest"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "config.scheduler:LeaderScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 2
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_start": 0.2, "interval_step": 0.3}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Longer than the longest time limit: else a task that still runs is handed to a second worker.
BROKER_REDELIVERS_AFTER_S = 6000
BROKER_FOLDER = ENV.state_dir / "broker"
if ENV.redis_url:
    CELERY_BROKER_URL = ENV.redis_url
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "visibility_timeout": BROKER_REDELIVERS_AFTER_S,
        "health_check_interval": 25,
    }
else:
    CELERY_BROKER_URL = "filesystem://"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_FOLDER / "messages"),
        "data_folder_out": str(BROKER_FOLDER / "messages"),
        "control_folder": str(BROKER_FOLDER / "control"),
        "polling_interval": 0.05,
    }
    for _folder in ("messages", "control"):
        (BROKER_FOLDER / _folder).mkdir(parents=True, exist_ok=True)

LOGGING_CONFIG = None
