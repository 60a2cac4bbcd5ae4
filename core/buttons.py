"""What an operator may do about one row: buttons on its page in the admin.

    1. may they?    without the button's permission it is not shown, and its address is forbidden
    2. ask          GET says what will happen, and changes nothing
    3. do           POST calls the story; what it refuses is told in its own words
    4. log          either way, with the operator's name

Each `WithButtons` names its own; an app may give them to the page of an app below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse

from core.problems import Problem


@dataclass(frozen=True)
class Button:
    """``do`` is called with the row, ``by`` and the form's fields; it returns words of success."""

    name: str  # in the address and in the log
    permission: str
    label: Any
    confirmation: Callable[[Any], str]  # what will happen to this row
    do: Callable[..., Any]
    is_available: Callable[[Any], bool]
    form: type[forms.Form] = forms.Form
    initial: Callable[[Any], dict[str, Any]] = lambda row: {}
    is_harmless: bool = False  # pressed on the row's page, it does it at once
    is_destructive: bool = False  # there is no way back

    def url_name(self, model: type[Model]) -> str:
        return f"{model._meta.app_label}_{model._meta.model_name}_{self.name}"

    def address(self, row: Model) -> str:
        return reverse(f"admin:{self.url_name(type(row))}", args=[row.pk])


@dataclass(frozen=True)
class Link:
    """A button that stands on the page of another row, or a list of rows about this one."""

    permission: str
    label: Any
    address: Callable[[Any], str]
    is_available: Callable[[Any], bool] = lambda row: True
    asks: bool = True  # before anything happens
    is_harmless: bool = False
    is_destructive: bool = False


class WithButtons(admin.ModelAdmin):
    """Give the pages of a model their buttons, and each button its address."""

    buttons: ClassVar[Sequence[Button | Link]] = ()
    change_form_template = "admin/with_buttons.html"

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<int:row_id>/{button.name}/",
                self.admin_site.admin_view(partial(self.press, button=button)),
                name=button.url_name(self.model),
            )
            for button in self.buttons
            if isinstance(button, Button)
        ]
        return [*own, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        context["buttons"] = list(self.buttons_for(request, row)) if row else []
        return super().render_change_form(request, context, *args, **kwargs)

    def buttons_for(self, request: HttpRequest, row: Model) -> Iterator[dict[str, Any]]:
        for button in self.buttons:
            if request.user.has_perm(button.permission) and button.is_available(row):
                yield {
                    "label": button.label,
                    "address": button.address(row),
                    "asks": isinstance(button, Button) or button.asks,
                    "is_harmless": button.is_harmless,
                    "is_destructive": button.is_destructive,
                }

    def press(self, request: HttpRequest, row_id: int, *, button: Button) -> HttpResponse:
        if not (self.has_view_permission(request) and request.user.has_perm(button.permission)):
            raise PermissionDenied
        row = get_object_or_404(self.model, pk=row_id)
        back = redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", row.pk)
        data = request.POST if request.method == "POST" else None
        form = button.form(data, initial=button.initial(row))
        if form.is_valid() and self.do(request, row, button, form):
            return back
        context = {
            **self.admin_site.each_context(request),
            "title": button.label,
            "button": button,
            "confirmation": button.confirmation(row),
            "form": form,
            "row": row,
            "back": back.url,
            "opts": self.opts,
        }
        return render(request, "admin/button.html", context)

    def do(self, request: HttpRequest, row: Model, button: Button, form: forms.Form) -> bool:
        """Do it, tell and log what came of it; return False when the form is to be mended."""
        try:
            words = button.do(row, by=request.user, **form.cleaned_data)
        except Problem as refusal:
            self.log_change(request, row, f"{button.name}: refused, {refusal.slug}")
            return self.show_refusal(request, refusal, form)
        shown = [field.name for field in form.visible_fields()]
        chosen = ", ".join(f"{name} {form.cleaned_data[name]}" for name in shown)
        self.log_change(request, row, f"{button.name}: {chosen}" if chosen else button.name)
        messages.success(request, words)
        return True

    def show_refusal(self, request: HttpRequest, refusal: Problem, form: forms.Form) -> bool:
        """Say a refusal beside the field that is to blame, or on the page of the row."""
        to_blame = {name: words for name, words in refusal.errors.items() if name in form.fields}
        for name, words in to_blame.items():
            form.add_error(name, words)
        if not to_blame:
            messages.error(request, f"{refusal.title}: {refusal.detail or ''}".strip(": "))
        return not to_blame
