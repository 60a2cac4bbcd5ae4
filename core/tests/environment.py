"""The environment of the tests, set before Django reads its settings (`-p` in pyproject.toml).

The keys are real and made anew for each run: the app's own pair, and one in Alipay's part, with
which the tests sign what Alipay would.
"""

import os
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

APP_ID = "9021000000000001"
SELLER_ID = "2088000000000001"

# Kept as a name, so that the folder lives as long as the run.
_folder = tempfile.TemporaryDirectory(prefix="guitai-tests-", ignore_cleanup_errors=True)
FOLDER = Path(_folder.name)

APP_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ALIPAY_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


KEYS = FOLDER / "keys"
KEYS.mkdir()
(KEYS / "app_private_key.pem").write_bytes(private_pem(APP_KEY))
(KEYS / "app_public_key.pem").write_bytes(public_pem(APP_KEY))
(KEYS / "alipay_public_key.pem").write_bytes(public_pem(ALIPAY_KEY))

os.environ |= {
    "ENV_FILE": "",
    "SECRET_KEY": "only-for-the-tests-" + "x" * 50,
    "DEBUG": "false",
    "HTTPS_ONLY": "false",
    "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
    "ALIPAY_APP_ID": APP_ID,
    "ALIPAY_SELLER_ID": SELLER_ID,
    "ALIPAY_DEBUG": "true",
    # Nothing listens here: a test that talks to Alipay asks for the sandbox.
    "ALIPAY_GATEWAY_URL": "http://127.0.0.1:9/gateway.do",
    "ALIPAY_KEYS_DIR": str(KEYS),
    # One buyer makes many orders where the test is a race; hoarding has tests of its own.
    "MAX_UNPAID_ORDERS": "1000",
    "MEDIA_ROOT": str(FOLDER / "media"),
    "STATIC_ROOT": str(FOLDER / "static"),
    "HUEY_PATH": str(FOLDER / "huey.sqlite3"),
    "EMAIL_URL": "memorymail://",
    "SHOP_URL": "https://shop.example",
    "NO_PROXY": "127.0.0.1,localhost",
}
os.environ.setdefault("DATABASE_URL", f"sqlite:///{FOLDER / 'db.sqlite3'}")
for secret in ("ALIPAY_APP_PRIVATE_KEY_STRING", "ALIPAY_PUBLIC_KEY_STRING"):
    os.environ.pop(secret, None)
