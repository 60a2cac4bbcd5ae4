"""/api/v1/users: signing up."""

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from core.operations import Text, refusals
from core.problems import InvalidInput
from users.forms import RegistrationForm
from users.models import User

router = Router()


class RegistrationIn(Schema):
    username: Text = Field(min_length=1, max_length=150)
    password: Text = Field(min_length=1, max_length=128)
    email: Text = Field("", max_length=254)


class UserOut(Schema):
    username: str


@router.post("", response={201: UserOut, **refusals(400, 413, 415, 422)})
def register(request: HttpRequest, account: RegistrationIn) -> Status[User]:
    """Make an account, by the rules of the page."""
    form = RegistrationForm(
        {
            "username": account.username,
            "password1": account.password,
            "password2": account.password,
            "email": account.email,
        }
    )
    user = form.create()
    if user is None:
        told: dict[str, list[str]] = {
            "password" if field.startswith("password") else field: [str(word) for word in words]
            for field, words in form.errors.items()
        }
        raise InvalidInput(next(iter(told.values()))[0], errors=told)
    return Status(201, user)
