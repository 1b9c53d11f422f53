// One image large: two methods laid over each other, every map, and what the scores are made of.
const viewer = document.getElementById("viewer");
const stage = {
  at: document.getElementById("stage-slider"),
  opacity: document.getElementById("stage-opacity"),
  first: document.getElementById("stage-first"),
  second: document.getElementById("stage-second"),
};
const stageBox = document.querySelector(".stage");
const steps = { "viewer-before": -1, "viewer-after": 1 };
let opened = null;

// MoRF removes the most relevant pixels, so losing the class is good there; LeRF removes the least relevant ones.
function path(kept, good) {
  const cell = element("td", undefined, { class: "path" });
  for (const [share, stays] of Object.entries(kept)) {
    const right = stays === good;
    cell.append(element("span", `${share} ${right ? "✓" : "–"}`, { class: right ? "good" : "poor", title: `${share} % removed: the class is ${stays ? "kept" : "lost"}` }));
  }
  return cell;
}

function showStage() {
  const { gallery, image } = opened;
  const opacity = Number(stage.opacity.value) / 100;
  for (const [side, select] of [["left", stage.first], ["right", stage.second]])
    document.getElementById(`stage-${side}`).replaceChildren(picture(gallery, image, select.value || null, { opacity }));
  stageBox.style.setProperty("--at", stage.at.value);
}

function showScores(gallery, image, methods) {
  const scores = document.getElementById("viewer-scores");
  const shares = Object.keys(Object.values(image.scores)[0].masked).sort((a, b) => b - a);
  const headings = element("tr");
  const names = ["Method", ...shares.map((share) => `p at ${share} % ↑`), "Deletion ↓", "Insertion ↑", "MoRF: lost after removing %", "LeRF: kept after removing %"];
  for (const text of names) headings.append(element("th", text, { scope: "col" }));
  scores.tHead.replaceChildren(headings);
  const mean = (curve) => curve.slice(1).reduce((sum, value, index) => sum + (value + curve[index]) / 2, 0) / (curve.length - 1);
  scores.tBodies[0].replaceChildren(...methods.map((method) => {
    const of = image.scores[method];
    const row = element("tr", undefined, method === gallery.reference ? { class: "reference" } : {});
    row.append(element("th", gallery.titles[method], { scope: "row" }));
    for (const share of shares) row.append(element("td", (100 * of.masked[share]).toFixed(1)));
    row.append(element("td", (100 * mean(of.deletion)).toFixed(1)), element("td", (100 * mean(of.insertion)).toFixed(1)));
    row.append(path(of.morf, false), path(of.lerf, true));
    return row;
  }));
}

function showImage(gallery, image) {
  opened = { gallery, image };
  document.getElementById("viewer-title").textContent = `${image.class}: ${image.name}`;
  document.getElementById("viewer-facts").textContent =
    `Probability ${(100 * image.probability).toFixed(1)} %. Mean correlation of the methods' maps ${image.correlation}.`;
  const methods = shownMethods(gallery);
  document.getElementById("viewer-maps").replaceChildren(...[null, ...methods].map((method) => {
    const figure = element("figure");
    figure.append(picture(gallery, image, method), element("figcaption", method ? gallery.titles[method] : "Image"));
    return figure;
  }));
  showStage();
  showScores(gallery, image, methods);
  for (const id of Object.keys(steps)) document.getElementById(id).disabled = shownImages.length === 0;
  remember("image", image.name, "");
}

function openImage(gallery, image, method) {
  const { leader, methods } = gallery.picture;
  const titles = [["", "Image"], ...Object.entries(gallery.titles)];
  const wanted = [leader, gallery.reference, ...methods].filter(Boolean);
  const first = method ?? gallery.reference ?? wanted[0] ?? "";
  options(stage.first, titles, first);
  options(stage.second, titles, wanted.find((other) => other !== first) ?? "");
  showImage(gallery, image);
  viewer.showModal();
}

// From an image that the filters leave out, which a link may open, to the first or the last of those shown.
function step(by) {
  const place = shownImages.indexOf(opened.image);
  const next = place < 0 && by < 0 ? -1 : place + by;
  showImage(opened.gallery, shownImages.at(next % shownImages.length));
}

for (const [id, by] of Object.entries(steps)) document.getElementById(id).addEventListener("click", () => step(by));
for (const control of Object.values(stage)) control.addEventListener("input", showStage);
function moveLine(event) {
  if (!event.buttons) return;
  const box = stageBox.getBoundingClientRect();
  stage.at.value = (100 * (event.clientX - box.left)) / box.width;
  stageBox.style.setProperty("--at", stage.at.value);
}

stageBox.addEventListener("pointerdown", (event) => {
  stageBox.setPointerCapture(event.pointerId); // the line follows beyond the edge, too
  moveLine(event);
});
stageBox.addEventListener("pointermove", moveLine);
viewer.addEventListener("close", () => remember("image", null));

openView();
const linked = galleryNow().images.find((image) => image.name === remembered("image", null));
if (linked) openImage(galleryNow(), linked, null);
