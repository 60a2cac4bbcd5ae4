"""The sandbox as clients see it that other people wrote.

    npm alipay-sdk       the official one for Node, with ``validateSign: true``
    alipay-sdk-python    the official one for Python
    python-alipay-sdk    the one that most Python shops use

Each runs as a program of its own (``clients/``) that takes commands, one line of JSON each, so that
one table of cases is tried through all of them. The two official ones are nobody's dependency:
``tests/installed.py`` fetches them once into the user's cache folder. Where that cannot be done,
for want of Node, say, their tests are skipped and tell why (``pytest -rs``); where the environment
holds ``CI`` they fail.
"""
