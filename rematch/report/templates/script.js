"use strict";
// Everything here is convenience: without scripts the page shows all its text, tables and drawings.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const status = document.getElementById("said");
  const say = (text) => { status.textContent = ""; setTimeout(() => { status.textContent = text; }, 30); };
  all(".tools").forEach((tools) => { tools.hidden = false; });

  // Colours: automatic, light or dark; remembered where the browser allows it.
  const store = (value) => {
    try { if (value === undefined) return localStorage.getItem("rematch-theme"); localStorage.setItem("rematch-theme", value); } catch { /* private window */ }
    return null;
  };
  const themes = all("[data-theme-choice]");
  const theme = (choice) => {
    if (choice === "auto") root.removeAttribute("data-theme"); else root.setAttribute("data-theme", choice);
    themes.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice)));
  };
  themes.forEach((button) => button.addEventListener("click", () => { theme(button.dataset.themeChoice); store(button.dataset.themeChoice); }));
  const remembered = store();
  if (remembered === "light" || remembered === "dark") theme(remembered);

  // Sorting: a button in every head; numbers by value, text by the reader's language; empty cells last; ties keep their order.
  const value = (row, column) => row.cells[column].dataset.v;
  const compare = (a, b) => {
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
  };
  const sort = (table, column) => {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    const order = heads[column].getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...body.rows].sort((a, b) => {
      const x = value(a, column), y = value(b, column);
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * compare(x, y);
    });
    body.append(...rows);
    say(`Sorted by ${heads[column].textContent.trim()}, ${order}`);
  };
  all("table[id]").forEach((table) => {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => sort(table, column));
      head.replaceChildren(button);
    });
  });

  // Filters: every word must occur in a row; a chip asks for one verdict.
  const filters = new Map();
  const filter = (id, change) => {
    const wanted = Object.assign(filters.get(id) || { words: [], verdict: "" }, change);
    filters.set(id, wanted);
    const rows = [...document.getElementById(id).tBodies[0].rows];
    let shown = 0;
    rows.forEach((row) => {
      const text = row.textContent.toLowerCase();
      const fits = wanted.words.every((word) => text.includes(word)) && (!wanted.verdict || [...row.cells].some((cell) => cell.classList.contains("kind-pill") && cell.dataset.v === wanted.verdict));
      row.hidden = !fits;
      shown += fits;
    });
    say(`${shown} of ${rows.length} rows`);
  };
  all("input[data-filter]").forEach((input) => input.addEventListener("input", () => {
    filter(input.dataset.filter, { words: input.value.toLowerCase().split(/\s+/).filter(Boolean) });
  }));
  all("[data-chip]").forEach((chip) => chip.addEventListener("click", () => {
    const on = chip.getAttribute("aria-pressed") !== "true";
    all("[data-chip]", chip.parentElement).forEach((other) => other.setAttribute("aria-pressed", String(on && other === chip)));
    filter(chip.dataset.table, { verdict: on ? chip.dataset.chip : "" });
  }));

  // Copying: the rows as shown, sorted and filtered. CSV holds raw values, Markdown and LaTeX what the page shows.
  const shown = (cell) => {
    const copy = cell.cloneNode(true);
    all("svg, [aria-hidden]", copy).forEach((part) => part.remove());
    all(".more", copy).forEach((more) => more.replaceWith(` (${more.textContent.trim()})`));
    return copy.textContent.replace(/\s+/g, " ").trim();
  };
  const csvCell = (text) => {
    const safe = /^[=+@\t\r]|^-(?![\d.])/.test(text) ? `'${text}` : text; // a spreadsheet must not run it
    return /[",\n\r]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  };
  const markdownCell = (text) => text.replace(/([\\|`*_<>[\]])/g, "\\$1");
  const latexSigns = { "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", $: "\\$", "#": "\\#", _: "\\_", "{": "\\{", "}": "\\}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
    "\u2212": "$-$", "\u00b1": "$\\pm$", "\u2013": "--", "\u2009": "\\,", "\u202f": "\\,", "\u2192": "$\\rightarrow$", "\u2190": "$\\leftarrow$", "\u2265": "$\\geq$", "\u2264": "$\\leq$", "\u00b2": "$^2$", "\u03c1": "$\\rho$" };
  const latexCell = (text) => text.replace(/[\\&%$#_{}~^\u2212\u00b1\u2013\u2009\u202f\u2192\u2190\u2265\u2264\u00b2\u03c1]/g, (sign) => latexSigns[sign]);
  const formats = {
    csv: (heads, rows) => [heads, ...rows.map((row) => row.map((cell) => cell.dataset.v))].map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n",
    markdown: (heads, rows, right) => [`| ${heads.map(markdownCell).join(" | ")} |`, `|${right.map((is) => (is ? "--:" : "---")).join("|")}|`, ...rows.map((row) => `| ${row.map((cell) => markdownCell(shown(cell))).join(" | ")} |`)].join("\n") + "\n",
    latex: (heads, rows, right) => [`\\begin{tabular}{${right.map((is) => (is ? "r" : "l")).join("")}}`, "\\hline", `${heads.map(latexCell).join(" & ")} \\\\`, "\\hline", ...rows.map((row) => `${row.map((cell) => latexCell(shown(cell))).join(" & ")} \\\\`), "\\hline", "\\end{tabular}"].join("\n") + "\n",
  };
  const copyOldWay = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  all("[data-copy]").forEach((button) => button.addEventListener("click", async () => {
    const table = document.getElementById(button.dataset.table);
    const heads = [...table.tHead.rows[0].cells];
    const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => [...row.cells]);
    const right = heads.map((head) => head.classList.contains("kind-number"));
    const text = formats[button.dataset.copy](heads.map((head) => head.textContent.trim()), rows, right);
    let done = true;
    try { await navigator.clipboard.writeText(text); } catch { done = copyOldWay(text); button.focus(); }
    say(done ? `Copied ${rows.length} row${rows.length === 1 ? "" : "s"} as ${button.dataset.copy}` : "The browser refused to copy");
    const label = button.textContent;
    button.textContent = done ? "Copied" : "Refused";
    setTimeout(() => { button.textContent = label; }, 1200);
  }));

  // Drawings: saved from the page alone, in the colours for paper, whatever the page shows.
  all("[data-save]").forEach((button) => button.addEventListener("click", () => {
    const drawing = button.closest("figure").querySelector("svg").cloneNode(true);
    const shownTheme = root.getAttribute("data-theme");
    root.setAttribute("data-theme", "light");
    const colours = getComputedStyle(root);
    const sheet = all("style").map((style) => style.textContent.match(/^\.f\d+\{.*\}$/gm) || []).flat().join("\n").replace(/var\((--[\w-]+)\)/g, (_, name) => colours.getPropertyValue(name).trim());
    if (shownTheme) root.setAttribute("data-theme", shownTheme); else root.removeAttribute("data-theme");
    const style = document.createElementNS("http://www.w3.org/2000/svg", "style");
    style.textContent = sheet;
    drawing.prepend(style);
    drawing.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    const link = document.createElement("a");
    link.download = `${button.dataset.save}.svg`;
    link.href = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(drawing))}`;
    link.click();
  }));

  // A link into a closed part opens it. Paper shows the parts that are open.
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    let part = target.closest("details");
    while (part) { part.open = true; part = part.parentElement.closest("details"); }
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
