// Sorting: the first click puts the better end on top, the next turns it round; cells without a value stay below.
function keyOf(cell) {
  const value = cell.dataset.value;
  if (value === undefined) return cell.textContent.trim();
  if (value === "") return null;
  return Number.isNaN(Number(value)) ? value : Number(value);
}

function sortBy(table, column, direction) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((cell) => cell.removeAttribute("aria-sort"));
  headings[column].setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].sort((one, two) => {
    const a = keyOf(one.cells[column]), b = keyOf(two.cells[column]);
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    const first = heading.dataset.better === "higher" ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const direction = heading.getAttribute("aria-sort") === first ? other : first;
    sortBy(table, column, direction);
    remember(`sort-${table.id}`, `${column} ${direction}`, "");
  }));
  const [column, direction] = rememberedList(`sort-${table.id}`);
  if (headings[column] && ["ascending", "descending"].includes(direction)) sortBy(table, Number(column), direction);
}

// A table that goes on beyond the right edge says how many columns are there.
function cueOf(scroller) {
  const box = scroller.querySelector(".wide");
  const cue = scroller.querySelector(".cue");
  const beyond = box.scrollWidth - box.clientWidth - box.scrollLeft > 4;
  scroller.classList.toggle("more", beyond);
  cue.hidden = !beyond;
  if (!beyond) return;
  const edge = box.getBoundingClientRect().right + 4;
  const cells = [...box.querySelectorAll("thead tr:first-child > *")];
  const count = cells.filter((cell) => cell.offsetWidth && cell.getBoundingClientRect().right > edge).length;
  cue.textContent = count ? `${count} more column${count === 1 ? "" : "s"} →` : "More →";
}

const scrollers = [...document.querySelectorAll(".scroller")];
for (const scroller of scrollers) {
  const box = scroller.querySelector(".wide");
  box.addEventListener("scroll", () => cueOf(scroller), { passive: true });
  scroller.querySelector(".cue").addEventListener("click", () => box.scrollBy({ left: 0.7 * box.clientWidth }));
}
window.addEventListener("resize", () => scrollers.forEach(cueOf));
onKinds.push(() => scrollers.forEach(cueOf));

// Copying what is shown of a table.
const LATEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "↑": "$\\uparrow$",
  "↓": "$\\downarrow$", "–": "--", "−": "$-$", "†": "$^\\dagger$", "τ": "$\\tau$" };
for (const character of "&%$#_{}") LATEX[character] = `\\${character}`;

function latexOf(text) {
  return [...text].map((character) => LATEX[character] ?? character).join("");
}

function shownCells(row) {
  return [...row.cells].filter((cell) => getComputedStyle(cell).display !== "none");
}

function plain(cell) {
  const copy = cell.cloneNode(true);
  copy.querySelectorAll("small, .tie, .badge").forEach((part) => part.remove());
  return copy.textContent.trim();
}

function latexCell(cell) {
  const text = latexOf(plain(cell));
  const mark = cell.querySelector(".best, .second")?.classList;
  const marked = mark?.contains("best") ? `\\textbf{${text}}` : mark ? `\\underline{${text}}` : text;
  return cell.querySelector(".tie") ? `${marked}$^\\approx$` : marked;
}

function rowsOf(table) {
  return [...table.rows].filter((row) => !row.hidden).map(shownCells);
}

function asCsv(table) {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return rowsOf(table).map((row) => row.map((cell) => quoted(plain(cell))).join(",")).join("\n") + "\n";
}

function asLatex(table) {
  const [head, ...body] = rowsOf(table);
  const line = (row) => `${row.map(latexCell).join(" & ")} \\\\`;
  return ["% \\usepackage{booktabs}", `\\begin{tabular}{l${"r".repeat(head.length - 1)}}`, "\\toprule", line(head), "\\midrule",
    ...body.map(line), "\\bottomrule", "\\end{tabular}", ""].join("\n");
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.body.appendChild(element("textarea", text));
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const scroller = button.closest(".scroller");
    const table = scroller.querySelector("table");
    await copy(button.dataset.copy === "csv" ? asCsv(table) : asLatex(table));
    scroller.querySelector("output").textContent = "Copied what is shown";
  });
}
