"""The only entry point of the web server: nothing here is async.

A shop that is set up wrongly refuses to start, in the words of ``manage.py check``,
instead of taking money it cannot account for.
"""

import os

from django.core.management.base import BaseCommand
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

application = get_wsgi_application()
BaseCommand().check()
