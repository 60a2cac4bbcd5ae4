"""Markup stays text, whoever wrote it and wherever it is shown; what got in does not run."""

import json
import re
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import Error as BrowserError

from e2e.attacks.markup import MARKUP, PASSWORD, Marks
from e2e.attacks.merchant import Merchant, server
from e2e.conftest import NewPage
from e2e.steps import House, log_in

# What is typed into forms and addresses; kept nowhere, but shown again.
TYPED = MARKUP[1].replace("{mark}", "mk999k")
LIST = re.compile(r"/admin/\w+/\w+/$")
# Those whose forms ask for a reason.
BUTTON = re.compile(r"/\d+/(refund|decline|resolve)/$")
JQUERY = "/static/admin/js/vendor/jquery/jquery.min.js"
FILL = "from e2e.attacks.markup import fill; fill()"
# How many elements came of markup, and which marks stand there as texts, markup and all.
LOOK = r"""() => {
  const texts = [document.documentElement.textContent];
  for (const element of document.querySelectorAll("*"))
    texts.push(element.value ?? "", ...[...element.attributes].map((one) => one.value));
  return {
    elements: document.querySelectorAll("[data-injected], xss").length,
    marks: [...texts.join("\n").matchAll(/(mk\d{3}k)'"></g)].map((found) => found[1]),
  };
}"""


@pytest.fixture(scope="module")
def mess(house: House) -> Any:
    """What stands where in a shop that is full of markup, and at which addresses."""
    told = house.manage("shell", "-c", FILL)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout.splitlines()[-1])


class Watch:
    """Looks at pages: no element came of markup, and nothing was asked for by one."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seen: set[str] = set()
        self.wrong: list[str] = []
        page.on("request", self.note)

    def note(self, request: Any) -> None:
        if urlsplit(request.url).path.startswith("/injected"):
            self.wrong.append(f"{self.page.url} asked for {request.url}")

    def visit(self, address: str) -> None:
        try:
            self.page.goto(address)
        except BrowserError:
            # What is no page is not shown, but kept as a file.
            headers = self.page.request.get(address).headers
            assert headers["content-disposition"].startswith("attachment"), address
        else:
            self.look()

    def look(self) -> set[str]:
        """Return the marks that stand on this page as text."""
        found = self.page.evaluate(LOOK)
        self.seen |= set(found["marks"])
        if found["elements"]:
            self.wrong.append(f"{self.page.url} has {found['elements']} elements of markup")
        return set(found["marks"])


def test_no_page_makes_elements_of_a_text(new_page: NewPage, mess: Any) -> None:
    page = new_page()
    log_in(page, mess["username"], PASSWORD)
    watch = Watch(page)

    for address in mess["addresses"]:
        watch.visit(address)
    page.goto("about:blank")  # no policy helps a mail program
    for letter in mess["letters"]:
        page.set_content(letter)
        watch.look()

    assert watch.wrong == []
    assert mess["not filled"] == []
    unseen = {field for field, mark in mess["marks"].items() if mark not in watch.seen}
    assert unseen == set()


def test_what_is_typed_comes_back_as_text(new_page: NewPage, house: House, mess: Any) -> None:
    page = new_page()
    watch = Watch(page)
    page.goto("/users/register/")
    page.fill("[name=username]", TYPED)
    for field in ("password1", "password2"):
        page.fill(f"[name={field}]", PASSWORD)
    page.click("form:has([name=password1]) [type=submit]")
    expect(page.locator("[name=username] ~ .error")).to_be_visible()
    assert "mk999k" in watch.look()
    for signed_by in ("alipay", "stranger", "none"):
        house.control("forge", forged(house, signed_by))
    log_in(page, mess["username"], PASSWORD)

    for address in ["/", *filter(LIST.fullmatch, mess["addresses"])]:
        page.goto(f"{address}?q={quote(TYPED)}")
        marks = watch.look()
        assert "mk999k" in marks or not page.locator("[name=q]").count(), address
    page.goto(f"/users/login/?next={quote(TYPED)}")
    watch.look()
    page.goto("/admin/payments/notice/")
    assert "mk999k" in watch.look()
    for address in filter(BUTTON.search, mess["addresses"]):
        page.goto(address)
        page.fill("[name=reason]", TYPED)
        with page.expect_navigation():
            page.click(".confirmation [type=submit]")
        watch.look()

    goods = "/admin/products/product/"
    for price in (TYPED, "1.00"):
        table = f'name,price,description\n"{quoted(TYPED)}","{quoted(price)}","{quoted(TYPED)}"\n'
        page.goto(f"{goods}import/")
        page.set_input_files("[type=file]", file(f"{TYPED.replace('/', ' ')}.csv", table))
        page.click(".desk [type=submit]")
        watch.look()
    expect(page.locator("#preview")).to_contain_text(TYPED[:50])

    name, group = (mess["marks"][field] for field in ("products.Product.name", "auth.Group.name"))
    for address, action, mark in (
        (goods, "change_prices", name),
        (goods, "correct_stock", name),
        ("/admin/auth/group/", "delete_selected", group),
    ):
        page.goto(f"{address}?q={mark}")
        page.check("#action-toggle")
        page.select_option("[name=action]", action)
        page.click("[name=index]")
        expect(page.locator("#result_list")).to_have_count(0)
        assert mark in watch.look()
    page.goto(f"{goods}{mess['product']}/change/")
    page.click("[name=_save]")
    expect(page.locator(".messagelist")).to_contain_text(name)
    watch.look()

    assert watch.wrong == []


def forged(house: House, signed_by: str) -> dict[str, Any]:
    names = ("trade_no", "trade_status", "notify_id", "subject", "out_trade_no")
    return {
        "out_trade_no": "markup-2",
        "fields": dict.fromkeys(names, TYPED),
        "sign_with": signed_by,
        "notify_url": f"{house.shop}/payments/alipay/notify/",
    }


def quoted(cell: str) -> str:
    return cell.replace('"', '""')


def file(name: str, text: str) -> Any:
    return {"name": name, "mimeType": "text/csv", "buffer": text.encode()}


def test_no_page_of_the_sandbox_makes_elements_of_a_text(new_page: NewPage, house: House) -> None:
    page, marks, merchant = new_page(base_url=house.sandbox), Marks(), Merchant()
    watch = Watch(page)
    number, of_app = "markup-1", f"?app_id={merchant.app_id}"
    about = {"name": marks.text("merchant.name", 64), "app_public_key": merchant.public_key}
    ids = {"app_id": merchant.app_id, "seller_id": merchant.seller_id}
    house.control("merchants", ids | about)
    house.control("settings", {"strict_subject": False}, method="PATCH")
    fault = {"kind": "refuse", "times": 1, "method": marks.text("fault.method", 128)}
    house.control("faults", fault | {"sub_code": marks.text("fault.sub_code", 64)}, method="POST")
    wanted = {
        "out_trade_no": number,
        "total_amount": "9.90",
        "subject": marks.text("subject", 256),
        "product_code": "FAST_INSTANT_TRADE_PAY",
        "body": marks.text("body", 400),
        "passback_params": marks.text("passback_params", 512),
        "store_id": "'\"><xss>",
        "quit_url": f"http://127.0.0.1:9/{TYPED}",
    }

    with server(marks.text("answer to a notice", 400)) as address:
        query = merchant.query(
            method="alipay.trade.page.pay",
            biz_content=json.dumps(wanted),
            notify_url=address + marks.text("notify_url", 20),
            return_url=f"http://127.0.0.1:9/{TYPED}",
        )
        watch.visit(f"/gateway.do?{query}")
        cashier = page.url
        page.fill("[name=logon_id]", TYPED)
        page.fill("[name=password]", "wrong")
        page.click("form[action$='/login/'] [type=submit]")
        expect(page.locator("#error")).to_be_visible()
        watch.look()
        house.control(f"trades/{number}/pay{of_app}", {})
        refund = {"refund_amount": "1.00", "out_request_no": marks.text("out_request_no", 64)}
        refund["refund_reason"] = marks.text("reason of a refund", 256)
        house.control(f"trades/{number}/refund{of_app}", refund)
        strange = {"method": marks.text("method", 64), "biz_content": marks.text("content", 400)}
        for query in (merchant.query(**strange), f"app_id={quote(marks.text('app_id', 64))}"):
            watch.visit(f"/gateway.do?{query}")
        page.goto(f"/notices/?q={quote(TYPED)}")
        expect(page.locator("main")).to_contain_text(marks.of["answer to a notice"])

    reached, ahead = set(), [house.sandbox + "/", cashier]
    while ahead:
        place = ahead.pop()
        watch.visit(place)
        reached.add(place)
        links = page.eval_on_selector_all("a[href]", "all => all.map((one) => one.href)")
        for link in (link.partition("#")[0].partition("?")[0] for link in links):
            is_theirs = "/trades/" in link and merchant.app_id not in link
            if link.startswith(house.sandbox) and not is_theirs and link not in reached:
                ahead.append(link)

    assert watch.wrong == []
    assert {what for what, mark in marks.of.items() if mark not in watch.seen} == set()


@pytest.mark.parametrize("address", ["/", "/admin/login/", "/api/docs"])
def test_a_file_of_ours_does_not_run_where_markup_names_it(
    browser: Browser, house: House, address: str
) -> None:
    """The policy is what holds: the same tag runs when it has the nonce of its page."""
    page = browser.new_page(base_url=house.shop)
    tag = f"<script {{}} src='{JQUERY}' data-injected></script>"

    def inject(nonce: str) -> None:
        def into(route: Route) -> None:
            answer = route.fetch()
            policy = answer.headers["content-security-policy"]
            own = re.search("'nonce-([^']+)'", policy)
            assert own
            injected = tag.format(f"nonce='{nonce or own[1]}'")
            injected += "<img src='/nothing' onerror='document.title=1' data-injected>"
            route.fulfill(response=answer, body=answer.text().replace("</body>", injected))

        page.unroute_all()
        page.route(f"**{address}", into)
        page.goto(address)
        assert page.evaluate(LOOK)["elements"] == 2
        assert page.title() != "1"

    inject("guessed")
    assert not page.evaluate("Boolean(window.jQuery || window.django?.jQuery)")
    inject("")
    assert page.evaluate("Boolean(window.jQuery)")
    page.close()


def test_htmx_runs_no_script_and_asks_nobody_else(page: Page, house: House) -> None:
    for address in (house.shop, house.sandbox):
        page.goto(address)
        config = page.evaluate("htmx.config")
        names = ("allowEval", "allowScriptTags", "selfRequestsOnly")
        assert [config[name] for name in names] == [False, False, True]
