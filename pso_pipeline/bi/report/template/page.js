/* The page itself: reads the filters, calls figures.js, fills the places of page.html. Add a section here together with
   its place in page.html; no rate is defined here, they come with the data. */
"use strict";

(async () => {
  const OTHERS = "All others";
  const LISTED = 15; /* bars of a breakdown; its table holds all */
  const SHARE = { format: "percent" };
  const find = (selector) => document.querySelector(selector);

  const counted = new Intl.NumberFormat("en-GB");
  const shared = new Intl.NumberFormat("en-GB", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const decimal = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const one = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
  const spoken = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
  const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
  const listed = new Intl.ListFormat("en-GB");
  const short = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric", timeZone: "UTC" });

  const data = await figures.load(find("#data").textContent);
  const rates = new Map(data.rates.map((rate) => [rate.name, rate]));
  const months = data.months.map((text) => ({ key: text.slice(0, 7), date: new Date(text) }));
  const hotels = [...data.hotels, ...data.other_hotels];
  const isAnyOut = hotels.some((hotel) => !hotel.is_counted);
  const labels = {
    hotel: hotels.map((hotel) => hotel.label),
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

  function duration({ hours, beyond }) {
    if (hours === null) return "–";
    if (beyond !== 0) return `${beyond > 0 ? "over" : "under"} ${duration({ hours, beyond: 0 })}`;
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
    const choices = (dimension, isOffered) => labels[dimension]
      .map((label, position) => [label, position])
      .filter(([, position]) => isOffered(position))
      .sort(([a, left], [b, right]) => (left >= data.hotels.length) - (right >= data.hotels.length) || a.localeCompare(b, "en"))
      .map(([label, position]) => choice(position, label));
    inputs.hotel.append(...choices("hotel", (position) => hotels[position].is_counted));
    if (isAnyOut) {
      inputs.hotel.options[0].textContent = "All hotels counted";
      const apart = charts.element("optgroup", null, { label: "In no total" });
      apart.append(...choices("hotel", (position) => !hotels[position].is_counted));
      inputs.hotel.append(apart);
    }
    const services = labels.service.map((label, position) => [label, position]);
    services.sort(([a], [b]) => a.localeCompare(b, "en"));
    inputs.service.append(...services.map(([label, position]) => choice(position, label)));
    const places = Object.values(data.counts).flatMap((table) => table.service);
    if (places.some((position) => position === services.length)) inputs.service.append(choice(services.length, OTHERS));
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
    const where = hotel === null ? (isAnyOut ? "all hotels counted" : "all hotels") : labelOf("hotel", hotel);
    const what = service === null ? "all services" : labelOf("service", service);
    const ends = [...new Set([from, to].map((month) => short.format(months[month].date)))];
    return `${where}, ${what}, ${ends.join(" to ")}`;
  }

  /** What must be known of the hotels whose figures are shown, or are not. */
  function caution(selection) {
    if (selection.hotel === null) {
      const created = hotels.map((hotel, position) => (hotel.is_counted ? 0
        : figures.sum("agg_orders_daily", data.roles.created, { ...selection, hotel: position })));
      const total = created.reduce((before, orders) => before + orders, 0);
      return isAnyOut ? ` Hotels that are no longer read, or not read to their end yet, are not among them; they have ${counted.format(total)} more.` : "";
    }
    const { status, as_of_utc: asOf, held_back_reason: reason } = hotels[selection.hotel];
    const age = asOf ? `its figures are as of ${moment.format(new Date(`${asOf}Z`))} UTC` : "it has no complete figures";
    return {
      "held back": ` The newest figures of this hotel are held back (${reason}): ${age}.`,
      "no longer read": ` This hotel is no longer read: ${age}.`,
      "not read to its end": " This hotel is not read to its end yet: orders are missing.",
    }[status] ?? "";
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
      showCard(card, duration(figures.quantile(quantile, bins)), `of ${counted.format(total)} cancellations with a time`, { isSmall });
    });
  }

  /** What can still change a rate that waits for no age: says what it is worth. */
  function unsettled(selection) {
    const [firm, resolved] = ["firm", "resolved"].map((role) => figures.sum("agg_orders_daily", data.roles[role], selection));
    if (firm === 0) return "No firm orders are selected.";
    return firm === resolved
      ? "Every firm order counted was resolved."
      : `Not final: ${shared.format((firm - resolved) / firm)} of the firm orders were still open when the data were read.`;
  }

  function isUnsettled(rate) {
    return rate.maturity_days === null && rate.format === "percent"
      && [data.roles.firm, data.roles.resolved].includes(rate.denominator) && rate.group !== "composition";
  }

  function listRates(selection) {
    const rows = data.rates.map((rate) => {
      const found = figures.rate(rate, selection);
      const note = isUnsettled(rate) ? ` ${unsettled(selection)}` : "";
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
      ? `${rate.label} by month. Last ${points.every((point) => point.is_complete) ? "" : "complete "}month with a figure: ` +
        `${last.name}, ${last.shown}. Every month is in the table below.`
      : `${rate.label} by month: no complete month with a figure in what is selected.`;
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
    const hollow = young.some((point) => point.rate !== null) ? " Where it has a point, that counts only the others." : "";
    const every = firm.size && [...firm.values()].some((orders) => orders > 0)
      ? `Every firm order shown was at least ${rate.maturity_days} days old when the data were read.`
      : "No firm orders are selected.";
    find("#cohort-note").textContent = (young.length
      ? `Shaded: ${young.length === 1 ? "a month" : `${young.length} months`} in which not all firm orders were ` +
        `${rate.maturity_days} days old when the data were read.${hollow}`
      : every) + few;
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
          isComplete ? (quotient.denominator ? "complete" : "no firm orders") : (quotient.denominator ? "not complete" : "too young"),
        ];
      },
    );
  }

  /* ---- cancellation curve ---- */

  /** Rows of one line, which all count the same orders. */
  function curveRows({ name, points, orders }, place) {
    return points.map(({ days, canceled }) => {
      const quotient = figures.quotient(SHARE, canceled, orders);
      return { series: name, place, days, rate: quotient.value, name: `${name}, day ${days}`, ...tooltip(SHARE, quotient) };
    });
  }

  function curveNote([first], tooYoung, shortest) {
    const shown = first.points.filter(({ days }) => [1, 7, 30, 90].includes(days))
      .map(({ days, canceled }) => `${shared.format(canceled / first.orders)} by day ${days}`);
    const canceled = shown.length ? `${first.name}: canceled ${listed.format(shown)}, of ${counted.format(first.orders)} firm orders.` : "";
    const young = first.leftOut > 0
      ? ` Not among them: ${counted.format(first.leftOut)} firm orders of months in whose hotel and service some order is younger.`
      : "";
    const missing = tooYoung.length
      ? ` Without a line: ${listed.format(tooYoung)}, where some order has been observed for less than ${shortest} days.`
      : "";
    return (canceled + young + missing).trim();
  }

  async function showCurve(selection) {
    const { lines: found, tooYoung, shortest } = figures.curves(selection);
    const rows = found.flatMap((line, place) => (line.orders >= data.small_group ? curveRows(line, place) : []));
    const note = curveNote(found, tooYoung, shortest);
    find("#curve-note").textContent = note;
    const longest = Math.max(...found.map(({ points }) => points.length));
    const body = data.curve.days.slice(0, longest).map((days, index) => [
      `Day ${days}`,
      ...found.map(({ points, orders }) => {
        if (!points[index]) return "–";
        const quotient = figures.quotient(SHARE, points[index].canceled, orders);
        return cell(SHARE, quotient, `${shown(SHARE, quotient.value)} of ${counted.format(orders)}`);
      }),
    ]);
    charts.fill(table("curve"), ["Age", ...found.map(({ name }) => name)], body);
    await charts.draw("curve", rows, `Share of firm orders canceled by age. ${note || "No orders selected."}`);
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
    const words = total ? `Cancellations by time to cancel; the largest part ${most.name}: ${most.shown}.` : "No cancellations selected.";
    await charts.draw("durations", total ? rows : [], words);
  }

  /* ---- check-in ---- */

  const OUTCOMES = ["Served", "Canceled", "Unresolved", "Still open"];

  /** Firm orders by what became of them, in the order of `OUTCOMES`; unresolved and open ones are Confirmed. */
  function outcomes([served, canceled, unresolved, firm]) {
    return [served, canceled, unresolved, firm - served - canceled - unresolved];
  }

  function outcomesNote(selection, of) {
    const firm = figures.sum("agg_orders_daily", data.roles.firm, selection);
    const [, , unresolved, open] = outcomes([...of.map((rate) => figures.rate(rate, selection).numerator), firm]);
    if (firm === 0) return "No firm orders are selected.";
    if (unresolved + open === 0) return "Every firm order selected was served or canceled.";
    const share = (orders) => `${counted.format(orders)} (${shared.format(orders / firm)})`;
    const parts = [
      open > 0 ? `${share(open)} were still open when the data were read and may yet be served or canceled` : "",
      unresolved > 0 ? `${share(unresolved)} are unresolved: still Confirmed long after their creation, so that nobody ` +
        "served or canceled them" : "",
    ];
    return `Of ${counted.format(firm)} firm orders, ${parts.filter(Boolean).join("; ")}.`;
  }

  async function showOutcomes(selection) {
    const of = ["check_in_rate", "cancellation_rate_to_date", "unresolved_share"].map((name) => rates.get(name));
    const found = of.map((rate) => figures.sumsBy(rate.table, rate.numerator, "month", selection));
    const firms = figures.sumsBy("agg_orders_daily", data.roles.firm, "month", selection);
    const rows = [];
    const body = [];
    for (let month = selection.from; month <= selection.to; month += 1) {
      const firm = firms.get(month) ?? 0;
      const counts = outcomes([...found.map((sums) => sums.get(month) ?? 0), firm]);
      body.push([short.format(months[month].date), ...[...counts, firm].map((orders) => counted.format(orders))]);
      if (firm === 0) continue;
      counts.forEach((orders, place) => {
        const quotient = figures.quotient(SHARE, orders, firm);
        rows.push({
          month: months[month].key, outcome: OUTCOMES[place], place, share: quotient.value,
          name: `${OUTCOMES[place]}, ${spoken.format(months[month].date)}`, ...tooltip(SHARE, quotient),
        });
      });
    }
    charts.fill(table("outcomes"), ["Month of creation", ...OUTCOMES, "Firm orders"], body);
    const note = outcomesNote(selection, of);
    find("#outcomes-note").textContent = note;
    await charts.draw("outcomes", rows, `What became of the firm orders of each month. ${note}`);
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
    const named = drawn.slice(0, 3).map((row) => `${row.label} ${row.shown}`);
    await charts.draw(name, drawn, `${rate.label}: ${named.join("; ") || "nothing to show"}. All figures are in the table below.`);
  }

  async function showCheckIns(selection) {
    const shares = data.rates.filter((rate) => rate.group === "check_in" && rate.denominator === rates.get("connector_check_in_share").denominator);
    await showBars("check-ins", "Share of served orders", { ...SHARE, label: "Online check-in of served orders" }, shares.map((rate) => [rate.label, figures.rate(rate, selection)]));
  }

  async function showBreakdowns(selection) {
    const rate = rates.get(find("#breakdown-rate").value);
    find("#breakdown-sentence").textContent = rate.sentence;
    find("#breakdown-note").textContent = isUnsettled(rate)
      ? `${unsettled(selection)} Groups differ by the age of their orders too.`
      : "";
    await Promise.all(["hotel", "service", "origin", "segment"].map(async (dimension) => {
      const named = dimension === "hotel" ? data.hotels.length : labels[dimension].length;
      const isOthers = (position) => position >= named;
      const entries = [...figures.rateBy(rate, dimension, selection)]
        .filter(([, quotient]) => quotient.denominator > 0)
        .sort(([a, left], [b, right]) => isOthers(a) - isOthers(b) || right.denominator - left.denominator)
        .map(([position, quotient]) => [labelOf(dimension, position), quotient]);
      find(`#more-${dimension}`).textContent = entries.length > LISTED
        ? `The first ${LISTED} of ${entries.length}; the table holds all.`
        : "";
      await showBars(`by-${dimension}`, dimension[0].toUpperCase() + dimension.slice(1), rate, entries);
    }));
  }

  /* ---- value ---- */

  const UNIT = 10000; /* amounts are in ten-thousandths */
  const valueOf = (name) => [...data.value_rates, ...data.value_measures].find((each) => each.name === name);

  /** An amount with as many decimals as its currency has; the code is in a column of its own. */
  function money(amount, currency) {
    if (amount === null) return "too large";
    try {
      return new Intl.NumberFormat("en-GB", { style: "currency", currency, currencyDisplay: "code" })
        .formatToParts(Number(amount) / UNIT)
        .map(({ type, value }) => (["currency", "literal"].includes(type) ? "" : value)).join("");
    } catch {
      return decimal.format(Number(amount) / UNIT); /* not a code of ISO 4217 */
    }
  }

  /** A rate of amounts as a text. */
  function valueShare(rate, numerator, denominator, currency) {
    if (numerator === null || denominator === null || !denominator) return "–";
    const value = Number(numerator) / Number(denominator);
    if (rate.format === "amount") return money(Math.round(value * UNIT), currency);
    return shown(rate, value);
  }

  /** The rates per currency of each currency and position in a dimension, as [position, currency, amounts by aggregate]. */
  function valueRows(dimension, selection) {
    const found = new Map();
    Object.entries(data.amounts).forEach(([name, { values }]) => Object.keys(values).forEach((aggregate) => {
      figures.amountsBy(name, aggregate, dimension, selection).forEach((sum, key) => {
        found.set(key, { ...found.get(key), [aggregate]: sum });
      });
    }));
    return [...found].map(([key, amounts]) => {
      const [currency, position] = key.split(" ");
      return { currency: Number(currency), position: Number(position), amounts };
    });
  }

  function valueColumns() {
    const [canceled, recovery, rebates] = ["canceled_value_share", "cancellation_fee_recovery", "rebate_share"].map(valueOf);
    const share = (rate) => ({ amounts }, currency) => valueShare(rate, amounts[rate.numerator], amounts[rate.denominator], currency);
    const sum = (aggregate) => ({ amounts }, currency) => money(amounts[aggregate] ?? 0n, currency);
    const revenue = valueOf("item_revenue").expression.split(" + ");
    const columns = [
      ["Ordered", sum(canceled.denominator)],
      ["Canceled", sum(canceled.numerator)],
      [canceled.label, share(canceled)],
      ["Cancellation fees", sum(recovery.numerator)],
      [recovery.label, share(recovery)],
    ];
    const ofAll = [
      [rebates.label, share(rebates)],
      ["Revenue", ({ amounts }, currency) => {
        const parts = revenue.map((each) => amounts[each] ?? 0n);
        return money(parts.includes(null) ? null : parts.reduce((before, part) => before + part, 0n), currency);
      }],
      ...["revenue_per_served_order", "average_items_per_order"].map(valueOf).map((rate) => [rate.label, share(rate)]),
    ];
    return { columns, ofAll };
  }

  function showValue(selection) {
    const { columns, ofAll } = valueColumns();
    const of = valueOf("canceled_value_share");
    const cells = (row, made) => made.map(([, make]) => make(row, data.currencies[row.currency]));
    const heads = (made) => made.map(([label]) => label);
    const totals = valueRows(null, selection).sort((a, b) => a.currency - b.currency);
    charts.fill(find("#value-currencies"), ["Currency", ...heads([...columns, ...ofAll])], totals.map((row) => [
      data.currencies[row.currency], ...cells(row, [...columns, ...ofAll]),
    ]));
    ["service", "hotel"].forEach((dimension) => {
      const rows = valueRows(dimension, selection).filter(({ amounts }) => amounts[of.denominator] || amounts[of.numerator]);
      const size = ({ amounts }) => Number(amounts[of.numerator] ?? 0n);
      rows.sort((a, b) => a.currency - b.currency || size(b) - size(a));
      const shownRows = data.currencies.flatMap((_, currency) => rows.filter((row) => row.currency === currency).slice(0, LISTED));
      charts.fill(find(`#value-${dimension}`), [dimension === "service" ? "Service" : "Hotel", "Currency", ...heads(columns)], shownRows.map((row) => [
        labelOf(dimension, row.position), data.currencies[row.currency], ...cells(row, columns),
      ]));
      find(`#value-more-${dimension}`).textContent = shownRows.length < rows.length
        ? `The ${LISTED} with the most canceled value of each currency; ${rows.length - shownRows.length} more are not shown.`
        : "";
    });
    find("#value").classList.toggle("is-empty", totals.length === 0);
    const chosen = hotels.filter((hotel, position) => (selection.hotel === null ? hotel.is_counted : position === selection.hotel));
    const [orders, items] = ["orders_without_items", "items_without_order"].map((name) => chosen.reduce((before, hotel) => before + hotel[name], 0));
    find("#value-note").textContent = orders + items === 0 ? "" : `Of all months and services, ${counted.format(orders)} orders have no known ` +
      `item, and ${counted.format(items)} items belong to no known order or reservation. The items are in these figures, such orders are not.`;
  }

  /* ---- days ahead ---- */

  const dayName = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });

  function aheadCell(found) {
    if (found === undefined) return "·";
    return [counted.format(found.booked), found.expected === null ? "–" : one.format(found.expected), ""];
  }

  function showAhead(selection) {
    const found = figures.ahead(selection);
    const keys = [...found.keys()].map((key) => key.split(" ").map(Number));
    const days = [...new Set(keys.map(([, , day]) => day))].sort((a, b) => a - b);
    const dates = days.map((day) => dayName.format(new Date(Date.parse(data.ahead.first) + day * 86400000)));
    const outlets = [...new Set(keys.map(([service]) => service))]
      .sort((a, b) => labelOf("service", a).localeCompare(labelOf("service", b), "en"));
    const rows = outlets.flatMap((service) => {
      const products = [...new Set(keys.filter(([of]) => of === service).map(([, product]) => product))]
        .sort((a, b) => data.ahead.products[a].localeCompare(data.ahead.products[b], "en"));
      return products.map((product) => [
        [data.ahead.products[product], labelOf("service", service), ""],
        ...days.map((day) => aheadCell(found.get(`${service} ${product} ${day}`))),
      ]);
    });
    charts.fill(find("#ahead-days"), ["Product and outlet", ...dates], rows);
    find("#ahead").classList.toggle("is-empty", rows.length === 0);
    const unknown = [...found.values()].some(({ expected }) => expected === null);
    const left = data.ahead.outdated.filter((hotel) => (selection.hotel === null ? hotels[hotel].is_counted : hotel === selection.hotel));
    find("#ahead-note").textContent = [
      selection.hotel === null && hotels.length > 1 ? "All hotels together: choose one for its own days." : "",
      unknown ? "“–”: fewer than 30 earlier items say what to expect." : "",
      left.length ? `Left out, since their items were read up to an earlier day: ${listed.format(left.slice(0, 5).map((hotel) => labelOf("hotel", hotel)))}` +
        `${left.length > 5 ? ` and ${left.length - 5} more` : ""}.` : "",
    ].filter(Boolean).join(" ");
  }

  /* ---- all of it ---- */

  async function show() {
    const selection = selected();
    const orders = figures.sum("agg_orders_daily", data.roles.created, selection);
    find("#selection").textContent = `Showing ${counted.format(orders)} orders: ${describe(selection)}.${caution(selection)}`;
    showCards(selection);
    listRates(selection);
    if (data.has_items) {
      showValue(selection);
      showAhead(selection);
    }
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
