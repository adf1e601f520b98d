/* What the page computes: rates, intervals and quantiles from the counts that a selection leaves. It touches no element
   of the page. What the counts are stands in data.py; rates come with the data, as metrics.yml defines them.

   A selection is {hotel, service, from, to}: positions in the lists of the data, null for every hotel or service, and
   months from and to, both included. */
"use strict";

const figures = (() => {
  let data;

  /** Unpacks the data: JSON, compressed by gzip, in base64. */
  async function load(text) {
    const bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    data = await new Response(unpacked).json();
    return data;
  }

  /** Calls `use` with the number of each row that the selection leaves. */
  function eachRow(table, selection, use) {
    const { hotel, service, month } = table;
    for (let row = 0; row < month.length; row += 1) {
      if (month[row] < selection.from || month[row] > selection.to) continue;
      if (selection.hotel !== null && hotel[row] !== selection.hotel) continue;
      if (selection.service !== null && service[row] !== selection.service) continue;
      use(row);
    }
  }

  /** Adds one aggregate up, by position in `dimension` (hotel, service, origin, segment or month). */
  function sumsBy(tableName, aggregate, dimension, selection) {
    const table = data.counts[tableName];
    const [column, keys, sums] = [table.values[aggregate], table[dimension], new Map()];
    eachRow(table, selection, (row) => sums.set(keys[row], (sums.get(keys[row]) ?? 0) + column[row]));
    return sums;
  }

  /** Adds one aggregate up over everything selected. */
  function sum(tableName, aggregate, selection) {
    const column = data.counts[tableName].values[aggregate];
    let total = 0;
    eachRow(data.counts[tableName], selection, (row) => { total += column[row]; });
    return total;
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

  /** The cancellation curve of what is selected: for each age, of how many orders how many were canceled. */
  function curve(selection) {
    const { days, at_risk: atRisk, canceled } = data.curve;
    const points = days.map((age) => ({ days: age, atRisk: 0, canceled: 0 }));
    eachRow(data.curve, selection, (row) => {
      atRisk[row].forEach((orders, index) => {
        points[index].atRisk += orders;
        points[index].canceled += canceled[row][index];
      });
    });
    return points.filter((point) => point.atRisk > 0);
  }

  /** The number of orders in each bin of the durations. */
  function bins(selection) {
    const { edges, bin, orders } = data.durations;
    const counts = edges.map(() => 0);
    eachRow(data.durations, selection, (row) => { counts[bin[row]] += orders[row]; });
    return counts;
  }

  /** A quantile in hours, read from the bins, and so off by no more than the width of one; null where there is none. */
  function quantile(share, counts) {
    const { edges } = data.durations;
    const total = counts.reduce((before, orders) => before + orders, 0);
    if (total === 0) return null;
    let below = 0;
    for (let bin = 0; bin < counts.length; bin += 1) {
      if (counts[bin] > 0 && below + counts[bin] >= share * total) {
        const lower = bin === 0 ? 0 : edges[bin - 1];
        return lower + (edges[bin] - lower) * ((share * total - below) / counts[bin]);
      }
      below += counts[bin];
    }
    return edges[edges.length - 1];
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

  return { load, sum, sumsBy, rate, rateBy, curve, bins, quantile, steps, quotient };
})();
