// Bringing methods out of the charts; the id of a line is <chart>:<method>, with its seed or "band" behind.
const legend = [...document.querySelectorAll("#legend button")];
const usual = legend.filter((button) => button.getAttribute("aria-pressed") === "true").map((button) => button.dataset.method);
const out = new Set(rememberedList("out", usual));
const kindOf = new Map(legend.map((button) => [button.dataset.method, button.dataset.kind]));
const charts = [...document.querySelectorAll("figure svg")];
const lines = [...document.querySelectorAll('figure svg g[id*=":"]')].map((line) => [line, line.id.split(":")[1]]);

for (const [line, method] of lines) {
  const name = document.createElementNS("http://www.w3.org/2000/svg", "title");
  name.textContent = legend.find((button) => button.dataset.method === method)?.textContent ?? method;
  line.prepend(name);
}

function bringOut() {
  const shown = [...out].filter((method) => !hidden.has(kindOf.get(method)));
  for (const button of legend) button.setAttribute("aria-pressed", out.has(button.dataset.method));
  for (const [line, method] of lines) {
    line.classList.toggle("on", shown.includes(method));
    line.classList.toggle("off", hidden.has(kindOf.get(method)));
  }
  // A chart that has none of these methods stays as it is.
  for (const chart of charts) chart.classList.toggle("brought-out", chart.querySelector("g.on") !== null);
}

for (const button of legend) {
  button.addEventListener("click", () => {
    if (!out.delete(button.dataset.method)) out.add(button.dataset.method);
    remember("out", [...out].join(" "), usual.join(" "));
    bringOut();
  });
}
onKinds.push(bringOut);

// The interval plots: one measure at a time.
const dotsMeasure = document.getElementById("dots-measure");
dotsMeasure.value = remembered("measure", dotsMeasure.options[0]?.value);
if (!dotsMeasure.value) dotsMeasure.selectedIndex = 0;

function showDots() {
  for (const panel of document.querySelectorAll("#intervals .panel")) {
    const plots = [...panel.querySelectorAll(".dots")];
    for (const plot of plots) plot.hidden = plot.dataset.measure !== dotsMeasure.value;
    panel.querySelector(".without").hidden = plots.some((plot) => !plot.hidden);
  }
}

dotsMeasure.addEventListener("change", () => {
  remember("measure", dotsMeasure.value, dotsMeasure.options[0].value);
  showDots();
});
showDots();
