/* How the page draws: one Vega view for each specification, filled again when the filters change, and the table with the
   same figures beside it. What is drawn is decided in page.js; what a chart looks like, in charts.py. */
"use strict";

const charts = (() => {
  const OPTIONS = { mode: "vega", renderer: "svg", actions: false, ast: true, tooltip: { theme: "custom" }, logLevel: 1 };
  const specifications = JSON.parse(document.querySelector("#specifications").textContent);
  const views = new Map();
  const drawn = [];

  /** Shows rows in a chart; `words` say the same to who cannot see it. Its view is made when there are rows first. */
  async function draw(name, rows, words) {
    const place = document.querySelector(`[data-chart="${name}"]`);
    const drawing = place.querySelector(".drawing");
    place.classList.toggle("is-empty", rows.length === 0);
    drawing.setAttribute("aria-label", words);
    if (rows.length === 0) return;
    if (!views.has(name)) {
      /* in an element of its own: Vega gives its container another role */
      const looks = specifications[place.dataset.kind];
      const data = looks.data.map((source) => (source.name === "rows" ? { ...source, values: rows } : source));
      views.set(name, window.vegaEmbed(drawing.firstElementChild, { ...looks, data }, OPTIONS).then(({ view }) => view));
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

  /** Fills a table: `columns` are texts, each row a list of cells, the first of them its head. A cell is a text, or
      [text, smaller text below, class]. */
  function fill(table, columns, rows) {
    const head = element("tr", null);
    columns.forEach((column) => head.append(element("th", column, { scope: "col" })));
    const body = rows.map((cells) => {
      const line = element("tr", null);
      cells.forEach((cell, place) => {
        const [text, below, look] = Array.isArray(cell) ? cell : [cell];
        const made = place === 0 ? element("th", text, { scope: "row" }) : element("td", text);
        if (below) made.append(element("small", below));
        if (look) made.className = look;
        line.append(made);
      });
      return line;
    });
    table.tHead.replaceChildren(head);
    table.tBodies[0].replaceChildren(...body);
  }

  return { draw, fit, fill, element };
})();
