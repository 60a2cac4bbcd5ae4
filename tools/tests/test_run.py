"""The door itself, which even an old Python can read."""

import ast
import subprocess
import sys

from tools.paths import ROOT


def test_an_old_python_is_told_so() -> None:
    old = (
        "import sys, runpy; sys.version_info = 3, 10; runpy.run_path('run.py', run_name='__main__')"
    )
    refusal = subprocess.run(
        [sys.executable, "-c", old], cwd=ROOT, capture_output=True, text=True, timeout=20
    )

    assert refusal.returncode == 1
    assert refusal.stderr.startswith("The shop needs Python 3.11 or newer; this is ")
    # What an old Python cannot even read, it cannot answer.
    ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 7))


def test_the_door_needs_the_standard_library_only() -> None:
    imported = {
        name.partition(".")[0]
        for file in (ROOT / "run.py", *ROOT.glob("tools/*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in imports(node)
    }

    assert imported - {"tools"} <= sys.stdlib_module_names


def imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_check_names_those_that_there_are() -> None:
    refusal = subprocess.run(
        [sys.executable, "run.py", "check", "ruff", "nonsense"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert refusal.returncode == 1
    assert refusal.stderr.startswith("run.py: There is no check 'nonsense': there are ruff, ")
