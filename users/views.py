"""Signing up, and the page of somebody who tried too many passwords."""

from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView

from core.problems import Problem, tell
from users.forms import RegistrationForm


class TooManyAttempts(Problem):
    status, slug = 429, "too-many-attempts"
    title = _("Too many attempts")
    detail = _("Please wait a quarter of an hour, then try again.")


class RegisterView(RedirectURLMixin, FormView):
    """Make an account and go on where the shopper came from, logged in."""

    form_class = RegistrationForm
    template_name = "users/register.html"
    next_page = settings.LOGIN_REDIRECT_URL

    def form_valid(self, form: RegistrationForm) -> HttpResponse:
        user = form.create()
        if user is None:
            return self.form_invalid(form)
        login(self.request, user, backend="django.contrib.auth.backends.ModelBackend")
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **{self.redirect_field_name: self.get_redirect_url()}, **kwargs
        )


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    refusal = tell(request, TooManyAttempts())
    refusal["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME * 3600))
    return refusal
