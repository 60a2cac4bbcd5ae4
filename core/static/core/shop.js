// What the pages do more than they would without: each works, by links and forms, without this file.

// The theme: light or dark, whatever the system says.
function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-theme-switch]")) return;
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
});

// The quantity: one less, one more. The server checks whatever is typed, and says what is wrong.
document.addEventListener("click", (event) => {
  const step = event.target.closest("[data-step]");
  if (!step) return;
  const input = step.parentElement.querySelector("input");
  const wanted = (Number.parseInt(input.value, 10) || 0) + Number(step.dataset.step);
  input.value = Math.min(Math.max(wanted, Number(input.min)), Number(input.max));
  input.dispatchEvent(new Event("input", { bubbles: true }));
});

// Our words beside the input instead of the browser's bubble; and what only works with a script.
function awaken(part) {
  for (const hidden of part.querySelectorAll("[data-step], [data-theme-switch], [data-countdown]")) {
    hidden.hidden = false;
  }
  for (const input of part.querySelectorAll("input[name=quantity]")) {
    input.form.noValidate = true;
  }
}

document.addEventListener("htmx:load", (event) => awaken(event.target));
awaken(document);

// A wrong quantity is marked as the words about it come and go.
document.addEventListener("htmx:afterSettle", () => {
  const words = document.getElementById("quantity-error");
  const input = document.getElementById("quantity");
  if (!words || !input) return;
  if (words.textContent.trim()) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
});

// How long there is left to pay.
function countDown() {
  for (const place of document.querySelectorAll("[data-countdown]")) {
    const seconds = Math.max(0, Math.floor((new Date(place.dataset.countdown) - Date.now()) / 1000));
    const two = (number) => String(number).padStart(2, "0");
    const hours = seconds >= 3600 ? `${Math.floor(seconds / 3600)}:` : "";
    place.lastElementChild.textContent =
      hours + `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
  }
}

setInterval(countDown, 1000);
document.addEventListener("htmx:load", countDown);
countDown();
