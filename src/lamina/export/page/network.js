// Inference: what lamina.export describes, in plain JavaScript; float32 weights, double precision arithmetic.
"use strict";

/** The networks of a model and what their mean stands for; `predict` is all that a page needs of it. */
class Network {
  constructor(model, weights) {
    const array = ([start, ...shape]) =>
      Object.assign(weights.subarray(start, start + shape.reduce((size, n) => size * n, 1)), { shape });
    const filled = value => value === null || typeof value !== "object" ? value
      : Array.isArray(value) ? value.map(filled)
      : "$" in value ? array(value.$)
      : Object.fromEntries(Object.entries(value).map(([key, part]) => [key, filled(part)]));
    Object.assign(this, filled({ inputs: model.inputs, members: model.members, output: model.output }));
  }

  /** A row as the networks get it: a picture's pixels, or a table's values. */
  encoded(row) {
    return this.inputs.divisor ? pixelInputs(row, this.inputs.divisor) : encode(this.inputs.columns, row);
  }

  /** For each row the probability of each class, or the predicted numbers. */
  predict(rows) {
    return rows.map(row => {
      const encoded = this.encoded(row), outputs = this.members.map(member => forward(member, encoded));
      const mean = outputs[0].map((_, j) => outputs.reduce((sum, one, i) => sum + this.members[i].share * one[j], 0));
      return meaning(this.output, mean);
    });
  }
}

// --- from a row to the network's inputs ----------------------------------------------------------------------

const pixelInputs = (pixels, divisor) => ({ inputs: Float32Array.from(pixels, x => x / divisor), codes: [] });

/** A row holds a number or null for each column of numbers, and a code, 0 for missing, for each of categories. */
function encode(columns, row) {
  const numbers = [], flags = [], oneHot = [], codes = [];
  columns.forEach((column, i) => {
    if (!column.names) {
      numbers.push(scaledNumber(column, row[i]));
      if (column.flag) flags.push(column.flag[row[i] === null ? 0 : 1]);
    } else if (column.encoded) {
      const width = column.encoded.shape[1];
      for (let j = 0; j < width; j++) oneHot.push(column.encoded[row[i] * width + j]);
    } else codes.push(row[i]);
  });
  return { inputs: Float32Array.from([...numbers, ...flags, ...oneHot]), codes, count: numbers.length };
}

function scaledNumber({ center, factor, fill, clips }, value) {
  const x = ((value ?? fill) - center) * factor;
  if (!clips) return x;
  const within = Math.min(Math.max(x, -1e100), 1e100);
  return within / Math.sqrt(1 + (within / 3) ** 2);
}

// --- the network ---------------------------------------------------------------------------------------------

function forward(member, { inputs, codes, count }) {
  const features = [...inputs];
  if (member.embedding) embedNumbers(member.embedding, inputs.subarray(0, count), features);
  member.tables.forEach((table, j) => {
    const width = table.shape[1];
    for (let k = 0; k < width; k++) features.push(table[codes[j] * width + k]);
  });
  let x = Float64Array.from(features);
  if (member.scale) x = x.map((value, j) => value * member.scale[j]);
  for (const layer of member.layers) x = through(layer, x);
  return x;
}

/** Waves of each number (and pieces of its line) through a small linear map of its own; three features a number. */
function embedNumbers({ frequency, phase, maps, bias, knots, slopes, pieces }, numbers, features) {
  const waves = frequency.shape[1], width = bias.shape[1], bends = knots ? knots.shape[1] : 0;
  numbers.forEach((x, i) => {
    const mapped = Float64Array.from(bias.subarray(i * width, (i + 1) * width));
    const add = (value, matrix, row) => {
      for (let k = 0; k < width; k++) mapped[k] += value * matrix[row * width + k];
    };
    for (let j = i * waves; j < (i + 1) * waves; j++) add(Math.cos(2 * Math.PI * x * frequency[j] + phase[j]), maps, j);
    for (let j = i * bends; j < (i + 1) * bends; j++) {
      add(Math.min(Math.max((x - knots[j]) * slopes[j], 0), 1), pieces, j);
    }
    features.push(...mapped);
  });
}

function through({ weight, bias, factor, normalization, activation, blend }, x) {
  const z = product(x, weight);
  for (let j = 0; j < z.length; j++) z[j] = z[j] * factor + bias[j];
  if (normalization) normalize(normalization, z);
  if (activation === "identity") return z;
  const f = ACTIVATIONS[activation];
  for (let j = 0; j < z.length; j++) z[j] = blend ? z[j] + blend[j] * (f(z[j]) - z[j]) : f(z[j]);
  return z;
}

/** x · weight; zeros, which pictures and ReLU have many of, cost nothing. */
function product(x, weight) {
  const width = weight.shape[1], sums = new Float64Array(width);
  for (let i = 0; i < x.length; i++) {
    const value = x[i];
    if (value === 0) continue;
    for (let j = 0, k = i * width; j < width; j++, k++) sums[j] += value * weight[k];
  }
  return sums;
}

function normalize({ mean, variance, gamma, beta, epsilon }, z) {
  const average = values => values.reduce((sum, x) => sum + x, 0) / values.length;
  const own = mean ? 0 : average(z), spread = mean ? 0 : average(z.map(x => (x - own) ** 2));
  for (let j = 0; j < z.length; j++) {
    const centred = z[j] - (mean ? mean[j] : own);
    z[j] = centred / Math.sqrt((variance ? variance[j] : spread) + epsilon) * gamma[j] + beta[j];
  }
}

const sigmoid = x => 1 / (1 + Math.exp(-x));
const softplus = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const elu = x => x > 0 ? x : Math.expm1(x);

const ACTIVATIONS = {
  relu: x => Math.max(x, 0),
  sigmoid,
  logistic: sigmoid,
  tanh: Math.tanh,
  softrelu: softplus,
  softplus,
  softsign: x => x / (1 + Math.abs(x)),
  log_sigmoid: x => -softplus(-x),
  hard_sigmoid: x => Math.min(Math.max(0.2 * x + 0.5, 0), 1),
  leaky_relu: x => x > 0 ? x : 0.01 * x,
  elu,
  selu: x => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
  gelu: x => 0.5 * x * erfc(-x * Math.SQRT1_2),
  silu: x => x * sigmoid(x),
  mish: x => x * Math.tanh(softplus(x)),
};

/** The complementary error function to 1.2e-7 of itself (Press et al., "Numerical Recipes", 1992, section 6.2). */
function erfc(x) {
  const t = 1 / (1 + 0.5 * Math.abs(x));
  const terms = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277];
  const tail = t * Math.exp(-x * x + terms.reduceRight((sum, term) => sum * t + term, 0));
  return x >= 0 ? tail : 2 - tail;
}

// --- what outputs stand for -----------------------------------------------------------------------------------

function meaning(output, values) {
  if (!output.labels) {
    return Array.from(output.ordered ? Float64Array.from(values).sort() : values, (x, j) => {
      const number = (output.logarithmic ? Math.exp(x) : x) * output.scale[j] + output.center[j];
      return Math.min(Math.max(number, output.low[j]), output.high[j]);
    });
  }
  if (output.several) return Array.from(values, sigmoid);
  const most = Math.max(...values), shares = Array.from(values, x => Math.exp(x - most));
  const total = shares.reduce((sum, x) => sum + x, 0);
  return shares.map(x => x / total);
}

// --- the data of the page -------------------------------------------------------------------------------------

const bytesOf = base64 => Uint8Array.from(atob(base64), character => character.charCodeAt(0));

const textOf = id => document.getElementById(id).textContent;
