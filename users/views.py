"""Signing up, logging in, one's own account, and somebody who tried too many passwords."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView as DjangoLoginView
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, UpdateView

from core.problems import Problem, problem_response
from users.forms import AccountForm, RegistrationForm
from users.models import User


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


class LoginView(DjangoLoginView):
    template_name = "users/login.html"

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        form.get_user().learn_language()
        return super().form_valid(form)


class AccountView(LoginRequiredMixin, UpdateView):
    """Where one's letters go, and in which language."""

    form_class = AccountForm
    template_name = "users/account.html"
    success_url = reverse_lazy("users:account")
    # `user` is whoever is logged in, as it is in the database.
    context_object_name = "shopper"

    def get_object(self, queryset: Any = None) -> User:
        # Not request.user itself: a form that is refused leaves its words in its object.
        return User.objects.get(username=self.request.user.get_username())

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, _("Saved."))
        return super().form_valid(form)


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    refusal = problem_response(request, TooManyAttempts())
    refusal["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME * 3600))
    return refusal
