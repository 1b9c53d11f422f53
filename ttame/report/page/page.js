"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const OPACITY = 0.6;

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Sorting: the first click puts the better end on top, the next turns it round; cells without a value stay below.
function keyOf(cell) {
  const value = cell.dataset.value;
  if (value === undefined) return cell.textContent.trim();
  return value === "" ? null : Number(value);
}

function sortBy(table, column) {
  const headings = [...table.tHead.rows[0].cells];
  const heading = headings[column];
  const first = heading.dataset.better === "higher" ? "descending" : "ascending";
  const other = first === "ascending" ? "descending" : "ascending";
  const direction = heading.getAttribute("aria-sort") === first ? other : first;
  headings.forEach((cell) => cell.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].sort((one, two) => {
    const a = keyOf(one.cells[column]), b = keyOf(two.cells[column]);
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) =>
    heading.querySelector("button").addEventListener("click", () => sortBy(table, column)));
}

// Bringing methods out of the charts.
function showChosen() {
  const chosen = [...document.querySelectorAll("#legend [aria-pressed=true]")].map((button) => button.dataset.method);
  for (const chart of document.querySelectorAll("figure svg")) {
    chart.classList.toggle("chosen", chosen.length > 0);
    for (const line of chart.querySelectorAll('g[id*=":"]'))
      line.classList.toggle("on", chosen.includes(line.id.slice(line.id.indexOf(":") + 1)));
  }
}

for (const button of document.querySelectorAll("#legend button")) {
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
    showChosen();
  });
}
showChosen();

// Maps: one byte per cell, coloured here and laid over the image in grey.
function coloured(encoded, grid) {
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  const pixels = new ImageData(grid, grid);
  bytes.forEach((value, index) => pixels.data.set([...data.colours[value], 255], 4 * index));
  const canvas = element("canvas", undefined, { width: grid, height: grid });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

const photos = new Map();
function photoOf(image) {
  if (!photos.has(image)) {
    const photo = new Image();
    photo.src = image.photo;
    photos.set(image, photo.decode().then(() => photo));
  }
  return photos.get(image);
}

async function draw(canvas, image, encoded, grid) {
  const photo = await photoOf(image);
  canvas.width = photo.naturalWidth;
  canvas.height = photo.naturalHeight;
  const context = canvas.getContext("2d");
  context.filter = encoded ? "grayscale(1)" : "none";
  context.drawImage(photo, 0, 0);
  if (!encoded) return;
  context.filter = "none";
  context.globalAlpha = OPACITY;
  context.imageSmoothingQuality = "high";
  context.drawImage(coloured(encoded, grid), 0, 0, canvas.width, canvas.height);
}

function picture(gallery, image, method) {
  if (image.photo === null) return element("span", "the image is no longer there", { class: "gone" });
  const what = method ? `${gallery.titles[method]}, map of ` : "";
  const canvas = element("canvas", undefined, { role: "img", "aria-label": `${what}${image.name}, ${image.class}` });
  draw(canvas, image, method ? image.maps[method] : null, gallery.grid);
  return canvas;
}

// The gallery: rows are drawn when they come near the window.
const table = document.getElementById("gallery-table");
const backboneFilter = document.getElementById("filter-backbone");
const agreementFilter = document.getElementById("filter-agreement");
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    near.unobserve(entry.target);
    entry.target.fill();
  }
}, { rootMargin: "400px" });

function galleryRow(gallery, image) {
  const row = element("tr");
  const name = element("th", undefined, { scope: "row" });
  name.append(element("b", image.class), element("br"), image.name);
  row.append(name);
  const cells = [null, ...Object.keys(gallery.titles)].map((method) => {
    const cell = row.appendChild(element("td"));
    const label = `Open ${image.name}, ${method ? gallery.titles[method] : "the image"}`;
    const tile = cell.appendChild(element("button", undefined, { class: "tile", type: "button", "aria-label": label }));
    tile.style.minHeight = "84px";
    tile.addEventListener("click", () => open(gallery, image));
    return [tile, method];
  });
  row.fill = () => cells.forEach(([tile, method]) => tile.append(picture(gallery, image, method)));
  return row;
}

function showGallery() {
  const gallery = data.galleries[backboneFilter.value];
  const wanted = agreementFilter.value;
  const images = gallery.images.filter((image) => wanted === "all" || image.agreement === wanted);
  const headings = element("tr");
  for (const text of ["", "Image", ...Object.values(gallery.titles)]) headings.append(element("th", text, { scope: "col" }));
  table.tHead.replaceChildren(headings);
  const rows = images.map((image) => galleryRow(gallery, image));
  table.tBodies[0].replaceChildren(...rows);
  rows.forEach((row) => near.observe(row));
  document.getElementById("gallery-count").textContent = `${images.length} of ${gallery.images.length} images shown`;
}

backboneFilter.addEventListener("change", showGallery);
agreementFilter.addEventListener("change", showGallery);
showGallery();

// One image large: every map, and what the scores are made of.
const viewer = document.getElementById("viewer");

function path(kept) {
  const cell = element("td");
  for (const [share, stays] of Object.entries(kept)) {
    cell.append(element("span", `${share}${stays ? "✓" : "✗"} `, { class: stays ? "kept" : "lost" }));
  }
  return cell;
}

function open(gallery, image) {
  document.getElementById("viewer-title").textContent = `${image.class}: ${image.name}`;
  document.getElementById("viewer-facts").textContent =
    `Probability ${(100 * image.probability).toFixed(1)} %. Mean correlation of the methods' maps ${image.correlation}.`;
  const maps = [null, ...Object.keys(gallery.titles)].map((method) => {
    const figure = element("figure");
    figure.append(picture(gallery, image, method), element("figcaption", method ? gallery.titles[method] : "Image"));
    return figure;
  });
  document.getElementById("viewer-maps").replaceChildren(...maps);
  const scores = document.getElementById("viewer-scores");
  const shares = Object.keys(Object.values(image.scores)[0].masked).sort((a, b) => b - a);
  const headings = element("tr");
  const names = ["Method", ...shares.map((share) => `p at ${share} %`), "Deletion", "Insertion", "MoRF, % removed", "LeRF, % removed"];
  for (const text of names) headings.append(element("th", text, { scope: "col" }));
  scores.tHead.replaceChildren(headings);
  const mean = (curve) => curve.slice(1).reduce((sum, value, index) => sum + (value + curve[index]) / 2, 0) / (curve.length - 1);
  scores.tBodies[0].replaceChildren(...Object.entries(image.scores).map(([method, of]) => {
    const row = element("tr");
    row.append(element("th", gallery.titles[method], { scope: "row" }));
    for (const share of shares) row.append(element("td", (100 * of.masked[share]).toFixed(1)));
    row.append(element("td", (100 * mean(of.deletion)).toFixed(1)), element("td", (100 * mean(of.insertion)).toFixed(1)));
    row.append(path(of.morf), path(of.lerf));
    return row;
  }));
  viewer.showModal();
}
