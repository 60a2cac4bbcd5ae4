"""A shop and its Alipay, whose clocks a test moves from day to day."""

from typing import Any

import pytest

from books.tests.time_travel import travelling
from conftest import Sandbox


@pytest.fixture
def world(db: None, sandbox: Sandbox) -> Any:
    with travelling(sandbox) as world:
        yield world
