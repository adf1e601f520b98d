/* How the page draws: one Vega view for each specification, filled again when the filters change, and the table with the
   same figures beside it. What is drawn is decided in page.js; what a chart looks like, in charts.py. */
"use strict";

const charts = (() => {
  const OPTIONS = { mode: "vega", renderer: "svg", actions: false, ast: true, tooltip: { theme: "custom" }, logLevel: 1 };
  let specifications;
  const views = new Map();
  const drawn = [];
  const sorted = new Map();
  const all = new Map();

  const choices = new Map();

  /** Loads Vega and the specifications, which come compressed. The policy of the page allows this one script by its hash. */
  async function load() {
    const [library, texts] = await Promise.all(["#library", "#specifications"].map((name) => (
      figures.unpack(document.querySelector(name).textContent)
    )));
    const script = document.createElement("script");
    script.textContent = library;
    document.head.append(script);
    specifications = JSON.parse(texts);
  }

  /** Shows rows in a chart; `words` say the same to who cannot see it. Its view is made when there are rows first. A click on
      a mark calls `choose` with its row. */
  async function draw(name, rows, words, choose = null) {
    const place = document.querySelector(`[data-chart="${name}"]`);
    const drawing = place.querySelector(".drawing");
    place.classList.toggle("is-empty", rows.length === 0);
    drawing.setAttribute("aria-label", words);
    choices.set(name, choose);
    drawing.classList.toggle("is-choice", choose !== null);
    if (rows.length === 0) return;
    if (!views.has(name)) {
      /* in an element of its own: Vega gives its container another role */
      const looks = specifications[place.dataset.kind];
      const data = looks.data.map((source) => (source.name === "rows" ? { ...source, values: rows } : source));
      views.set(name, window.vegaEmbed(drawing.firstElementChild, { ...looks, data }, OPTIONS).then(({ view }) => {
        view.addEventListener("click", (_, item) => { if (item?.datum) choices.get(name)?.(item.datum); });
        return view;
      }));
      drawn.push({ drawing, view: await views.get(name) });
      return;
    }
    const view = await views.get(name);
    await view.data("rows", rows).runAsync();
  }

  /** Gives every chart another width at once: paper is narrower than the window, and cannot be measured. */
  function fit(widthOf) {
    drawn.forEach(({ drawing, view }) => {
      view.width(widthOf(drawing.closest(".columns") !== null, drawing)).run();
    });
  }

  function element(tag, text, attributes = {}) {
    const made = document.createElement(tag);
    if (text !== null) made.textContent = text;
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    return made;
  }

  /** What a cell is worth where it is sorted: a number where it begins with one. */
  function worth(text) {
    const number = Number.parseFloat(text.replace(/[,▲▼ ]/g, ""));
    return Number.isNaN(number) ? text : number;
  }

  function order(table) {
    const { column, direction } = sorted.get(table) ?? {};
    if (column === undefined) return;
    const textOf = (row) => row.cells[column]?.firstChild?.textContent ?? "";
    const rank = (a, b) => {
      if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b, "en");
      return typeof a === "number" ? -direction : direction; /* what is not known comes last */
    };
    const rows = [...table.tBodies[0].rows].sort((a, b) => direction * rank(worth(textOf(a)), worth(textOf(b))));
    table.tBodies[0].replaceChildren(...rows);
    [...table.tHead.rows[0].cells].forEach((cell, place) => {
      if (place === column) cell.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    });
  }

  function heading(table, text, column) {
    const cell = element("th", null, { scope: "col" });
    const button = element("button", text, { type: "button", class: "sort" });
    button.addEventListener("click", () => {
      const before = sorted.get(table);
      const direction = before?.column === column ? -before.direction : (column === 0 ? 1 : -1);
      sorted.set(table, { column, direction });
      order(table);
    });
    cell.append(button);
    return cell;
  }

  /** The text of a cell in a CSV file: a number without separators, and nothing that a spreadsheet takes for a formula. */
  function field(text) {
    const plain = /^-?[\d,]+(\.\d+)?$/.test(text) ? text.replaceAll(",", "") : text.replace(/^(?=[=+\-@\t\r])/, "'");
    return `"${plain.replaceAll('"', '""')}"`;
  }

  function csv(table) {
    const text = (cell) => [...cell.childNodes].map((node) => node.textContent.trim()).filter(Boolean).join("; ");
    const rows = all.get(table) ?? [...table.tBodies[0].rows].map((row) => [...row.cells].map(text));
    const head = [...table.tHead.rows[0].cells].map(text);
    return [head, ...rows].map((row) => row.map(field).join(",")).join("\r\n");
  }

  /** Offers a table as a CSV file, with all of its rows where the page shows only the first. */
  function offer(table) {
    const region = table.closest(".scroll");
    const name = region.getAttribute("aria-label") ?? document.getElementById(region.getAttribute("aria-labelledby")).textContent;
    const button = element("button", "CSV", { type: "button", class: "csv", "aria-label": `Save as CSV: ${name}` });
    button.addEventListener("click", () => {
      const file = new Blob(["\uFEFF", csv(table), "\r\n"], { type: "text/csv" });
      const link = element("a", null, { href: URL.createObjectURL(file), download: `${name.replace(/^Table: /, "").replace(/\W+/g, "-").toLowerCase()}.csv` });
      link.click();
      URL.revokeObjectURL(link.href);
    });
    region.before(button);
  }

  /** Fills a table: `columns` are texts, each row a list of cells, the first of them its head. A cell is a text, or
      [text, smaller text below, class, address that it leads to]. Only the first rows are shown if `most` is given. */
  function fill(table, columns, rows, most = rows.length) {
    const parts = (cell) => (Array.isArray(cell) ? cell : [cell]);
    const head = element("tr", null);
    head.append(...columns.map((text, column) => heading(table, text, column)));
    const body = rows.slice(0, most).map((cells) => {
      const line = element("tr", null);
      cells.forEach((cell, place) => {
        const [text, below, look, address] = parts(cell);
        const made = element(place === 0 ? "th" : "td", address ? null : text, place === 0 ? { scope: "row" } : {});
        if (address) made.append(element("a", text, { href: address }));
        if (below) made.append(element("small", below));
        if (look) made.className = look;
        line.append(made);
      });
      return line;
    });
    table.tHead.replaceChildren(head);
    table.tBodies[0].replaceChildren(...body);
    all.delete(table);
    if (most < rows.length) all.set(table, rows.map((cells) => cells.map((cell) => parts(cell).slice(0, 2).filter(Boolean).join("; "))));
    order(table);
  }

  return { load, draw, fit, fill, offer, element };
})();
