"""The shop looks right whether or not its static files were collected."""

import re
from typing import Any

from django.core.management import call_command
from django.test import Client


def test_pages_name_plain_files_that_are_served(client: Client, db: None) -> None:
    page = client.get("/").content.decode()

    for address in re.findall(r'/static/[^"]+', page):
        response = client.get(address)
        assert response.status_code == 200, address
        response.close()
    assert "/static/core/shop.css" in page


def test_collected_files_have_their_hash_in_the_name(
    client: Client, db: None, settings: Any, tmp_path: Any
) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES}  # a new storage, which reads the new manifest
    call_command("collectstatic", interactive=False, verbosity=0)
    settings.STORAGES = {**settings.STORAGES}

    page = client.get("/").content.decode()

    assert re.search(r"/static/core/shop\.[0-9a-f]{12}\.css", page)
    assert (tmp_path / re.findall(r'/static/(core/shop\.[^"]+)', page)[0]).exists()
