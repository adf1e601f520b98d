/* What the page computes: rates, intervals and quantiles from the counts that a selection leaves. It touches no element
   of the page. The counts are defined in data.py; rates come with the data, as metrics.yml defines them.

   A selection is {hotel, service, origin, segment, from, to, weeks}: positions in the lists of the data, null for every hotel
   that is counted and every service, origin or segment. Its time is the months from and to, both included, or, where `weeks`
   is not null, the window of that number of weeks up to the last complete day of each hotel, or up to `first` weeks before.
   `known` leaves hotels out of which fewer weeks are known. */
"use strict";

const figures = (() => {
  let data;
  let isCounted;
  let weeksKnown;
  let leastKnown;
  let cohorts;

  const YEAR = 52; /* weeks */

  /* ages in days that a month of creation must have reached throughout to be in the first line of the curve: the first
     of them that leaves enough orders */
  const OLD_ENOUGH = [90, 30, 7, 1];
  const QUARTERS = 4; /* shown beside it, one colour each in page.css */
  const SHORTEST = 7; /* days that a quarter's line must reach to be shown */

  /** Unpacks a text that is compressed by gzip, in base64. */
  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  /** Writes the columns of a table, each of which comes as its differences from an earlier one. */
  function spread(table) {
    const { names, bases, differences } = table.values;
    const columns = [];
    differences.forEach((column, place) => {
      const base = bases[place] === null ? null : columns[bases[place]];
      columns.push(base === null ? column : column.map((difference, row) => base[row] + difference));
    });
    table.values = Object.fromEntries(names.map((name, place) => [name, columns[place]]));
  }

  async function load(text) {
    data = JSON.parse(await unpack(text));
    [...Object.values(data.counts), ...Object.values(data.spans), data.weeks].forEach(spread);
    isCounted = [...data.hotels, ...data.other_hotels].map((hotel) => hotel.is_counted);
    weeksKnown = [...data.hotels, ...data.other_hotels].map((hotel) => hotel.weeks_known);
    leastKnown = Math.min(...data.hotels.filter((hotel) => hotel.is_counted && !hotel.is_detailed).map((hotel) => hotel.weeks_known));
    cohorts = listCohorts();
    return data;
  }

  /** Whether a selection leaves a row of a table of months, or an object with the same keys. */
  function isLeft({ month, ...place }, selection) {
    return month >= selection.from && month <= selection.to && isPlaced(place, selection);
  }

  /** Whether a selection leaves the place of a row. Hotels that are not divided by origin and segment are in two places: one
      by one where neither is asked for, together at -1 where one is. */
  function isPlaced({ hotel, service, origin, segment }, selection) {
    const isDivided = selection.isDivided || selection.origin !== null || selection.segment !== null;
    const isHotel = selection.hotel === null ? isCounted[hotel] ?? isDivided : hotel === selection.hotel;
    return isHotel && !(isDivided && origin === -1)
      && (selection.service === null || service === selection.service)
      && (selection.origin === null || origin === undefined || origin === selection.origin)
      && (selection.segment === null || segment === undefined || segment === selection.segment)
      && (selection.known === undefined || (weeksKnown[hotel] ?? leastKnown) >= selection.known);
  }

  /** Calls `use` with the number of each row in the selection. */
  function eachRow(table, selection, use) {
    const { hotel, service, origin, segment, month, span } = table;
    const { first = 0, weeks, from, to } = selection;
    const isInTime = month
      ? (row) => month[row] >= from && month[row] <= to
      : (row) => data.first_weeks[span[row]] >= first && data.first_weeks[span[row]] < first + weeks;
    for (let row = 0; row < hotel.length; row += 1) {
      const place = { hotel: hotel[row], service: service[row], origin: origin?.[row], segment: segment?.[row] };
      if (isInTime(row) && isPlaced(place, selection)) use(row);
    }
  }

  /** The table of counts that holds the time of a selection. */
  function tableOf(name, selection) {
    return selection.weeks === null ? data.counts[name] : data.spans[name];
  }

  /** Adds one aggregate up, by position in each of `dimensions` (hotel, service, origin, segment or month), with a space
      between them if they are several. */
  function sumsBy(tableName, aggregate, dimensions, selection) {
    const table = tableOf(tableName, selection);
    const [column, sums] = [table.values[aggregate], new Map()];
    const names = [dimensions].flat();
    const keyOf = names.length === 1 ? (row) => table[names[0]][row] : (row) => names.map((name) => table[name][row]).join(" ");
    const isDivided = selection.isDivided || names.some((name) => ["origin", "segment"].includes(name));
    eachRow(table, { ...selection, isDivided }, (row) => {
      const key = keyOf(row);
      sums.set(key, (sums.get(key) ?? 0) + column[row]);
    });
    return sums;
  }

  /** Adds one aggregate up over everything selected. */
  function sum(tableName, aggregate, selection) {
    const table = tableOf(tableName, selection);
    const column = table.values[aggregate];
    let total = 0;
    eachRow(table, selection, (row) => { total += column[row]; });
    return total;
  }

  /** Orders created or cancellations of each week, of which week 0 is the last. */
  function weekly(aggregate, selection) {
    const { week, hotel, service, origin, segment, values } = data.weeks;
    const numbers = new Array(2 * YEAR).fill(0);
    week.forEach((each, row) => {
      const place = { hotel: hotel[row], service: service[row], origin: origin[row], segment: segment[row] };
      if (isPlaced(place, selection)) numbers[each] += values[aggregate][row];
    });
    return numbers;
  }

  /** The equal period right before a selection's, or the one a year earlier; null where the page does not reach so far.
      `earlier` are the weeks that a rate is taken earlier, as far as which hotels must be known. */
  function compared(selection, comparison, earlier) {
    const { from, to, weeks } = selection;
    if (weeks === null) {
      const back = comparison === "before" ? to - from + 1 : 12;
      return from - back < 0 ? null : { ...selection, from: from - back, to: to - back };
    }
    const first = comparison === "before" ? weeks : YEAR;
    return { ...selection, first, known: first + weeks + earlier };
  }

  /** The selection of a rate that has orders: itself, or the shortest longer window, or the newest months before. Null where
      there is none. */
  function nearest(definition, selection) {
    const isKnown = (each) => sum(definition.table, definition.denominator, each) > 0;
    const { from, to, weeks } = selection;
    const others = weeks === null
      ? Array.from({ length: from }, (_, back) => ({ ...selection, from: from - back - 1, to: to - back - 1 }))
      : data.windows.filter((each) => each > weeks).map((each) => ({ ...selection, weeks: each }));
    return [selection, ...others].find(isKnown) ?? null;
  }

  /** The median of numbers; null where there are fewer than three. */
  function median(numbers) {
    if (numbers.length < 3) return null;
    const sorted = [...numbers].sort((a, b) => a - b);
    const half = Math.floor(sorted.length / 2);
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  /** Whether two rates differ by more than chance: by two standard errors of their difference. */
  function differ(a, b) {
    const common = (a.numerator + b.numerator) / (a.denominator + b.denominator);
    return Math.abs(a.value - b.value)
      > data.normal_quantile * Math.sqrt(common * (1 - common) * (1 / a.denominator + 1 / b.denominator));
  }

  /** Adds one sum of a table of amounts up, in ten-thousandths, by currency and position in `dimension` (null: by
      currency alone), with a space between. As BigInt it is exact, however large. Null where a part of it is not known. */
  function amountsBy(tableName, aggregate, dimension, selection) {
    const table = data.amounts[tableName];
    const [column, sums] = [table.values[aggregate], new Map()];
    eachRow(table, selection, (row) => {
      const key = `${table.currency[row]} ${dimension === null ? "" : table[dimension][row]}`;
      const before = sums.has(key) ? sums.get(key) : 0n;
      sums.set(key, before === null || column[row] === null ? null : before + BigInt(column[row]));
    });
    return sums;
  }

  /** What is booked and expected in a selection: by service, product and day, {booked, expected}; expected is null where it
      is not known of a part. */
  function ahead(selection) {
    const { hotel, service, product, day, booked, expected } = data.ahead;
    const found = new Map();
    hotel.forEach((_, row) => {
      const place = { hotel: hotel[row], service: service[row], month: selection.from };
      if (!isLeft(place, selection)) return;
      const key = `${service[row]} ${product[row]} ${day[row]}`;
      const before = found.get(key) ?? { booked: 0, expected: 0 };
      found.set(key, {
        booked: before.booked + booked[row],
        expected: before.expected === null || expected[row] === null ? null : before.expected + expected[row],
      });
    });
    return found;
  }

  /** Wilson's 95 % interval of a share. */
  function wilson(successes, trials) {
    const z = data.normal_quantile;
    const share = successes / trials;
    const scale = 1 + (z * z) / trials;
    const centre = (share + (z * z) / (2 * trials)) / scale;
    const half = (z * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials))) / scale;
    return [Math.max(0, centre - half), Math.min(1, centre + half)];
  }

  /** A rate's value (null where the denominator is 0) with what it was made from and how sure it is. */
  function quotient(rate, numerator, denominator) {
    const isKnown = denominator > 0;
    const [low, high] = isKnown && rate.format === "percent" ? wilson(numerator, denominator) : [null, null];
    return {
      numerator,
      denominator,
      value: isKnown ? numerator / denominator : null,
      low,
      high,
      isSmall: isKnown && denominator < data.small_group,
    };
  }

  function rate(definition, selection) {
    return quotient(
      definition,
      sum(definition.table, definition.numerator, selection),
      sum(definition.table, definition.denominator, selection),
    );
  }

  /** The rate of each position in a dimension, as a map. */
  function rateBy(definition, dimension, selection) {
    const numerators = sumsBy(definition.table, definition.numerator, dimension, selection);
    const denominators = sumsBy(definition.table, definition.denominator, dimension, selection);
    return new Map(
      [...denominators].map(([key, orders]) => [key, quotient(definition, numerators.get(key) ?? 0, orders)]),
    );
  }

  /** Every cohort (hotel, service and month of creation) that has firm orders, with the place in `days` of the last age
      that all of them have been observed for: -1 where the youngest has no full day yet, or its hotel was never read. */
  function listCohorts() {
    const daily = data.counts.agg_orders_daily;
    const firm = daily.values[data.roles.firm];
    const keyOf = (table, row) => `${table.hotel[row]} ${table.service[row]} ${table.month[row]}`;
    const found = new Map();
    firm.forEach((orders, row) => {
      if (daily.hotel[row] === -1) return; /* its hotels are there one by one */
      const key = keyOf(daily, row);
      const [hotel, service, month] = [daily.hotel[row], daily.service[row], daily.month[row]];
      const cohort = found.get(key) ?? { hotel, service, month, firm: 0, last: -1, canceled: [] };
      cohort.firm += orders;
      found.set(key, cohort);
    });
    data.curve.canceled.forEach((canceled, row) => {
      const cohort = found.get(keyOf(data.curve, row));
      if (cohort === undefined || cohort.firm !== data.curve.at_risk[row]) return;
      cohort.canceled = canceled;
      cohort.last = canceled.length - 1;
    });
    return [...found.values()].filter((cohort) => cohort.firm > 0);
  }

  /** The cancellation curve of the cohorts that a selection leaves and whose orders are all at least `least` days old:
      how many of their `orders` were canceled by each age. It ends with the age of the youngest order, so that every order is in
      every point and the line cannot fall. */
  function curve(selection, least = 0) {
    const { days } = data.curve;
    const selected = cohorts.filter((cohort) => isLeft(cohort, selection));
    const kept = selected.filter(({ last }) => last >= 0 && days[last] >= least);
    const counted = least === 0 ? selected : kept;
    const sum = (of, count) => of.reduce((before, cohort) => before + count(cohort), 0);
    const orders = sum(counted, ({ firm }) => firm);
    const end = counted.length ? Math.min(...counted.map(({ last }) => last)) : -1;
    const points = days.slice(0, end + 1).map((age, index) => ({
      days: age, orders, canceled: sum(counted, ({ canceled }) => canceled[index]),
    }));
    return { points, orders, leftOut: sum(selected, ({ firm }) => firm) - orders };
  }

  function quarterOf(month) {
    const date = new Date(data.months[month]);
    return `${date.getUTCFullYear()} Q${Math.floor(date.getUTCMonth() / 3) + 1}`;
  }

  /** The lines of the curve: first the months that are old enough, then the newest quarters that are; and the quarters
      among the newest that are too young for a line. */
  function curves(selection) {
    const tried = OLD_ENOUGH.map((least) => ({ least, ...curve(selection, least) }));
    const first = tried.find(({ orders }) => orders >= data.small_group)
      ?? tried.find(({ orders }) => orders > 0)
      ?? { least: 0, ...curve(selection) };
    const quarters = new Map();
    for (let month = selection.from; month <= selection.to; month += 1) {
      const name = quarterOf(month);
      const { from } = quarters.get(name) ?? { from: month };
      quarters.set(name, { ...selection, from, to: month });
    }
    const found = quarters.size > 1 ? [...quarters].reverse().map(([name, part]) => ({ name, ...curve(part) })) : [];
    const isShown = ({ points }) => points.length > 0 && points[points.length - 1].days >= SHORTEST;
    const shown = found.filter(isShown).slice(0, QUARTERS);
    const oldest = shown.length ? found.indexOf(shown[shown.length - 1]) : found.length;
    const tooYoung = found.slice(0, oldest).filter((line) => line.orders > 0 && !isShown(line)).map(({ name }) => name);
    const name = first.leftOut > 0 ? `Months ${first.least}+ days old` : "All months shown";
    return { lines: [{ name, ...first }, ...shown], tooYoung, shortest: SHORTEST };
  }

  /** The number of orders in each bin of the durations. */
  function bins(selection) {
    const { edges, bin, orders } = data.durations;
    const counts = edges.map(() => 0);
    eachRow(data.durations, selection, (row) => { counts[bin[row]] += orders[row]; });
    return counts;
  }

  /** A quantile as {hours, beyond}, read from the bins, and so off by no more than the width of one; `beyond` says that
      it is longer (1) or shorter (-1) than what the bins separate. `hours` is null where there is none. */
  function quantile(share, counts) {
    const { edges } = data.durations;
    const total = counts.reduce((before, orders) => before + orders, 0);
    if (total === 0) return { hours: null, beyond: 0 };
    let below = 0;
    let bin = 0;
    while (below + counts[bin] < share * total || counts[bin] === 0) {
      below += counts[bin];
      bin += 1;
    }
    if (bin === 0) return { hours: edges[0], beyond: -1 };
    const [lower, upper] = [edges[bin - 1], edges[bin]];
    if (bin === edges.length - 1) return { hours: lower, beyond: 1 };
    return { hours: lower + (upper - lower) * ((share * total - below) / counts[bin]), beyond: 0 };
  }

  /** The number of orders between the ends of the bars, the last of which takes what lies beyond too. */
  function steps(counts) {
    const { edges, steps: ends } = data.durations;
    const found = ends.map((end) => ({ end, orders: 0 }));
    counts.forEach((orders, bin) => {
      found.find((step) => edges[bin] <= step.end).orders += orders;
    });
    return found;
  }

  return {
    load, unpack, weekly, compared, nearest, median, differ, sum, sumsBy, rate, rateBy, curves, bins, quantile, steps, quotient, amountsBy, ahead,
  };
})();
