"""What an operator may type about a product, in its own page and in the list."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from products.models import MAX_STOCK, Product
from products.pictures import PictureField


class ListRowForm(forms.ModelForm):
    """A row of the list. It remembers what the operator saw: what others change stays changed."""

    stock_difference = 0

    class Meta:
        model = Product
        fields = ("price", "is_on_sale")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = not isinstance(field, forms.FileField)


class ProductForm(ListRowForm):
    """The product's own page: with its picture, and with a reason when the stock changes."""

    # Whoever may not correct the stock may still say with how many a new product begins.
    may_correct_stock = True

    stock = forms.IntegerField(label=_("stock"), min_value=0, max_value=MAX_STOCK, initial=0)
    picture = PictureField(label=_("picture"), required=False)
    reason = forms.CharField(
        label=_("reason"),
        max_length=200,
        required=False,
        help_text=_("Why the stock changes; kept in the stock movements for good."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )

    class Meta:
        model = Product
        fields = (
            "category",
            "name",
            "description",
            "price",
            "stock",
            "picture",
            "is_on_sale",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and not self.may_correct_stock:
            self.fields["stock"].disabled = True

    @property
    def stock_difference(self) -> int:  # type: ignore[override]
        """By how many the operator changed the stock that they saw."""
        if self.fields["stock"].disabled:
            return 0
        seen = self.data.get(self["stock"].html_initial_name)
        return self.cleaned_data["stock"] - int(seen or 0)

    def clean(self) -> dict[str, Any] | None:
        seen = self.data.get(self["stock"].html_initial_name, "0")
        if not seen.isdecimal():
            raise forms.ValidationError(_("Please load the page again."))
        cleaned = super().clean()
        is_corrected = self.instance.pk and "stock" in self.cleaned_data and self.stock_difference
        if is_corrected and not self.cleaned_data.get("reason"):
            self.add_error("reason", _("Say why the stock changes."))
        return cleaned
