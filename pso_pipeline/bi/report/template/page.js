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

  await charts.load();
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

  function length(hours) {
    if (hours < 1) return `${Math.round(hours * 60)} min`;
    return hours <= 24 ? `${hours} h` : `${hours / 24} d`;
  }

  /* ---- filters, whose state is the address ---- */

  const inputs = Object.fromEntries(["hotel", "service", "origin", "segment", "period", "from", "to"].map((name) => [name, find(`#${name}`)]));
  const WEEKS = { "7d": 1, "28d": 4, "13w": 13, "52w": 52 };
  const USUAL = "28d";
  const EVERY = { hotel: isAnyOut ? "All hotels counted" : "All hotels", service: "All services", origin: "All origins", segment: "All segments" };
  const choice = (value, label) => charts.element("option", label, { value });
  let state = {};

  /** The services, origins or segments that a selection has orders of. */
  function offered(dimension, { hotel }) {
    const found = new Set();
    Object.values(data.counts).forEach((table) => table.hotel.forEach((each, row) => {
      if (hotel === null || each === hotel) found.add(table[dimension][row]);
    }));
    return [...found].filter((position) => position >= 0)
      .map((position) => [labelOf(dimension, position), position])
      .sort(([a, left], [b, right]) => (left >= labels[dimension].length) - (right >= labels[dimension].length) || a.localeCompare(b, "en"));
  }

  function fillChoices() {
    inputs.hotel.placeholder = EVERY.hotel;
    const names = labels.hotel.map((label, position) => [label, position]).sort(([a], [b]) => a.localeCompare(b, "en"));
    find("#hotels").append(...names.map(([label, position]) => charts.element("option", null, {
      value: label, ...(hotels[position].is_counted ? {} : { label: `${label}, in no total` }),
    })));
    ["from", "to"].forEach((end) => {
      inputs[end].append(...months.map(({ date }, position) => choice(position, short.format(date))));
    });
  }

  /** Reads the address: what it does not name, or names wrongly, is not chosen. */
  function read() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const place = (list, text) => (text === null || !list.includes(text) ? null : list.indexOf(text));
    const hotel = place(hotels.map(({ key, label }) => key ?? label), asked.get("hotel"));
    const positionIn = (dimension) => {
      const text = asked.get(dimension);
      return offered(dimension, { hotel }).find(([label]) => label === text)?.[1] ?? null;
    };
    const last = months.length - 1;
    const period = asked.get("period") ?? USUAL;
    const [from, to] = (period.match(/^(\d{4}-\d{2})\.\.(\d{4}-\d{2})$/) ?? []).slice(1)
      .map((key) => months.findIndex((month) => month.key === key));
    const isRange = from >= 0 && to >= from;
    const isWindow = Object.hasOwn(WEEKS, period);
    return {
      hotel,
      service: positionIn("service"),
      origin: positionIn("origin"),
      segment: positionIn("segment"),
      weeks: isWindow ? WEEKS[period] : (isRange || period === "all" ? null : WEEKS[USUAL]),
      from: isRange ? from : 0,
      to: isRange ? to : last,
      rate: rates.has(asked.get("rate")) ? asked.get("rate") : find("#breakdown-rate option[selected]").value,
      order: ["rate", "orders", "name"].find((each) => each === asked.get("order")) ?? "excess",
      period: isRange ? "months" : (isWindow || period === "all" ? period : USUAL),
    };
  }

  /** The address of a state; parts that are as usual are left out. */
  function addressOf(part) {
    const { hotel, service, origin, segment, period, from, to, rate, order } = { ...state, ...part };
    const asked = new URLSearchParams();
    if (hotel !== null) asked.set("hotel", hotels[hotel].key ?? hotels[hotel].label);
    Object.entries({ service, origin, segment }).forEach(([name, position]) => {
      if (position !== null) asked.set(name, labelOf(name, position));
    });
    const text = period === "months" ? `${months[from].key}..${months[to].key}` : period;
    if (text !== USUAL) asked.set("period", text);
    if (rate !== find("#breakdown-rate option[selected]").value) asked.set("rate", rate);
    if (order !== "excess") asked.set("order", order);
    return `#${asked.toString() || "all="}`;
  }

  function go(part) {
    const address = addressOf(part);
    if (address === location.hash) show();
    else location.hash = address;
  }

  /** Writes a state into the filters. */
  function fillFilters() {
    inputs.hotel.value = state.hotel === null ? "" : labelOf("hotel", state.hotel);
    inputs.hotel.setCustomValidity("");
    ["service", "origin", "segment"].forEach((dimension) => {
      const found = offered(dimension, state);
      inputs[dimension].replaceChildren(choice("", EVERY[dimension]), ...found.map(([label, position]) => choice(position, label)));
      inputs[dimension].value = state[dimension] ?? "";
    });
    inputs.period.value = state.period;
    inputs.from.value = state.from;
    inputs.to.value = state.to;
    find("#filters").classList.toggle("has-months", state.period === "months");
    find("#breakdown-rate").value = state.rate;
    find("#breakdown-order").value = state.order;
  }

  /** The hotel that a text means: its name, or the only one with such a part. Undefined where that is not clear. */
  function hotelOf(text) {
    const wanted = text.trim().toLowerCase();
    if (wanted === "") return null;
    const names = labels.hotel.map((label) => label.toLowerCase());
    const found = names.flatMap((name, position) => (name.includes(wanted) ? [position] : []));
    const exact = names.indexOf(wanted);
    return exact >= 0 ? exact : (found.length === 1 ? found[0] : undefined);
  }

  /** Takes a change of a filter: a service that the hotel does not sell goes, and the ends of the period stay in order. */
  function take(input) {
    if (input === inputs.hotel) {
      const hotel = hotelOf(input.value);
      if (hotel === undefined) {
        input.setCustomValidity("No hotel, or several, have this in their name: choose one of the list.");
        input.reportValidity();
        return;
      }
      go({ hotel, ...Object.fromEntries(["service", "origin", "segment"].map((dimension) => [
        dimension, offered(dimension, { hotel }).some(([, position]) => position === state[dimension]) ? state[dimension] : null,
      ])) });
      return;
    }
    const position = input.value === "" ? null : Number(input.value);
    if (input === inputs.period) go({ period: input.value, from: 0, to: months.length - 1 });
    else if (input === inputs.from) go({ from: position, to: Math.max(position, state.to) });
    else if (input === inputs.to) go({ to: position, from: Math.min(position, state.from) });
    else go({ [input.id]: position });
  }

  /** The selection of what is shown by month: the months chosen, or all. */
  function ofMonths(selection) {
    return selection.weeks === null ? selection : { ...selection, weeks: null };
  }

  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  const dayOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  const DAY = 86400000;

  /** The last complete day of what is selected: of the hotel, or the newest of all. */
  function lastDay({ hotel }) {
    const days = hotels.filter((each, position) => (hotel === null ? each.is_counted : position === hotel)).map((each) => each.as_of_date).filter(Boolean);
    return days.length ? Date.parse(days.sort()[days.length - 1]) : null;
  }

  /** The days that a selection takes, `earlier` weeks before. */
  function span(selection, earlier = 0) {
    if (selection.weeks === null) {
      const ends = [...new Set([selection.from, selection.to].map((month) => short.format(months[month].date)))];
      return ends.join(" to ");
    }
    const last = lastDay(selection);
    if (last === null) return `${selection.weeks} weeks`;
    const end = last - 7 * earlier * DAY;
    const shownDay = selection.weeks > 13 ? dayOfYear : day;
    return `${shownDay.format(end - (7 * selection.weeks - 1) * DAY)} to ${shownDay.format(end)}`;
  }

  function describe(selection) {
    const where = selection.hotel === null ? EVERY.hotel.toLowerCase() : labelOf("hotel", selection.hotel);
    const parts = ["service", "origin", "segment"].filter((dimension) => dimension === "service" || selection[dimension] !== null)
      .map((dimension) => (selection[dimension] === null ? EVERY[dimension].toLowerCase() : labelOf(dimension, selection[dimension])));
    return [where, ...parts, span(selection)].join(", ");
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
    const isTogether = hotels[selection.hotel].is_detailed === false;
    return ({
      "held back": ` The newest figures of this hotel are held back (${reason}): ${age}.`,
      "no longer read": ` This hotel is no longer read: ${age}.`,
      "not read to its end": " This hotel is not read to its end yet: orders are missing.",
    }[status] ?? "") + (isTogether ? " On this page only larger hotels are divided by origin and segment." : "");
  }

  /* ---- what changed ---- */

  async function showChanges({ hotel }) {
    const found = data.changes.filter((change) => hotel === null || change.hotel === hotel).slice(0, document.querySelectorAll("#changes > li").length);
    const beyond = found.filter((change) => change.is_beyond_chance).length;
    const where = hotel === null ? "" : ` in ${labelOf("hotel", hotel)}`;
    const largest = beyond === 0 ? `Nothing changed beyond chance${where}. The largest differences are:` : (beyond === found.length
      ? `What changed${where}:` : `What changed${where}, and the largest other differences:`);
    find("#changed-headline").textContent = found.length ? largest
      : `There is too little history to say what changed${where}: that takes 5 weeks of orders.`;
    find("#changed-note").hidden = found.length === 0;
    await Promise.all([...document.querySelectorAll("#changes > li")].map(async (item, place) => {
      const change = found[place];
      item.hidden = change === undefined;
      if (change === undefined) return;
      item.classList.toggle("is-beyond", change.is_beyond_chance);
      item.querySelector(".subject").textContent = hotel === null || hotels.length > 1 ? change.subject : "";
      item.querySelector(".sentence").textContent = change.sentence;
      const link = item.querySelector(".leads");
      link.hidden = false;
      link.href = addressOf({
        hotel: change.hotel, service: change.service, origin: change.origin, segment: null,
        period: change.window_days === 7 ? "7d" : "28d", from: 0, to: months.length - 1,
      });
      const last = lastDay({ hotel: change.hotel });
      const what = change.kind === "orders" ? "orders" : "cancellations";
      const rows = change.weeks.map((number, week) => {
        const end = last - 7 * (change.weeks.length - 1 - week) * DAY;
        return {
          place: week, number, usual: change.usual_of_week,
          look: week >= change.weeks.length - change.window_days / 7 ? what : "before",
          name: `Week to ${day.format(end)}`, shown: `${counted.format(number)} ${what}`,
          basis: change.usual_of_week === null ? "" : `usually ${one.format(change.usual_of_week)}`,
        };
      });
      await charts.draw(`change-${place}`, rows, `Weekly ${what}, oldest first: ${change.weeks.join(", ")}.`);
    }));
  }

  /* ---- headline and list of rates ---- */

  function showCard(card, text, note, { isSmall = false, low = null, high = null } = {}) {
    card.querySelector(".value").textContent = text;
    card.querySelector(".basis").textContent = note;
    card.classList.toggle("is-small", isSmall);
    const sure = ["Only few orders", interval({ low, high })].filter(Boolean).join(": ");
    card.querySelector(".sure").textContent = isSmall ? sure : "";
  }

  /** Writes what a card's figure is compared with: [is it up, by how much, with what, is it beyond chance]. */
  function showDeltas(card, deltas) {
    card.querySelector(".deltas").replaceChildren(...deltas.map(([difference, text, than, isBeyond]) => {
      const line = charts.element("li", null);
      const sign = difference === null ? "" : (difference > 0 ? "▲ " : (difference < 0 ? "▼ " : "= "));
      line.append(charts.element("strong", `${sign}${text}`), ` ${than}`);
      line.classList.toggle("is-chance", !isBeyond);
      return line;
    }));
  }

  const points = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

  function beforeOf({ weeks, from, to }) {
    if (weeks === null) return from === to ? "the month before" : `the ${to - from + 1} months before`;
    return weeks > 4 ? `the ${weeks} weeks before` : `the ${7 * weeks} days before`;
  }

  /** With what a selection is compared; the year before a year is last year. */
  function comparisonsOf({ weeks }) {
    return weeks === 52 ? ["last_year"] : ["before", "last_year"];
  }

  /** The comparisons of a rate, each with hotels that are known in both periods. */
  function rateDeltas(rate, selection) {
    const earlier = data.weeks_earlier[rate.name];
    const isFinal = rate.maturity_days !== null || selection.weeks !== null || selection.to < months.length - 1;
    const deltas = isFinal ? comparisonsOf(selection).flatMap((comparison) => {
      const then = figures.compared(selection, comparison, earlier);
      if (then === null) return [];
      const was = figures.rate(rate, then);
      const now = figures.rate(rate, { ...selection, known: then.known });
      if (was.value === null || now.value === null) return [];
      const difference = 100 * (now.value - was.value);
      const than = comparison === "before" ? beforeOf(selection) : "last year";
      return [[difference, `${points.format(Math.abs(difference))} points`, `against ${than} (${shown(rate, was.value)})`, figures.differ(now, was)]];
    }) : [];
    const others = [...figures.rateBy(rate, "hotel", { ...selection, hotel: null })]
      .filter(([position, { denominator }]) => position >= 0 && position < data.hotels.length && denominator >= data.small_group).map(([, { value }]) => value);
    const median = figures.median(others);
    const own = figures.rate(rate, selection);
    if (median !== null && own.value !== null) {
      const difference = 100 * (own.value - median);
      deltas.push([difference, `${points.format(Math.abs(difference))} points`, `against the median hotel (${shown(rate, median)})`, selection.hotel !== null && (own.low > median || own.high < median)]);
    }
    return deltas;
  }

  function countDeltas(aggregate, selection) {
    const sum = (each) => figures.sum("agg_orders_daily", aggregate, each);
    if (selection.weeks === null && selection.to === months.length - 1) return [];
    const deltas = comparisonsOf(selection).flatMap((comparison) => {
      const then = figures.compared(selection, comparison, 0);
      if (then === null) return [];
      const [now, was] = [sum({ ...selection, known: then.known }), sum(then)];
      if (was === 0) return [];
      const difference = (now - was) / was;
      const than = comparison === "before" ? beforeOf(selection) : "last year";
      return [[difference, shared.format(Math.abs(difference)), `against ${than} (${counted.format(was)})`, Math.abs(now - was) > data.normal_quantile * Math.sqrt(now + was)]];
    });
    const each = [...figures.sumsBy("agg_orders_daily", aggregate, "hotel", { ...selection, hotel: null })];
    const median = figures.median(each.filter(([position]) => position >= 0 && position < data.hotels.length).map(([, orders]) => orders));
    if (median !== null) deltas.push([null, counted.format(median), "in the median hotel", false]);
    return deltas;
  }

  function showRate(card, selection) {
    const rate = rates.get(card.dataset.rate);
    const near = figures.nearest(rate, selection);
    card.hidden = near === null;
    if (near === null) return;
    const found = figures.rate(rate, near);
    const when = span(near, near.weeks === null ? 0 : data.weeks_earlier[rate.name]);
    showCard(card, shown(rate, found.value), `${basis(found)} orders of ${when}`, found);
    showDeltas(card, rateDeltas(rate, near));
  }

  function showCards(selection) {
    document.querySelectorAll("[data-rate]").forEach((card) => showRate(card, selection));
    document.querySelectorAll("[data-count]").forEach((card) => {
      const aggregate = data.roles[card.dataset.count];
      const total = figures.sum("agg_orders_daily", aggregate, selection);
      showCard(card, counted.format(total), span(selection));
      showDeltas(card, countDeltas(aggregate, selection));
    });
    const missing = [...document.querySelectorAll("#glance [data-rate]")].filter((card) => card.hidden).map((card) => rates.get(card.dataset.rate).label);
    find("#glance-note").textContent = missing.length ? `Not known yet, since no order of this selection is old enough: ${listed.format(missing)}.` : "";
    const monthly = ofMonths(selection);
    document.querySelectorAll("[data-monthly]").forEach((card) => {
      const rate = rates.get(card.dataset.monthly);
      const found = figures.rate(rate, monthly);
      showCard(card, shown(rate, found.value), `${basis(found)} orders`, found);
    });
    const bins = figures.bins(monthly);
    const total = bins.reduce((before, orders) => before + orders, 0);
    data.quantiles.forEach(({ measure, quantile }) => {
      const card = find(`[data-measure="${measure.name}"]`);
      const isSmall = total > 0 && total < data.small_group;
      showCard(card, duration(figures.quantile(quantile, bins)), `of ${counted.format(total)} cancellations with a time`, { isSmall });
    });
  }

  /* ---- by week ---- */

  async function showWeekly(selection) {
    const last = lastDay(selection);
    const isLong = (each) => each.weeks_known >= 2 * 52;
    const chosen = hotels.filter((each, position) => (selection.hotel === null ? each.is_counted : position === selection.hotel));
    await Promise.all(Object.entries({ created: "Orders", canceled: "Cancellations" }).map(async ([name, what]) => {
      const numbers = figures.weekly(data.roles[name === "created" ? "created" : "cancellations"], selection);
      const known = Math.max(...chosen.map((each) => each.weeks_known), 0);
      const rows = last === null ? [] : numbers.flatMap((number, week) => {
        if (week >= known) return [];
        const end = last - 7 * (week % 52) * DAY;
        const series = week < 52 ? "This year" : "Last year";
        return [{ week: end, series, number, name: `${series}, week to ${day.format(last - 7 * week * DAY)}`, shown: `${counted.format(number)} ${what.toLowerCase()}`, basis: "" }];
      });
      const body = last === null ? [] : numbers.slice(0, Math.min(52, known)).map((number, week) => [
        new Date(last - 7 * week * DAY).toISOString().slice(0, 10), counted.format(number), week + 52 < known ? counted.format(numbers[week + 52]) : "–",
      ]);
      charts.fill(table(`weekly-${name}`), ["Week to", what, "A year before"], body);
      const recent = numbers.slice(0, 4).map((number) => counted.format(number));
      await charts.draw(`weekly-${name}`, rows.some(({ number }) => number > 0) ? rows : [], `${what} by week, this year over last. The last four weeks, newest first: ${listed.format(recent)}.`);
    }));
    const young = chosen.filter((each) => !isLong(each)).length;
    find("#weekly-note").textContent = young && chosen.length > 1
      ? `${counted.format(young)} of ${counted.format(chosen.length)} hotels are known for less than two years, so that last year lacks some of theirs.` : "";
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
      const when = selection.weeks === null ? "" : ` ${span(selection, data.weeks_earlier[rate.name])}.`;
      const note = isUnsettled(rate) ? ` ${unsettled(selection)}` : "";
      const sure = found.isSmall ? `, ${interval(found)}` : "";
      const figure = [shown(rate, found.value), basis(found) + sure, found.isSmall ? "is-small" : ""];
      return [[rate.label, rate.sentence + when + note], figure];
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

  /** Draws a chart in the colour of cancellations where it is about them. */
  function paint(name, rate) {
    find(`[data-chart="${name}"]`).classList.toggle("is-canceled", rate.group === "cancellation");
  }

  async function showMonthly(name, rate, points, columns, cells) {
    paint(name, rate);
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
      const start = place === 0 ? "" : length(found[place - 1].end);
      const name = isLast ? `over ${start}` : (start ? `${start} to ${length(end)}` : `up to ${length(end)}`);
      const label = isLast ? "more" : length(end);
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

  /** Draws quotients as bars: `entries` are {label, quotient, more, part}, in the order in which they are shown; `part` is the
      state to which a click leads. */
  async function showBars(name, heading, rate, entries, median = null) {
    const rows = entries.map(({ label, quotient, part }, place) => ({
      place, label, rate: quotient.value, low: quotient.low, high: quotient.high, median, part,
      figure: shown(rate, quotient.value), look: quotient.isSmall ? "small" : "complete", name: label, ...tooltip(rate, quotient),
    }));
    paint(name, rate);
    const isRanked = entries.some(({ more }) => more !== undefined);
    charts.fill(table(name), [heading, "Rate", "Counted", ...(isRanked ? ["Beyond the rate of all"] : [])], entries.map(({ label, quotient, more, part }) => [
      part ? [label, "", "", addressOf(part)] : label, cell(rate, quotient), basis(quotient), ...(isRanked ? [excess(more)] : []),
    ]));
    const drawn = rows.filter((row) => row.rate !== null).slice(0, LISTED);
    const named = drawn.slice(0, 3).map((row) => `${row.label} ${row.shown}`);
    const marked = median === null ? "" : ` The median is ${shown(rate, median)}.`;
    await charts.draw(
      name, drawn, `${rate.label}: ${named.join("; ") || "nothing to show"}.${marked} All figures are in the table below.`,
      entries.some(({ part }) => part) ? (row) => { if (row.part) go(row.part); } : null,
    );
  }

  async function showCheckIns(selection) {
    const shares = data.rates.filter((rate) => rate.group === "check_in" && rate.denominator === rates.get("connector_check_in_share").denominator);
    await showBars("check-ins", "Share of served orders", { ...SHARE, label: "Online check-in of served orders" }, shares.map((rate) => (
      { label: rate.label, quotient: figures.rate(rate, selection) }
    )));
  }

  const signed = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0, signDisplay: "exceptZero" });

  function excess(more) {
    return signed.format(more);
  }

  const ORDERS = {
    excess: (a, b) => b.more - a.more,
    rate: (a, b) => b.quotient.value - a.quotient.value,
    orders: (a, b) => b.quotient.denominator - a.quotient.denominator,
    name: (a, b) => a.label.localeCompare(b.label, "en"),
  };

  /** Groups of a rate by position in a dimension, in the chosen order, those without a name last. `more` is how many more the
      group counts than the rate of all shown would give. */
  function ranked(rate, dimension, selection, whole) {
    const named = dimension === "hotel" ? data.hotels.length : labels[dimension].length;
    return [...figures.rateBy(rate, dimension, selection)]
      .filter(([, quotient]) => quotient.denominator > 0)
      .map(([position, quotient]) => ({
        position, quotient, label: labelOf(dimension, position), isOthers: position < 0 || position >= named,
        more: quotient.numerator - quotient.denominator * whole.value,
        part: position < 0 || position >= named ? null : { [dimension]: position, ...(dimension === "hotel" ? { service: null } : {}) },
      }))
      .sort((a, b) => a.isOthers - b.isOthers || ORDERS[state.order](a, b) || a.position - b.position);
  }

  async function showBreakdowns(selection) {
    const rate = rates.get(state.rate);
    const near = figures.nearest(rate, selection) ?? selection;
    const whole = figures.rate(rate, near);
    find("#breakdown-sentence").textContent = rate.sentence;
    find("#breakdown-period").textContent = `Here for ${span(near, near.weeks === null ? 0 : data.weeks_earlier[rate.name])}: ${shown(rate, whole.value)} of all shown.`;
    find("#breakdown-note").textContent = isUnsettled(rate)
      ? `${unsettled(near)} Groups differ by the age of their orders too.`
      : "";
    await Promise.all(["hotel", "service", "origin", "segment"].map(async (dimension) => {
      const entries = ranked(rate, dimension, near, whole);
      const large = entries.filter(({ isOthers, quotient }) => !isOthers && !quotient.isSmall).map(({ quotient }) => quotient.value);
      find(`#more-${dimension}`).textContent = entries.length > LISTED
        ? `The first ${LISTED} of ${entries.length}; the table holds all.`
        : "";
      await showBars(`by-${dimension}`, dimension[0].toUpperCase() + dimension.slice(1), rate, entries, figures.median(large));
    }));
    showMatrix(rate, near, whole);
  }

  /* ---- hotel by service, unresolved orders ---- */

  const COLUMNS = 10; /* services of the matrix; its CSV file has the same */

  function showMatrix(rate, selection, whole) {
    const rows = ranked(rate, "hotel", selection, whole);
    const services = ranked(rate, "service", selection, whole).sort(ORDERS.orders).slice(0, COLUMNS);
    const found = figures.sumsBy(rate.table, rate.denominator, ["hotel", "service"], selection);
    const canceled = figures.sumsBy(rate.table, rate.numerator, ["hotel", "service"], selection);
    find("#matrix-place").hidden = rows.length < 2 || services.length < 2;
    const body = rows.map(({ position, label, quotient, part }) => [
      part ? [label, "", "", addressOf(part)] : label,
      cell(rate, quotient),
      ...services.map((service) => {
        const key = `${position} ${service.position}`;
        const each = figures.quotient(rate, canceled.get(key) ?? 0, found.get(key) ?? 0);
        if (each.value === null) return "·";
        if (each.isSmall) return [shown(rate, each.value), "", "is-small"];
        const look = each.low > whole.value ? "is-high" : (each.high < whole.value ? "is-low" : "");
        return [`${{ "is-high": "▲ ", "is-low": "▼ " }[look] ?? ""}${shown(rate, each.value)}`, "", look];
      }),
    ]);
    charts.fill(find("#matrix"), ["Hotel", "All services", ...services.map(({ label }) => label)], body, LISTED);
    find("#matrix-note").textContent = `${rate.label}; ▲ above and ▼ below ${shown(rate, whole.value)} by more than chance, in italics fewer than ${data.small_group} orders.` +
      `${rows.length > LISTED ? ` The first ${LISTED} of ${rows.length} hotels; the CSV file holds all.` : ""}`;
  }

  function showUnresolved(selection) {
    const all = { ...selection, weeks: null, from: 0, to: months.length - 1 };
    const rate = rates.get("unresolved_share");
    const firm = figures.sumsBy(rate.table, rate.denominator, ["hotel", "service"], all);
    const rows = [...figures.sumsBy(rate.table, rate.numerator, ["hotel", "service"], all)].filter(([, orders]) => orders > 0)
      .sort(([, a], [, b]) => b - a)
      .map(([key, orders]) => {
        const [hotel, service] = key.split(" ").map(Number);
        const quotient = figures.quotient(rate, orders, firm.get(key));
        const label = labelOf("hotel", hotel);
        return [
          hotel >= 0 && hotel < data.hotels.length ? [label, "", "", addressOf({ hotel, service: service < labels.service.length ? service : null })] : label,
          labelOf("service", service), counted.format(orders), counted.format(quotient.denominator), cell(rate, quotient),
        ];
      });
    charts.fill(find("#unresolved"), ["Hotel", "Service", "Unresolved", "Firm orders", "Share"], rows, LISTED);
    find("#unresolved-place").classList.toggle("is-empty", rows.length === 0);
    find("#unresolved-note").textContent = rows.length > LISTED ? `The ${LISTED} with the most of ${rows.length}; the CSV file holds all.` : "";
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
      const first = data.currencies.flatMap((_, currency) => rows.filter((row) => row.currency === currency).slice(0, LISTED));
      const inOrder = [...first, ...rows.filter((row) => !first.includes(row))];
      charts.fill(find(`#value-${dimension}`), [dimension === "service" ? "Service" : "Hotel", "Currency", ...heads(columns)], inOrder.map((row) => [
        labelOf(dimension, row.position), data.currencies[row.currency], ...cells(row, columns),
      ]), first.length);
      find(`#value-more-${dimension}`).textContent = first.length < rows.length
        ? `The ${LISTED} with the most canceled value of each currency; ${rows.length - first.length} more are in the CSV file.`
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
    state = read();
    const selection = state;
    const monthly = ofMonths(selection);
    fillFilters();
    const orders = figures.sum("agg_orders_daily", data.roles.created, selection);
    find("#selection").textContent = `Showing ${counted.format(orders)} orders: ${describe(selection)}.${caution(selection)}`;
    const divided = [selection.origin, selection.segment].some((each) => each !== null)
      ? " The cancellation curve, the time to cancel, values and the days ahead are of all origins and segments." : "";
    find("#months-shown").textContent = `${span(monthly)}.${divided}`;
    showCards(selection);
    listRates(selection);
    showUnresolved(selection);
    if (data.has_items) {
      showValue(monthly);
      showAhead(monthly);
    }
    await Promise.all([
      showChanges(selection), showWeekly(selection), showBreakdowns(selection), showCohorts(monthly), showCurve(monthly),
      showDurations(monthly), showOutcomes(monthly), showSelfService(monthly), showCheckIns(monthly),
    ]);
    document.body.dataset.shown = `${location.hash} ${describe(selection)}`;
  }

  if (months.length === 0) return;
  fillChoices();
  document.querySelectorAll("main table").forEach(charts.offer);
  document.body.classList.add("is-live");
  find("#filters").addEventListener("submit", (event) => event.preventDefault());
  find("#filters").addEventListener("change", (event) => take(event.target));
  find("#reset").addEventListener("click", () => { location.hash = "all="; });
  find("#cohort-rate").addEventListener("change", () => showCohorts(ofMonths(state)));
  find("#breakdown-rate").addEventListener("change", (event) => go({ rate: event.target.value }));
  find("#breakdown-order").addEventListener("change", (event) => go({ order: event.target.value }));
  window.addEventListener("hashchange", () => { if (location.hash === "" || location.hash.includes("=")) show(); });
  window.addEventListener("beforeprint", () => charts.fit((isHalf, drawing) => (drawing.closest("#changes") ? 150 : (isHalf ? 320 : 670))));
  window.addEventListener("afterprint", () => charts.fit((isHalf, drawing) => drawing.clientWidth));
  await show();
})().catch((error) => {
  document.body.classList.add("is-broken");
  document.querySelector("#trouble").textContent = `The page could not be drawn: ${error.message}. A browser from 2023 or newer is needed.`;
  throw error;
});
