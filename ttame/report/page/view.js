"use strict";
const data = JSON.parse(document.getElementById("data").textContent);

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function options(select, entries, wanted) {
  select.replaceChildren(...entries.map(([value, text]) => element("option", text, { value })));
  if (entries.some(([value]) => value === wanted)) select.value = wanted;
}

// What differs from the page as it opens stands in the address, so that a link opens the same view again.
const view = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

function writeView() {
  const bare = location.href.split("#")[0];
  const address = view.size ? `${bare}#${view}` : bare;
  if (address === location.href) return;
  try {
    history.replaceState(null, "", address);
  } catch {
    // Safari refuses more than a hundred in half a minute; the next change writes this one, too.
  }
}

function remember(key, value, usual) {
  if (value === usual || value === null) view.delete(key);
  else view.set(key, value);
  writeView();
}

function remembered(key, usual) {
  return view.has(key) ? view.get(key) : usual;
}

function rememberedList(key, usual = []) {
  return view.has(key) ? view.get(key).split(" ").filter(Boolean) : usual;
}

// A link to a section keeps the view; an address with another view is opened anew.
window.addEventListener("hashchange", () => {
  if (location.hash.includes("=")) location.reload();
  else if (view.size) remember("at", location.hash.slice(1), "");
});

// Kinds of methods and parts of the table that are shown or not, everywhere on the page.
const hidden = new Set(rememberedList("without"));
const onKinds = [];

function showKinds() {
  for (const one of document.querySelectorAll("main [data-kind]")) one.hidden = hidden.has(one.dataset.kind);
  for (const button of document.querySelectorAll("[data-toggle-kind]"))
    button.setAttribute("aria-pressed", !hidden.has(button.dataset.toggleKind));
  onKinds.forEach((redraw) => redraw());
}

for (const button of document.querySelectorAll("[data-toggle-kind]")) {
  button.addEventListener("click", () => {
    const kind = button.dataset.toggleKind;
    if (!hidden.delete(kind)) hidden.add(kind);
    remember("without", [...hidden].join(" "), "");
    showKinds();
  });
}

const parts = new Set(rememberedList("plain"));
function showParts() {
  for (const button of document.querySelectorAll("[data-toggle]")) {
    const part = button.dataset.toggle;
    button.setAttribute("aria-pressed", !parts.has(part));
    document.body.classList.toggle(`no-${part}`, parts.has(part));
  }
  window.dispatchEvent(new Event("resize"));
}

for (const button of document.querySelectorAll("[data-toggle]")) {
  button.addEventListener("click", () => {
    if (!parts.delete(button.dataset.toggle)) parts.add(button.dataset.toggle);
    remember("plain", [...parts].join(" "), "");
    showParts();
  });
}

// On paper nothing can be opened.
let openedForPaper = [];
window.addEventListener("beforeprint", () => {
  openedForPaper = [...document.querySelectorAll("main details:not([open])")];
  for (const details of openedForPaper) details.open = true;
});
window.addEventListener("afterprint", () => openedForPaper.forEach((details) => { details.open = false; }));

// When everything is drawn.
function openView() {
  showKinds();
  showParts();
  document.getElementById(remembered("at", ""))?.scrollIntoView();
}
