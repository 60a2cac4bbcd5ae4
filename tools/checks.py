"""Lint, types, templates, imports, migrations, settings and translations."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.bootstrap import DEVELOPMENT, RUNTIME, bootstrap
from tools.console import Trouble, say
from tools.environment import environment, sqlite_url, tools_environment
from tools.paths import PYTHON, ROOT, SANDBOX, SHOP, WINDOWS
from tools.processes import captured, run

# Makes the four keys that a shop in production has two of, in the folder of the first argument.
KEYS = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import rsa

ours, alipays = (rsa.generate_private_key(65537, 2048) for _ in range(2))
private = form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()
public = form.PublicFormat.SubjectPublicKeyInfo
folder = Path(sys.argv[1])
(folder / "app_private_key.pem").write_bytes(ours.private_bytes(form.Encoding.PEM, *private))
alipays_public = alipays.public_key().public_bytes(form.Encoding.PEM, public)
(folder / "alipay_public_key.pem").write_bytes(alipays_public)
"""


def check(names: list[str]) -> int:
    """Run every check, or those of these names; say which failed and why, and return 1 if any did.

    A name stands for all that begin with it.
    """
    chosen = {
        name: command
        for name, command in checks().items()
        if not names or name.startswith(tuple(names))
    }
    for name in names:
        if not any(one.startswith(name) for one in chosen):
            raise Trouble(f"There is no check {name!r}: there are {', '.join(checks())}.")
    bootstrap(RUNTIME, DEVELOPMENT)
    say()
    with tempfile.TemporaryDirectory(prefix="guitai-") as folder:
        run([PYTHON, "-c", KEYS, folder], env=environment())
        shop = tools_environment(
            DATABASE_URL=sqlite_url(Path(folder) / "shop.sqlite3"),
            DJANGO_SETTINGS_MODULE="core.settings",
            ALLOWED_HOSTS="shop.example",
            HTTPS_ONLY="true",
            ALIPAY_APP_ID="2021000000000001",
            ALIPAY_SELLER_ID="2088000000000001",
            ALIPAY_KEYS_DIR=folder,
        )
        sandbox = {
            **shop,
            "DJANGO_SETTINGS_MODULE": "alipay_twin.settings",
            "PYTHONPATH": str(SANDBOX),
            "SANDBOX_DATA": folder,
        }

        def outcome(item: tuple[str, list[str]]) -> tuple[str, int, str]:
            name, command = item
            env = sandbox if "sandbox" in name else shop
            return (name, *captured(command, env=env))

        failed = 0
        pool = ThreadPoolExecutor(max_workers=2)
        try:
            for name, code, output in pool.map(outcome, chosen.items()):
                say(f"{'FAILED' if code else 'ok':8}{name}")
                if code:
                    failed += 1
                    say(output.rstrip() + "\n")
        finally:
            pool.shutdown(cancel_futures=True)
    say(f"\n{len(chosen) - failed} ok, {failed} failed")
    return int(failed > 0)


def checks() -> dict[str, list[str]]:
    """Return the command of each check; a name with `sandbox` in it has the sandbox's settings."""
    templates = [
        str(file.relative_to(ROOT))
        for folder in (ROOT / "templates", *ROOT.glob("*/templates"), *SANDBOX.glob("*/templates"))
        for file in sorted(folder.rglob("*.html"))
    ]
    missing = [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"]
    deploy = [PYTHON, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return {
        "ruff": [tool("ruff"), "check"],
        "ruff format": [tool("ruff"), "format", "--check"],
        "mypy": [tool("mypy"), "run.py", "conftest.py", "tools", *SHOP, "e2e"],
        "mypy (sandbox)": [tool("mypy"), "--cache-dir", ".mypy_cache/sandbox", "sandbox"],
        "djade (templates)": [tool("djade"), "--check", *templates],
        "lint-imports (shop and sandbox)": [tool("lint-imports"), "--no-logo"],
        "migrations": missing,
        "migrations (sandbox)": missing,
        "check --deploy": deploy,
        "translations": [PYTHON, "manage.py", "translations", "check"],
    }


def tool(name: str) -> str:
    return str(Path(PYTHON).with_name(f"{name}.exe" if WINDOWS else name))
