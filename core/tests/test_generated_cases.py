"""Cases that nobody thought of: whatever the OpenAPI document allows or forbids, never a 500.

Schemathesis makes requests from the document and sends them to the running shop as a buyer who is
logged in. Each answer must be one that the document declares, in the shape that it declares.
"""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from conftest import login, make_order, make_product
from core.api import api
from users.models import User

pytestmark = pytest.mark.slow

TOKEN = "t" * 32
# Not every rule can be said in a document: a password may be too common. And the session is sent
# with every case, also where one is meant to be without.
NOT_SAID: list[Any] = [positive_data_acceptance, negative_data_rejection]


DOCUMENT = schemathesis.openapi.from_dict(json.loads(json.dumps(api.get_openapi_schema())))


@pytest.fixture
def headers(transactional_db: None) -> dict[str, str]:
    alice = User.objects.create_user("alice")
    make_order(alice, make_product(stock=1000))
    session = login(alice).cookies["sessionid"].value
    return {
        "Accept": "application/json",
        "Cookie": f"sessionid={session}; csrftoken={TOKEN}",
        "X-CSRFToken": TOKEN,
    }


@DOCUMENT.parametrize()
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_answer_is_declared(case: Case, shop: str, headers: dict[str, str]) -> None:
    case.call_and_validate(base_url=shop, headers=headers, excluded_checks=NOT_SAID)
