// The prediction of a row: arrays, and the function that lamina.export emitted from the model's graph.
"use strict";

// Functions that emitted code calls.
const {
  abs, acos, acosh, asin, asinh, atan, atan2, atanh, cbrt, ceil, cos, cosh, exp, expm1, floor, hypot, log, log10, log1p,
  log2, max, min, sign, sin, sinh, sqrt, tan, tanh, trunc, fround: f,
} = Math;

/** The error function to 1.2e-7 (Press et al., "Numerical Recipes", 1992, section 6.2). */
function erf(x) {
  const t = 1 / (1 + 0.5 * abs(x));
  const terms = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277];
  return sign(x) * (1 - t * exp(-x * x + terms.reduceRight((sum, term) => sum * t + term, 0)));
}

/** Matrix products, one per batch, summed in double precision. Four rows of the right matrix are added at a time, so
 * that sums are read and written a quarter as often. Zeros on the left, frequent in pictures and after ReLU, are
 * skipped. */
function product(out, left, right, batches, rows, inner, columns) {
  const sums = new Float64Array(columns), factors = new Float64Array(inner + 3), begins = new Int32Array(inner + 3);
  for (let row = 0; row < batches * rows; row++) {
    const matrix = floor(row / rows) * inner * columns;
    let count = 0;
    for (let i = 0; i < inner; i++) {
      const x = left[row * inner + i];
      if (x === 0) continue;
      factors[count] = x;
      begins[count++] = matrix + i * columns;
    }
    factors.fill(0, count, count + 3);
    begins.fill(matrix, count, count + 3);
    sums.fill(0);
    for (let i = 0; i < count; i += 4) {
      const a = factors[i], b = factors[i + 1], c = factors[i + 2], d = factors[i + 3];
      let p = begins[i], q = begins[i + 1], r = begins[i + 2], s = begins[i + 3];
      for (let j = 0; j < columns; j++) sums[j] += a * right[p++] + b * right[q++] + c * right[r++] + d * right[s++];
    }
    out.set(sums, row * columns);
  }
}

/** By name, what makes of a column's data a function of a text: the values of the column's parts. */
const READERS = {};

const ARRAYS = { u1: Uint8Array, i4: Int32Array, f4: Float32Array, f8: Float64Array };

/** A function of a column's text, or null: its parts' values. It remembers the last one, as most others vary then. */
function partsReader({ reader, data, parts }) {
  const arrays = Object.entries(data).map(([name, value]) =>
    [name, value?.array ? new ARRAYS[value.array](bytesOf(value.bytes).buffer) : value]);
  const read = READERS[reader](Object.fromEntries(arrays)), missing = parts.map(isCode => isCode ? 0 : NaN);
  let last = null, values = missing;
  return text => {
    if (text !== last) [last, values] = [text, text === null ? missing : read(text)];
    return values;
  };
}

/** A model as the page uses it. */
class Network {
  constructor(model, content) {
    const arrays = model.arrays.map(([type, size, begin]) =>
      begin === undefined ? new ARRAYS[type](size) : new ARRAYS[type](content, begin, size));
    this.columns = model.inputs.columns;
    this.given = arrays.slice(0, 2);
    this.found = Object.fromEntries(Object.entries(model.results).map(([name, i]) => [name, arrays[i]]));
    this.compute = prediction(arrays);
    this.readers = this.columns.map(column => column.parts && partsReader(column));
  }

  /** Predict a row: a picture's pixels, or a table's values (null: missing; a category's code; where a column has
   * several parts, its text). Gives arrays that the
   * next call overwrites: predicted `values`, the `decided` classes, and the networks' `inputs` and `codes`. */
  run(row) {
    const [first, codes] = this.given;
    if (!this.columns.length) first.set(row);
    else {
      let number = 0, category = 0;
      this.columns.forEach((column, i) => {
        if (column.parts) {
          const values = this.readers[i](row[i]);
          column.parts.forEach((isCode, j) => { isCode ? codes[category++] = values[j] : first[number++] = values[j]; });
        } else if (column.names) codes[category++] = row[i];
        else first[number++] = row[i] ?? NaN;
      });
    }
    this.compute();
    return this.found;
  }

  /** For each row the probability of each class, or the predicted numbers. */
  predict(rows) {
    return rows.map(row => Array.from(this.run(row).values));
  }
}

// --- the data of the page -------------------------------------------------------------------------------------

const bytesOf = base64 => Uint8Array.from(atob(base64), character => character.charCodeAt(0));

const textOf = id => document.getElementById(id).textContent;
