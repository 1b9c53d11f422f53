// The gallery: which images, in which order; rows are drawn while they are near the window, those that print at once.
const PRINTED = 8;
const TILE = 2 * 84; // pixels, for dense screens twice what it is shown at
const galleryTable = document.getElementById("gallery-table");
const filters = Object.fromEntries(["backbone", "score", "order", "class", "agreement", "confidence"]
  .map((name) => [name, document.getElementById(`filter-${name}`)]));
const confidenceSaid = document.getElementById("filter-confidence-said");
const usualFilters = {};
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) entry.target.fill();
    else entry.target.empty(); // thousands of drawings would fill the memory
  }
}, { rootMargin: "400px" });

function galleryNow() {
  return data.galleries[filters.backbone.value];
}

// What the address says, or else what is usual on this backbone: the address is the only memory that a filter has.
function fill(name, entries, usual) {
  const wanted = remembered(name, usual);
  options(filters[name], entries, entries.some(([value]) => value === wanted) ? wanted : usual);
  usualFilters[name] = usual;
}

function fillFilters() {
  const gallery = galleryNow();
  fill("score", gallery.measures.map(({ key, title }) => [key, title]), gallery.sharpest ?? gallery.measures[0]?.key ?? "");
  const classes = [...new Set(gallery.images.map((image) => image.class))].sort();
  fill("class", [["", "all"], ...classes.map((name) => [name, name])], "");
  const reference = gallery.titles[gallery.reference];
  const orders = [["agreement", "methods disagree most"], ["hardest", "hardest: worst mean score"]];
  if (reference) orders.push(["loss", `largest loss of ${reference} to the best other`]);
  orders.push(["confident", "most confident"], ["unsure", "least confident"]);
  for (const [method, title] of Object.entries(gallery.titles)) orders.push([`best:${method}`, `${title}, best first`], [`worst:${method}`, `${title}, worst first`]);
  fill("order", orders, "agreement");
}

// Of an image and a method, in the chosen measure: the score, and the score turned so that higher is better.
function scoreOf(gallery, image, method) {
  const place = gallery.measures.findIndex(({ key }) => key === filters.score.value);
  return image.qualities[method]?.[place] ?? null;
}

function worthOf(gallery, image, method) {
  const score = scoreOf(gallery, image, method);
  const measure = gallery.measures.find(({ key }) => key === filters.score.value);
  return score === null ? null : measure.better === "lower" ? -score : score;
}

function worths(gallery, image, without) {
  return Object.keys(gallery.titles)
    .filter((method) => gallery.kinds[method] !== "control" && method !== without)
    .map((method) => worthOf(gallery, image, method)).filter((worth) => worth !== null);
}

function keyOfOrder(gallery) {
  const [order, method] = filters.order.value.split(":");
  const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const ofMethod = (image, sign) => {
    const worth = worthOf(gallery, image, method);
    return worth === null ? Infinity : sign * worth; // images without a score stay below
  };
  return {
    agreement: (image) => image.correlation,
    hardest: (image) => mean(worths(gallery, image)),
    loss: (image) => worthOf(gallery, image, gallery.reference) - Math.max(...worths(gallery, image, gallery.reference)),
    confident: (image) => -image.probability,
    unsure: (image) => image.probability,
    best: (image) => ofMethod(image, -1),
    worst: (image) => ofMethod(image, 1),
  }[order];
}

function galleryRow(gallery, image, methods) {
  const row = element("tr");
  const name = element("th", undefined, { scope: "row" });
  name.append(element("b", image.class), element("br"), element("span", image.name), element("br"), `${(100 * image.probability).toFixed(1)} %`);
  row.append(name);
  const { decimals } = gallery.measures.find(({ key }) => key === filters.score.value) ?? {};
  const best = Math.max(...worths(gallery, image));
  const cells = [null, ...methods].map((method) => {
    const cell = row.appendChild(element("td", undefined, method ? { "data-kind": gallery.kinds[method] } : {}));
    const label = `Open ${image.name}, ${method ? gallery.titles[method] : "the image"}`;
    const tile = cell.appendChild(element("button", undefined, { class: "tile", type: "button", "aria-label": label }));
    tile.addEventListener("click", () => openImage(gallery, image, method));
    const score = method ? scoreOf(gallery, image, method) : null;
    const top = gallery.kinds[method] !== "control" && score !== null && worthOf(gallery, image, method) === best;
    if (method) cell.append(element("span", score === null ? "–" : score.toFixed(decimals), { class: top ? "score top" : "score" }));
    return [tile, method];
  });
  row.fill = () => cells.forEach(([tile, method]) => tile.replaceChildren(picture(gallery, image, method, { largest: TILE })));
  row.empty = () => cells.forEach(([tile]) => tile.replaceChildren());
  return row;
}

let shownImages = [];
let coming = 0;
function showGallery() {
  cancelAnimationFrame(coming);
  const gallery = galleryNow();
  const key = keyOfOrder(gallery);
  const { agreement, confidence } = filters;
  shownImages = gallery.images
    .filter((image) => agreement.value === "all" || image.agreement === agreement.value)
    .filter((image) => !filters.class.value || image.class === filters.class.value)
    .filter((image) => 100 * image.probability >= Number(confidence.value))
    .map((image, place) => [key(image), place, image])
    .sort(([a, i], [b, j]) => a - b || i - j).map(([, , image]) => image);
  const methods = shownMethods(gallery);
  const headings = element("tr");
  headings.append(element("td"), element("th", "Image", { scope: "col" }));
  for (const method of methods)
    headings.append(element("th", gallery.titles[method], { scope: "col", class: method === gallery.reference ? "reference" : "" }));
  galleryTable.tHead.replaceChildren(headings);
  const rows = shownImages.map((image) => galleryRow(gallery, image, methods));
  galleryTable.tBodies[0].replaceChildren(...rows);
  near.disconnect();
  rows.forEach((row, place) => {
    row.classList.toggle("printed", place < PRINTED);
    if (place < PRINTED) row.fill();
    else near.observe(row);
  });
  const measure = filters.score.selectedOptions[0]?.textContent ?? "no score";
  document.getElementById("gallery-count").textContent =
    `${shownImages.length} of ${gallery.images.length} images shown, by ${filters.order.selectedOptions[0].textContent}; below each map ${measure}, ★ the best of all methods`;
  confidenceSaid.textContent = `${confidence.value} %`;
  cueOf(galleryTable.closest(".scroller"));
}

for (const name of ["backbone", "agreement", "confidence"]) {
  usualFilters[name] = filters[name].value;
  filters[name].value = remembered(name, usualFilters[name]);
  if (!filters[name].value) filters[name].value = usualFilters[name];
}
fillFilters();
for (const control of Object.values(filters)) {
  control.addEventListener("change", () => {
    // Another backbone may lack the score, order or class, and usually shows others.
    if (control === filters.backbone) fillFilters();
    for (const [name, { value }] of Object.entries(filters)) remember(name, value, usualFilters[name]);
    showGallery();
  });
}
// On the way of the slider the table follows once a frame, and the address when it is let go.
filters.confidence.addEventListener("input", () => {
  cancelAnimationFrame(coming);
  coming = requestAnimationFrame(showGallery);
});
// The choices are in the way on a narrow screen, where one opens them.
document.getElementById("gallery-filters").open = window.matchMedia("(min-width: 40rem)").matches;
onKinds.push(showGallery);
