"""All settings of the shop, in one file: the environment makes the difference.

``.env.example`` lists every variable. A secret has no default, so that a shop cannot go into
production with one that everybody knows.
"""

import os
import sys
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from huey.serializer import SignedSerializer

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.FileAwareEnv()
# The demo and the tests read no file: a developer's own settings have no business there.
if env_file := env.str("ENV_FILE", default=str(BASE_DIR / ".env")):
    environ.Env.read_env(env_file)


# Security

DEBUG = env.bool("DEBUG", default=False)
try:
    SECRET_KEY = env.str("SECRET_KEY")
except ImproperlyConfigured:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Put a long random text into the environment or into .env, for "
        "example the output of: "
        'python -c "import secrets; print(secrets.token_urlsafe(50))"'
    ) from None
# Keys of before, while sessions and links signed by them are still about: change SECRET_KEY by
# putting the old one here, and take it out after two weeks.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
CSRF_FAILURE_VIEW = "core.problems.csrf_refused"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# True: Alipay's own sandbox, and a shop to try; False: production.
ALIPAY_DEBUG = env.bool("ALIPAY_DEBUG", default=False)
HTTPS_ONLY = env.bool("HTTPS_ONLY", default=not (DEBUG or ALIPAY_DEBUG))
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS_ONLY
# Alipay does not follow a redirect, and a probe asks by plain http from within.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^payments/alipay/notify/$"]
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    AXES_IPWARE_PROXY_COUNT = env.int("PROXY_COUNT", default=1)
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
# Nothing that a shopper or Alipay posts is larger; files are counted apart.
DATA_UPLOAD_MAX_MEMORY_SIZE = 512 * 1024


# Applications

INSTALLED_APPS = [
    "core.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "ninja",
    "axes",
    "csp",
    "huey.contrib.djhuey",
    "core",
    "users",
    "products",
    "orders",
    "payments",
    "books",
    "letters",
    "desk",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "core.caching.no_store_for_accounts",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "core.negotiation.vary_by_audience",
    "core.problems.ProblemMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "core.urls"
WSGI_APPLICATION = "core.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "core.nonces.Loader",
                            [
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
            "context_processors": [
                "core.nonces.context",
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": [
                "core.nonces",
                "core.templatetags.shop",
                # Django 6 has these tags built in: templates will need no edit then.
                "template_partials.templatetags.partials",
            ],
        },
    },
]


# Database: a file until it is outgrown, then PostgreSQL by DATABASE_URL

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # select_for_update() does nothing here, so a transaction takes the write lock at once.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,  # seconds
        # FULL: an order that was confirmed survives a power cut.
        "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
    }
else:
    # One thread a worker keeps its one connection: a new one per request costs three quarters
    # of the speed.
    DATABASES["default"]["CONN_MAX_AGE"] = None
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": env.cache("CACHE_URL", default="locmemcache://")}


# Users

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "users:login"
LOGIN_REDIRECT_URL = "products:list"
LOGOUT_REDIRECT_URL = "products:list"

# Ten wrong passwords for one name from one address, and both wait for a quarter of an hour.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "users.views.locked_out"
AXES_VERBOSE = False
# A row for each log in would be one for ever.
AXES_DISABLE_ACCESS_LOG = True
# `manage.py axes_reset_username` frees somebody; its tables have no names in Chinese.
AXES_ENABLE_ADMIN = False


# Mail

vars().update(env.email("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Guitai <shop@localhost>")
# Seconds for each word of the conversation with the mail server.
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=20)
# Where the shop is, as https://shop.example.com: without it, letters have no links.
SHOP_URL = env.str("SHOP_URL", default="").rstrip("/")


# Languages and time: Chinese first; Alipay speaks Beijing time

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True


# Files

STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=str(BASE_DIR / "var" / "static"))
MEDIA_URL = "/media/"
MEDIA_ROOT = env.path("MEDIA_ROOT", default=str(BASE_DIR / "var" / "media"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "core.static_files.StaticFiles"
    },
}
WHITENOISE_USE_FINDERS = True


# The worker

# Where its clock is kept: in a file, or in Redis when workers run on several machines. The rows in
# the database know what is due.
HUEY = {
    "name": "guitai",
    "immediate": False,
    # A message is a pickle, and whoever writes one into the queue could run what they like.
    "serializer": SignedSerializer(secret=SECRET_KEY),
    # One for money, and one that may wait for a mail server (letters.tasks).
    "consumer": {"workers": 2, "worker_type": "thread"},
}
if huey_url := env.str("HUEY_URL", default=""):
    HUEY |= {"huey_class": "huey.RedisHuey", "url": huey_url}
else:
    huey_path = env.str("HUEY_PATH", default=str(BASE_DIR / "huey.sqlite3"))
    HUEY |= {"huey_class": "huey.SqliteHuey", "filename": huey_path}


# Logs: to stderr, a line each

LOG_FORMAT = env.str("LOG_FORMAT", default="plain")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"()": "core.logs.PlainFormatter"},
        "json": {"()": "core.logs.JSONFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # Django's own handlers would print each line twice.
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # Without a handler of its own it would make one.
        "huey": {"handlers": ["stderr"], "propagate": False, "level": "WARNING"},
        # A refusal is told to whoever asked; only what broke is worth a line.
        "django.request": {"level": "ERROR"},
        "python-alipay-sdk": {"level": "WARNING"},
    },
}


# Alipay

ALIPAY_APP_ID = env.str("ALIPAY_APP_ID", default="")
ALIPAY_SELLER_ID = env.str("ALIPAY_SELLER_ID", default="")
# Set it for the local sandbox only; otherwise ALIPAY_DEBUG chooses.
ALIPAY_GATEWAY_URL = env.str("ALIPAY_GATEWAY_URL", default="") or (
    "https://openapi-sandbox.dl.alipaydev.com/gateway.do"
    if ALIPAY_DEBUG
    else "https://openapi.alipay.com/gateway.do"
)
ALIPAY_TIMEOUT = env.int("ALIPAY_TIMEOUT", default=5)  # seconds


def _default_keys_dir() -> Path:
    """Where the keys lie when ALIPAY_KEYS_DIR is silent: outside the source tree."""
    if sys.platform == "win32":
        return Path(r"D:\VSCode\alipay")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "alipay"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "alipay"


ALIPAY_KEYS_DIR = Path(env.str("ALIPAY_KEYS_DIR", default="") or _default_keys_dir())


def _key(variable: str, file_name: str) -> str:
    """Return a key from the environment, else from its file, else nothing (a check says so)."""
    text = env.str(variable, default="", multiline=True)
    path = ALIPAY_KEYS_DIR / file_name
    try:
        return text or path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


ALIPAY_APP_PRIVATE_KEY_STRING = _key("ALIPAY_APP_PRIVATE_KEY_STRING", "app_private_key.pem")
ALIPAY_PUBLIC_KEY_STRING = _key("ALIPAY_PUBLIC_KEY_STRING", "alipay_public_key.pem")


# The shop's own rules

ORDER_PAYMENT_MINUTES = env.int("ORDER_PAYMENT_MINUTES", default=30)
# So many unpaid orders a buyer may hold at once.
MAX_UNPAID_ORDERS = env.int("MAX_UNPAID_ORDERS", default=5)
# Yuan: what one operator may send back of a payment, and of all payments in a day, alone.
REFUND_APPROVAL_AMOUNT = env("REFUND_APPROVAL_AMOUNT", cast=Decimal, default=Decimal("1000.00"))
# One person keeps this shop: what would need a second operator is told by mail and waits an hour.
ONE_PERSON_SHOP = env.bool("ONE_PERSON_SHOP", default=False)
# Of a product on sale the desk tells when so many are left, or fewer.
LOW_STOCK = env.int("LOW_STOCK", default=5)
# So long what Alipay signed is kept whole; then its hash, its verdict, and what it says of money.
NOTICE_YEARS = env.int("NOTICE_YEARS", default=3)
# A QR code on the payment page (``alipay.trade.precreate``): it needs a contract of its own.
ALIPAY_QR = env.bool("ALIPAY_QR", default=False)


# What a page may load, and where its forms may lead: Chromium follows a form's redirects, so the
# way to Alipay's cashier is named here. A script runs by its nonce alone (core.nonces).

_gateway = urlsplit(ALIPAY_GATEWAY_URL)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [
            SELF,
            f"{_gateway.scheme}://{_gateway.netloc}",
            "https://*.alipay.com",
            "https://*.alipaydev.com",
        ],
    }
}
