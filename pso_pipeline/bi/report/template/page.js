/* The page itself: reads the filters, asks figures.js, fills the places of page.html. Add a section here together with
   its place in page.html; no rate is defined here, they come with the data. */
"use strict";

(async () => {
  const OTHERS = "All others";
  const SERIES = 4; /* quarters shown beside the whole, one colour each in page.css */
  const LISTED = 15; /* bars of a breakdown; its table holds all */
  const SHARE = { format: "percent" };
  const find = (selector) => document.querySelector(selector);

  const counted = new Intl.NumberFormat("en-GB");
  const shared = new Intl.NumberFormat("en-GB", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const decimal = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const one = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
  const spoken = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
  const short = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric", timeZone: "UTC" });

  const data = await figures.load(find("#data").textContent);
  const rates = new Map(data.rates.map((rate) => [rate.name, rate]));
  const months = data.months.map((text) => ({ key: text.slice(0, 7), date: new Date(text) }));
  const labels = {
    hotel: data.hotels.map((hotel) => hotel.label),
    service: data.services,
    origin: data.origins,
    segment: data.segments,
  };

  const labelOf = (dimension, position) => labels[dimension][position] ?? OTHERS;

  /* ---- texts ---- */

  function shown(rate, value) {
    if (value === null) return "–";
    return rate.format === "ratio" ? decimal.format(value) : shared.format(value);
  }

  function interval({ low, high }) {
    return low === null ? "" : `95% interval ${shared.format(low)} to ${shared.format(high)}`;
  }

  /** The cell of a table for a rate: with its interval below where there are few orders. */
  function cell(rate, quotient, text = shown(rate, quotient.value)) {
    return quotient.isSmall ? [text, interval(quotient), "is-small"] : text;
  }

  function basis(quotient) {
    return `${counted.format(quotient.numerator)} of ${counted.format(quotient.denominator)}`;
  }

  function tooltip(rate, quotient) {
    const parts = [shown(rate, quotient.value), quotient.isSmall ? "few orders" : "", interval(quotient)];
    return { shown: parts.filter(Boolean).join(", "), basis: basis(quotient) };
  }

  function duration(hours) {
    if (hours === null) return "–";
    if (hours < 1) return `${Math.round(hours * 60)} min`;
    return hours < 48 ? `${one.format(hours)} hours` : `${one.format(hours / 24)} days`;
  }

  function span(hours) {
    if (hours < 1) return `${Math.round(hours * 60)} min`;
    return hours <= 24 ? `${hours} h` : `${hours / 24} d`;
  }

  /* ---- filters ---- */

  const inputs = { hotel: find("#hotel"), service: find("#service"), from: find("#from"), to: find("#to") };

  function fillChoices() {
    const choice = (value, label) => charts.element("option", label, { value });
    ["hotel", "service"].forEach((dimension) => {
      const listed = labels[dimension].map((label, position) => [label, position]);
      listed.sort(([a], [b]) => a.localeCompare(b, "en"));
      const choices = listed.map(([label, position]) => choice(position, label));
      const places = Object.values(data.counts).flatMap((table) => table[dimension]);
      if (places.some((position) => position === listed.length)) choices.push(choice(listed.length, OTHERS));
      inputs[dimension].append(...choices);
    });
    ["from", "to"].forEach((end) => {
      inputs[end].append(...months.map(({ date }, position) => choice(position, short.format(date))));
    });
    reset();
  }

  function reset() {
    inputs.hotel.value = "";
    inputs.service.value = "";
    inputs.from.value = "0";
    inputs.to.value = String(months.length - 1);
  }

  function selected() {
    const position = (input) => (input.value === "" ? null : Number(input.value));
    const [from, to] = [Number(inputs.from.value), Number(inputs.to.value)];
    return { hotel: position(inputs.hotel), service: position(inputs.service), from, to };
  }

  /** Keeps the ends in order: the one that was not touched follows. */
  function keepOrder(touched) {
    const { from, to } = selected();
    if (from > to) inputs[touched === inputs.from ? "to" : "from"].value = touched.value;
  }

  function describe({ hotel, service, from, to }) {
    const where = hotel === null ? "all hotels" : labelOf("hotel", hotel);
    const what = service === null ? "all services" : labelOf("service", service);
    const ends = [...new Set([from, to].map((month) => short.format(months[month].date)))];
    return `${where}, ${what}, ${ends.join(" to ")}`;
  }

  /* ---- headline and list of rates ---- */

  function showCard(card, text, note, { isSmall = false, low = null, high = null } = {}) {
    card.querySelector(".value").textContent = text;
    card.querySelector(".basis").textContent = note;
    card.classList.toggle("is-small", isSmall);
    const sure = ["Only few orders", interval({ low, high })].filter(Boolean).join(": ");
    card.querySelector(".sure").textContent = isSmall ? sure : "";
  }

  function showRate(card, selection) {
    const rate = rates.get(card.dataset.rate);
    const found = figures.rate(rate, selection);
    showCard(card, shown(rate, found.value), `${basis(found)} orders`, found);
  }

  function showCards(selection) {
    document.querySelectorAll("[data-rate]").forEach((card) => showRate(card, selection));
    const created = figures.sum("agg_orders_daily", data.roles.created, selection);
    const firm = figures.sum("agg_orders_daily", data.roles.firm, selection);
    showCard(find('[data-card="orders"]'), counted.format(created), `${counted.format(firm)} of them firm`);
    const bins = figures.bins(selection);
    const total = bins.reduce((before, orders) => before + orders, 0);
    data.quantiles.forEach(({ measure, quantile }) => {
      const card = find(`[data-measure="${measure.name}"]`);
      const isSmall = total > 0 && total < data.small_group;
      showCard(card, duration(figures.quantile(quantile, bins)), `of ${counted.format(total)} cancellations`, { isSmall });
    });
  }

  /** How much of the firm orders is old enough for the longest headline: says what a rate to date is worth. */
  function maturity(selection) {
    const oldest = data.rates.reduce((a, b) => ((b.maturity_days ?? 0) > (a.maturity_days ?? 0) ? b : a));
    const mature = figures.sum(oldest.table, oldest.denominator, selection);
    const firm = figures.sum("agg_orders_daily", data.roles.firm, selection);
    return firm > 0 ? `${shared.format(mature / firm)} of its orders are ${oldest.maturity_days} days old` : "";
  }

  function listRates(selection) {
    const rows = data.rates.map((rate) => {
      const found = figures.rate(rate, selection);
      const stillRises = rate.group === "cancellation" && rate.maturity_days === null && rate.format === "percent";
      const note = stillRises ? ` Still rises: ${maturity(selection)}.` : "";
      const sure = found.isSmall ? `, ${interval(found)}` : "";
      const figure = [shown(rate, found.value), basis(found) + sure, found.isSmall ? "is-small" : ""];
      return [[rate.label, rate.sentence + note], figure];
    });
    charts.fill(find("#all-rates"), ["Rate", "Figure"], rows);
  }

  /* ---- cohorts ---- */

  function table(name) {
    return find(`[data-chart="${name}"] table`);
  }

  /** Cuts a line in stretches of complete and incomplete months, which share the month where one becomes the other. */
  function lines(points) {
    return points.flatMap((point, place) => {
      const { month, rate, is_complete: isComplete } = point;
      const next = points[place + 1];
      const line = (stretch) => ({ kind: "line", month, rate, stretch });
      const stretches = [isComplete ? "complete" : "incomplete"];
      if (isComplete && next && !next.is_complete) stretches.push("incomplete");
      return stretches.map(line);
    });
  }

  /** Rows of a chart by month: a point for every month, and the line through those with a rate. */
  function monthly(rate, selection, isComplete) {
    const found = figures.rateBy(rate, "month", selection);
    const points = [];
    for (let position = selection.from; position <= selection.to; position += 1) {
      const quotient = found.get(position) ?? figures.quotient(rate, 0, 0);
      const whole = isComplete(position, quotient);
      points.push({
        kind: "month",
        month: months[position].key,
        rate: quotient.value,
        low: quotient.low,
        high: quotient.high,
        is_complete: whole,
        look: quotient.isSmall ? "small" : (whole ? "complete" : "incomplete"),
        name: spoken.format(months[position].date) + (whole ? "" : ", not complete"),
        ...tooltip(rate, quotient),
        quotient,
      });
    }
    return points;
  }

  async function showMonthly(name, rate, points, columns, cells) {
    const known = points.filter((point) => point.rate !== null);
    const complete = known.filter((point) => point.is_complete);
    const last = complete[complete.length - 1];
    const words = last
      ? `${rate.label} by month. Last complete month: ${last.name}, ${last.shown}. Every month is in the table below.`
      : `${rate.label} by month: no complete month in what is selected.`;
    charts.fill(table(name), columns, points.map(cells));
    await charts.draw(name, known.length ? [...points, ...lines(known)] : [], words);
  }

  async function showCohorts(selection) {
    const rate = rates.get(find("#cohort-rate").value);
    const firm = figures.sumsBy(rate.table, data.roles.firm, "month", selection);
    const points = monthly(rate, selection, (month, { denominator }) => denominator === (firm.get(month) ?? 0));
    const young = points.filter((point) => !point.is_complete);
    const few = points.some((point) => point.look === "small")
      ? ` Grey, with the 95% interval: fewer than ${data.small_group} orders.`
      : "";
    find("#cohort-note").textContent = (young.length
      ? `Shaded: in ${young.length === 1 ? "this month" : `these ${young.length} months`} not all orders are ` +
        `${rate.maturity_days} days old yet, so the figure (hollow) can still change and is no trend.`
      : `All orders shown are at least ${rate.maturity_days} days old.`) + few;
    find("#cohort-sentence").textContent = rate.sentence;
    await showMonthly(
      "cohorts", rate, points,
      ["Month of creation", "Rate", "Canceled", `Orders ${rate.maturity_days} days old`, "Firm orders", "State"],
      ({ month, is_complete: isComplete, quotient }) => {
        const position = months.findIndex(({ key }) => key === month);
        return [
          short.format(months[position].date),
          cell(rate, quotient),
          counted.format(quotient.numerator),
          counted.format(quotient.denominator),
          counted.format(firm.get(position) ?? 0),
          isComplete ? "complete" : (quotient.denominator ? "not complete" : "too young"),
        ];
      },
    );
  }

  /* ---- cancellation curve ---- */

  function quarterOf({ date }) {
    return `${date.getUTCFullYear()} Q${Math.floor(date.getUTCMonth() / 3) + 1}`;
  }

  /** The whole selection and its last quarters, each a selection of its own. */
  function series(selection) {
    const quarters = new Map();
    for (let month = selection.from; month <= selection.to; month += 1) {
      const name = quarterOf(months[month]);
      const { from } = quarters.get(name) ?? { from: month };
      quarters.set(name, { ...selection, from, to: month });
    }
    const last = [...quarters].slice(-SERIES).reverse();
    return [["All months shown", selection], ...(quarters.size > 1 ? last : [])];
  }

  /** Rows of one line; it becomes incomplete where only the older orders have reached that age. */
  function curveRows(name, place, points) {
    const whole = points.length ? points[0].atRisk : 0;
    return points.flatMap((point, index) => {
      const quotient = figures.quotient(SHARE, point.canceled, point.atRisk);
      const row = (stretch) => ({
        series: name,
        place,
        days: point.days,
        rate: quotient.value,
        stretch,
        name: `${name}, day ${point.days}${point.atRisk < whole ? ", not complete" : ""}`,
        ...tooltip(SHARE, quotient),
      });
      /* the whole always ends with young orders: it is drawn through, and the counts say how many are in it */
      const isComplete = point.atRisk === whole || place === 0;
      const next = points[index + 1];
      const turns = isComplete && place > 0 && next && next.atRisk < whole;
      return [row(isComplete ? "complete" : "incomplete"), ...(turns ? [row("incomplete")] : [])];
    });
  }

  async function showCurve(selection) {
    const found = series(selection).map(([name, part]) => [name, figures.curve(part)]);
    const enough = found.map(([name, points]) => [name, points.filter((point) => point.atRisk >= data.small_group)]);
    const rows = enough.flatMap(([name, points], place) => curveRows(name, place, points));
    const all = found[0][1];
    const at = (age) => all.find((point) => point.days === age);
    const told = [1, 7, 30, 90].map(at).filter(Boolean)
      .map(({ days, atRisk, canceled }) => `${shared.format(canceled / atRisk)} by day ${days}`);
    find("#curve-note").textContent = told.length ? `Canceled so far: ${told.join(", ")}.` : "";
    const body = data.curve.days.map((days, index) => [
      `Day ${days}`,
      ...found.map(([, points]) => {
        if (!points[index]) return "–";
        const quotient = figures.quotient(SHARE, points[index].canceled, points[index].atRisk);
        return cell(SHARE, quotient, `${shown(SHARE, quotient.value)} of ${counted.format(quotient.denominator)}`);
      }),
    ]);
    charts.fill(table("curve"), ["Age", ...found.map(([name]) => name)], body);
    await charts.draw("curve", rows, `Share of orders canceled by age. ${told.join(", ") || "No orders selected."}.`);
  }

  /* ---- time to cancel ---- */

  async function showDurations(selection) {
    const found = figures.steps(figures.bins(selection));
    const total = found.reduce((before, { orders }) => before + orders, 0);
    const rows = found.map(({ end, orders }, place) => {
      const quotient = figures.quotient(SHARE, orders, total);
      const isLast = place === found.length - 1;
      const start = place === 0 ? "" : span(found[place - 1].end);
      const name = isLast ? `over ${start}` : (start ? `${start} to ${span(end)}` : `up to ${span(end)}`);
      const label = isLast ? "more" : span(end);
      return { place, label, share: quotient.value, name, ...tooltip(SHARE, quotient), quotient };
    });
    const most = rows.reduce((a, b) => (b.share > a.share ? b : a));
    charts.fill(table("durations"), ["Time to cancel", "Cancellations", "Share"], rows.map(({ name, quotient }) => [
      name, counted.format(quotient.numerator), shown(SHARE, quotient.value),
    ]));
    const words = total ? `Cancellations by time to cancel; most of them ${most.name}: ${most.shown}.` : "No cancellations selected.";
    await charts.draw("durations", total ? rows : [], words);
  }

  /* ---- check-in ---- */

  async function showOutcomes(selection) {
    const [arrived, canceled] = [rates.get("check_in_rate"), rates.get("cancellation_rate_to_date")];
    const [arrivals, cancellations] = [arrived, canceled].map((rate) => figures.rateBy(rate, "month", selection));
    const rows = [];
    const body = [];
    for (let month = selection.from; month <= selection.to; month += 1) {
      const firm = arrivals.get(month)?.denominator ?? 0;
      const parts = [arrivals.get(month)?.numerator ?? 0, cancellations.get(month)?.numerator ?? 0];
      const counts = [...parts, firm - parts[0] - parts[1]];
      body.push([short.format(months[month].date), ...[...counts, firm].map((orders) => counted.format(orders))]);
      if (firm === 0) continue;
      counts.forEach((orders, place) => {
        const quotient = figures.quotient(SHARE, orders, firm);
        const outcome = ["Checked in", "Canceled", "Still open"][place];
        rows.push({
          month: months[month].key, outcome, place, share: quotient.value,
          name: `${outcome}, ${spoken.format(months[month].date)}`, ...tooltip(SHARE, quotient),
        });
      });
    }
    charts.fill(table("outcomes"), ["Month of creation", "Checked in", "Canceled", "Still open", "Firm orders"], body);
    const whole = figures.rate(arrived, selection);
    await charts.draw("outcomes", rows, `What became of the firm orders of each month; checked in altogether ${shown(arrived, whole.value)}.`);
  }

  async function showSelfService(selection) {
    const rate = rates.get("connector_check_in_share");
    const points = monthly(rate, selection, () => true);
    await showMonthly("self-service", rate, points, ["Month of creation", "Share", "Counted"], ({ name, quotient }) => [
      name, cell(rate, quotient), basis(quotient),
    ]);
  }

  /* ---- bars ---- */

  /** Draws quotients as bars: `entries` are [label, quotient], in the order in which they are shown. */
  async function showBars(name, heading, rate, entries) {
    const rows = entries.map(([label, quotient], place) => ({
      place, label, rate: quotient.value, low: quotient.low, high: quotient.high,
      figure: shown(rate, quotient.value), look: quotient.isSmall ? "small" : "complete", name: label, ...tooltip(rate, quotient),
    }));
    charts.fill(table(name), [heading, "Rate", "Counted"], entries.map(([label, quotient]) => [
      label, cell(rate, quotient), basis(quotient),
    ]));
    const drawn = rows.filter((row) => row.rate !== null).slice(0, LISTED);
    const told = drawn.slice(0, 3).map((row) => `${row.label} ${row.shown}`);
    await charts.draw(name, drawn, `${rate.label}: ${told.join("; ") || "nothing to show"}. All figures are in the table below.`);
  }

  async function showCheckIns(selection) {
    const shares = data.rates.filter((rate) => rate.group === "check_in" && rate.denominator === rates.get("connector_check_in_share").denominator);
    await showBars("check-ins", "Share of checked-in orders", { ...SHARE, label: "Check-in" }, shares.map((rate) => [rate.label, figures.rate(rate, selection)]));
  }

  async function showBreakdowns(selection) {
    const rate = rates.get(find("#breakdown-rate").value);
    find("#breakdown-sentence").textContent = rate.sentence;
    find("#breakdown-note").textContent = rate.group === "cancellation" && rate.maturity_days === null
      ? `This rate still rises as orders grow older: ${maturity(selection)}. Compare groups of the same age only.`
      : "";
    await Promise.all(["hotel", "service", "origin", "segment"].map(async (dimension) => {
      const isOthers = (position) => position === labels[dimension].length;
      const entries = [...figures.rateBy(rate, dimension, selection)]
        .filter(([, quotient]) => quotient.denominator > 0)
        .sort(([a, left], [b, right]) => isOthers(a) - isOthers(b) || right.denominator - left.denominator)
        .map(([position, quotient]) => [labelOf(dimension, position), quotient]);
      find(`#more-${dimension}`).textContent = entries.length > LISTED
        ? `The ${LISTED} with the most orders; the table holds all ${entries.length}.`
        : "";
      await showBars(`by-${dimension}`, dimension[0].toUpperCase() + dimension.slice(1), rate, entries);
    }));
  }

  /* ---- all of it ---- */

  async function show() {
    const selection = selected();
    const orders = figures.sum("agg_orders_daily", data.roles.created, selection);
    find("#selection").textContent = `Showing ${counted.format(orders)} orders: ${describe(selection)}.`;
    showCards(selection);
    listRates(selection);
    await Promise.all([
      showCohorts(selection), showCurve(selection), showDurations(selection), showOutcomes(selection),
      showSelfService(selection), showCheckIns(selection), showBreakdowns(selection),
    ]);
    document.body.dataset.shown = describe(selection);
  }

  if (months.length === 0) return;
  fillChoices();
  document.body.classList.add("is-live");
  find("#filters").addEventListener("change", (event) => { keepOrder(event.target); show(); });
  find("#reset").addEventListener("click", () => { reset(); show(); });
  find("#cohort-rate").addEventListener("change", () => showCohorts(selected()));
  find("#breakdown-rate").addEventListener("change", () => showBreakdowns(selected()));
  window.addEventListener("beforeprint", () => charts.fit((isHalf) => (isHalf ? 320 : 670)));
  window.addEventListener("afterprint", () => charts.fit((isHalf, drawing) => drawing.clientWidth));
  await show();
})().catch((error) => {
  document.body.classList.add("is-broken");
  document.querySelector("#trouble").textContent = `The page could not be drawn: ${error.message}. A browser from 2023 or newer is needed.`;
  throw error;
});
