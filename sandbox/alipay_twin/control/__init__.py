"""The control API: for tests, in any language, to do what buyers, time and bad luck do.

One router a tag; what they do lies in ``actions``. No login: it listens on this machine alone, and
``server.origin_guard`` keeps web pages away. Errors are ``application/problem+json``.
"""
