"""The letters, to look at; and the one thing to do: send one again."""

from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from core.admin import ReadOnly
from letters import post
from letters.models import Letter
from orders.models import Order


@admin.register(Letter)
class LetterAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("written_at", "order", "kind", "to", "copy", "status", "tries", "sent_at")
    list_filter = ("status", "kind", "language", "written_at")
    list_select_related = ("event__order",)
    list_per_page = 50
    search_fields = ("event__order__order_id", "event__order__user__username", "to")
    search_help_text = "order_id · username · email"
    change_form_template = "admin/letters/letter/change_form.html"
    fields = (
        *("order", "kind", "to", "language", "copy", "asked_by", "status", "tries"),
        *("due_at", "last_error", "written_at", "sent_at", "number", "text"),
    )

    @admin.display(description=_("order"), ordering="event__order")
    def order(self, letter: Letter) -> Order:
        return letter.event.order

    @admin.display(description=_("text"))
    def text(self, letter: Letter) -> str:
        """Show what the letter would say now."""
        try:
            return str(post.message_of(letter).body)
        except ObjectDoesNotExist as trouble:
            return str(trouble)

    def get_urls(self) -> list[URLPattern]:
        again = path(
            "<int:letter_id>/again/",
            self.admin_site.admin_view(self.again),
            name="letters_letter_again",
        )
        return [again, *super().get_urls()]

    def again(self, request: HttpRequest, letter_id: int) -> HttpResponse:
        """Ask whether it is meant; then write a copy, and let the worker send it."""
        if not request.user.has_perm("letters.resend_letter"):
            raise PermissionDenied
        letter = get_object_or_404(
            Letter.objects.select_related("event__order__user"), pk=letter_id
        )
        if request.method == "POST":
            copy = post.again(letter, by=request.user)
            self.log_change(request, letter, f"sent again to {copy.to}: copy {copy.copy}")
            messages.success(request, _("The letter is on its way; look here what became of it."))
            return redirect("admin:letters_letter_change", copy.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Send again"),
            "letter": letter,
            "to": letter.event.order.user.email or letter.to,
            "opts": self.opts,
        }
        return render(request, "admin/letters/letter/again.html", context)
