// What the pages do more than they would without: each works, by links and forms, without this file.

// What only works with a script comes with it; and our words stand beside the quantity, not the
// browser's bubble above it.
function awaken(part) {
  const asleep = "[data-step], [data-theme-switch], [data-dismiss], .countdown";
  for (const element of part.querySelectorAll(asleep)) element.hidden = false;
  for (const input of part.querySelectorAll("#quantity")) input.form.noValidate = true;
  countDown();
}

// Buttons: the theme, one alert less, one piece less or more.
const buttons = {
  "[data-theme-switch]": () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
  },
  "[data-dismiss]": (button) => button.closest(".alert").remove(),
  "[data-step]": (button) => {
    const input = document.getElementById("quantity");
    const wanted = (Number.parseInt(input.value, 10) || 0) + Number(button.dataset.step);
    input.value = Math.min(Math.max(wanted, Number(input.min)), Number(input.max));
    input.dispatchEvent(new Event("input", { bubbles: true }));
  },
};

document.addEventListener("click", (event) => {
  for (const [selector, act] of Object.entries(buttons)) {
    const button = event.target.closest(selector);
    if (button) act(button);
  }
  for (const menu of document.querySelectorAll("[data-closes][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("[data-closes][open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

// A wrong quantity is told at once, in the words that the server has for it. The server checks
// all the same, and it alone knows how many are left by now.
function complaint(input) {
  const number = Number(input.value);
  if (input.validity.badInput || !/^-?\d+$/.test(input.value)) return input.dataset.whole;
  if (number < Number(input.min)) return input.dataset.least.replace("{ge}", input.min);
  if (number > Number(input.max)) return input.dataset.most.replace("{le}", input.max);
  return "";
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "quantity") return;
  document.getElementById("quantity-error").textContent = complaint(event.target);
  markQuantity();
});

function markQuantity() {
  const words = document.getElementById("quantity-error");
  document.getElementById("quantity")?.setAttribute("aria-invalid", words?.textContent.trim() !== "");
}

// The panel asks again and again how the payment stands. An answer that says nothing new is not
// shown: otherwise the button would be exchanged under the finger, and read out each time.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const shown = detail.target;
  if (!shown.matches("[data-state]")) return;
  const page = new DOMParser().parseFromString(detail.serverResponse, "text/html");
  const state = page.querySelector("[data-state]")?.dataset.state;
  if (state === shown.dataset.state) detail.shouldSwap = false;
});

document.addEventListener("htmx:load", (event) => awaken(event.target));

document.addEventListener("htmx:afterSettle", (event) => {
  markQuantity();
  if (event.target.id !== "results") return;
  // What was found is announced; whoever turned the page goes on from there.
  const found = document.querySelector("#results h2");
  document.getElementById("announcement").textContent = found.textContent;
  if (document.activeElement === document.body) found.focus({ preventScroll: true });
});

// While the shop cannot be reached, that is said once.
document.addEventListener("htmx:sendError", () => {
  const alerts = document.getElementById("alerts");
  if (alerts.querySelector("[data-unreachable]")) return;
  alerts.append(document.getElementById("unreachable").content.cloneNode(true));
  awaken(alerts);
});

document.addEventListener("htmx:afterOnLoad", () => {
  document.querySelector("#alerts [data-unreachable]")?.remove();
});

// How long there is left to pay.
function countDown() {
  for (const place of document.querySelectorAll("[data-countdown]")) {
    const left = new Date(place.dataset.countdown) - Date.now();
    const seconds = Math.max(0, Math.ceil(left / 1000));
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const shown = parts[0] ? parts : parts.slice(1);
    place.textContent = shown.map((part) => String(part).padStart(2, "0")).join(":");
  }
}

setInterval(countDown, 1000);
awaken(document);
