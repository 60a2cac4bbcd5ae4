// The pages work without this. With it they stay up to date without flicker, clocks tick, and
// strings can be copied.

"use strict";

document.documentElement.classList.add("scripted");

// -- live pages -----------------------------------------------------------------------------------

// Change only what has changed: what is open stays open, what is typed stays typed.
function morph(shown, fresh) {
  if (shown.nodeName !== fresh.nodeName || (shown.id || "") !== (fresh.id || "")) {
    shown.replaceWith(fresh);
  } else if (shown.nodeType === Node.ELEMENT_NODE) {
    morphAttributes(shown, fresh);
    morphChildren(shown, fresh);
  } else if (shown.data !== fresh.data) {
    shown.data = fresh.data;
  }
}

function morphAttributes(shown, fresh) {
  const isOurs = (name) => name === "open" && shown.nodeName === "DETAILS";
  for (const { name, value } of [...fresh.attributes])
    if (!isOurs(name) && shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  for (const { name } of [...shown.attributes])
    if (!isOurs(name) && !fresh.hasAttribute(name)) shown.removeAttribute(name);
}

// A child with an id is known by it wherever it stands; the others by their place.
function morphChildren(shown, fresh) {
  let next = shown.firstChild;
  for (const child of [...fresh.childNodes]) {
    const twin = child.id
      ? [...shown.children].find((one) => one.id === child.id)
      : next && !next.id && next.nodeName === child.nodeName && next;
    if (twin && twin === next) next = next.nextSibling;
    else shown.insertBefore(twin || child, next);
    if (twin) morph(twin, child);
  }
  while (next) {
    const after = next.nextSibling;
    next.remove();
    next = after;
  }
}

htmx.defineExtension("morph", {
  isInlineSwap: (style) => style === "morph",
  handleSwap: (style, target, fragment) => {
    if (style !== "morph") return false;
    if (fragment.firstElementChild) morphChildren(target, fragment.firstElementChild);
    return [];
  },
});

// Nobody looks, or somebody is filling in a form or selecting a string: later.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id !== "live") return;
  const isFilling = document.activeElement?.matches("#live :is(input, select, textarea)");
  if (document.hidden || isFilling || !getSelection().isCollapsed) event.preventDefault();
});

// -- clocks ---------------------------------------------------------------------------------------

const BEIJING = new Intl.DateTimeFormat("sv-SE", {
  dateStyle: "short",
  timeStyle: "medium",
  timeZone: "Asia/Shanghai",
});
const bases = new WeakMap();

// The sandbox's clock, between one look at it and the next.
function tickClock(time) {
  let base = bases.get(time);
  if (base?.said !== time.dateTime) {
    base = { said: time.dateTime, at: performance.now() };
    bases.set(time, base);
  }
  const passed = (performance.now() - base.at) * time.dataset.rate;
  time.textContent = BEIJING.format(new Date(Date.parse(base.said) + passed));
}

// The time that is left to pay; when it is over, the page that says so.
function tickCountdown(time) {
  const left = Math.max(0, Math.ceil(time.dataset.seconds - performance.now() / 1000));
  const pad = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(left / 3600);
  time.textContent = `${hours ? `${hours}:` : ""}${pad(Math.floor(left / 60) % 60)}:${pad(left % 60)}`;
  if (left === 0) location.replace(time.dataset.over);
}

function tick() {
  document.querySelectorAll("time[data-rate]").forEach(tickClock);
  document.querySelectorAll("time[data-seconds]").forEach(tickCountdown);
}

tick();
setInterval(tick, 1000);

// -- copying --------------------------------------------------------------------------------------

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  const pre = button.closest("figure").querySelector("pre");
  try {
    await navigator.clipboard.writeText(pre.textContent);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  } catch {
    getSelection().selectAllChildren(pre);
  }
});
