// The page for tables: a form made of the columns, what is predicted, and how that moves with each column.
"use strict";

const SHOWN_FIELDS = 16, MOST_CHOICES = 200, MOST_BARS = 8, MOST_CURVES = 6, CURVE_POINTS = 33, MOST_IN_CURVE = 8, MOST_LOOKED_AT = 60;
const LONGEST_SLICE = 8; // milliseconds that the page may be busy with curves before it looks up

// --- numbers for people ---------------------------------------------------------------------------------------

const needsPower = x => Math.abs(x) >= 1e15 || x !== 0 && Math.abs(x) < 1e-4;

/** A number in about `digits` digits; four digits have no separator, since they may be a year. */
function shownNumber(x, digits = 4) {
  const size = Math.abs(x);
  if (needsPower(x)) return x.toExponential(digits - 1);
  const places = Math.min(Math.max(digits - 1 - Math.floor(Math.log10(size || 1)), 0), 12);
  return x.toLocaleString("en", { maximumFractionDigits: places, useGrouping: "min2" });
}

// --- dates and times of day, which are numbers to the network ---------------------------------------------------

const CLOCK = /^([01]?\d|2[0-3])(?=:|\s*[ap])(?::([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?)?(?:\s*([ap])\.?[ \u00a0\u202f]?m\.?)?$/i;

/** The date of days since 1970, with the time of what is not whole days. */
function shownDate(days) {
  const seconds = Math.round(days * 86400), date = new Date(seconds * 1000);
  if (isNaN(date)) return shownNumber(days);
  const [day, time] = date.toISOString().slice(0, -5).split("T");
  return seconds % 86400 ? `${day} ${seconds % 60 ? time : time.slice(0, -3)}` : day;
}

function shownClock(seconds) {
  const parts = [seconds / 3600, seconds / 60 % 60, seconds % 60].map(x => String(Math.floor(x)).padStart(2, "0"));
  return parts.slice(0, parts[2] === "00" ? 2 : 3).join(":");
}

/** The seconds since midnight of a text that is a time of day, or null. */
function readClock(text) {
  const [found, hour, minute = 0, second = 0, half] = CLOCK.exec(text) ?? [];
  if (!found || half && (hour < 1 || hour > 12)) return null;
  const hours = half ? hour % 12 + (half.toLowerCase() === "p" ? 12 : 0) : Number(hour);
  return hours * 3600 + minute * 60 + Number(second);
}

/** How the numbers of such columns are written, by their reader: `shown` in a range, `typed` in a field. */
const WRITTEN = {
  date: { shown: shownDate, typed: shownDate, read: (text, { form }) => readDate(text, form),
    such: ({ form }) => `a date such as ${form.such}` },
  time: { shown: shownClock, typed: shownClock, read: text => readClock(text) ?? Number(text), such: () => "a time such as 13:45" },
  written: { shown: x => shownNumber(x), typed: (x, { form }) => String(x).replace(".", form.decimal),
    read: (text, { form }) => readNumber(text, form), such: ({ form }) => `a number such as ${form.like}` },
};

/** Other numbers, also with a decimal comma, which a browser's own field for numbers would leave out: 30,5 as 305. */
const PLAIN = { shown: x => shownNumber(x), typed: String, such: () => "a number such as 30.5",
  read: text => plainNumber(text.replace(/^([+-]?\d*),(?!\d{3}$)(?=\d+$)/, "$1.")) };

const writtenAs = column => WRITTEN[column.reader] ?? PLAIN;
const shownIn = (column, x) => writtenAs(column).shown(x);

/** Where x lies between two numbers, 0 to 1; their difference may be beyond the largest number. */
const shareBetween = (x, low, high) => (x / 2 - low / 2) / (high / 2 - low / 2);

const between = (low, high, share) => low * (1 - share) + high * share;

/** A power of ten that divides a range finely; 1 or more for whole numbers. */
function stepOf({ low, high, whole }) {
  const step = 10 ** Math.floor(Math.log10(high / 200 - low / 200));
  return whole ? Math.max(1, step) : step;
}

const isRanged = column => !column.names && !column.parts && column.low !== null && column.low < column.high;

// --- fields of the form ---------------------------------------------------------------------------------------

/** A field of a column: its elements, and `show` to show a value. */
function fieldOf(column, number, change) {
  const made = column.parts ? textField : !column.names ? numberField : column.names.length <= MOST_CHOICES ? choiceField : searchField;
  return made(column, `field-${number}`, change);
}

function framed(column, id, range, ...controls) {
  const note = element("p", { class: "note", id: `${id}-note` });
  const label = element("label", { for: id }, element("bdi", {}, column.name));
  const root = element("div", { class: "field" },
    element("div", { class: "head" }, label, element("span", { class: "range", id: `${id}-range` }, range)),
    element("div", { class: "controls" }, ...controls), note);
  return { root, say: text => { note.textContent = text; } };
}

function numberField(column, id, change) {
  const ranged = isRanged(column), written = writtenAs(column), isPlain = written === PLAIN;
  const isLong = !isPlain && [column.low, column.high].some(x => shownIn(column, x ?? 0).length > 10);
  const kind = { type: "text", class: isLong ? "written long" : "written", ...(isPlain ? { inputmode: "decimal" } : {}) };
  const input = element("input", { id, ...kind, placeholder: "missing", "aria-describedby": `${id}-range ${id}-note` });
  const step = ranged ? stepOf(column) : 0, slides = step > 0 && isFinite(step);
  const slider = slides && element("input", { type: "range", step, "aria-label": `${column.name}, slider`,
    min: Math.floor(column.low / step) * step, max: Math.ceil(column.high / step) * step });
  const unit = column.unit && (column.form?.like || isPlain || column.low === null) ? ` (${column.unit})` : "";
  const range = (column.low === null ? "number" : `${shownIn(column, column.low)} … ${shownIn(column, column.high)}`) + unit;
  const { root, say } = framed(column, id, range, ...(slides ? [slider] : []), input);
  const hint = value => {
    const beyond = value !== null && column.low !== null && (value < column.low || value > column.high);
    root.classList.toggle("missing", value === null);
    say(value === null && input.value.trim() ? `not ${written.such(column)}: counts as missing` : value === null ? "missing"
      : beyond ? "beyond what training had" : "");
  };
  const read = () => {
    const text = input.value.trim(), value = written.read(text, column);
    return text === "" || !isFinite(value) ? null : value;
  };
  const write = value => { input.value = value === null ? "" : written.typed(value, column); };
  const place = value => { if (slides) slider.value = value ?? between(column.low, column.high, 0.5); };
  input.addEventListener("input", () => {
    const value = read();
    place(value);
    hint(value);
    change(value);
  });
  if (slides) slider.addEventListener("input", () => {
    const value = Number(Number(slider.value).toPrecision(12));
    write(value);
    hint(value);
    change(value);
  });
  return { root, show(value) {
    write(value);
    place(value);
    hint(value);
  } };
}

function choiceField(column, id, change) {
  const select = element("select", { id }, element("option", { value: 0 }, "– missing –"));
  column.names.forEach((name, i) => select.append(element("option", { value: i + 1 }, name)));
  const { root } = framed(column, id, counted(column.names.length, "choice"), select);
  const mark = code => root.classList.toggle("missing", !code);
  select.addEventListener("change", () => {
    mark(Number(select.value));
    change(Number(select.value));
  });
  return { root, show(code) {
    select.value = code;
    mark(code);
  } };
}

/** For very many categories: a text, with the first of them that contain it to choose from. */
function searchField(column, id, change) {
  const found = element("datalist", { id: `${id}-list` });
  const input = element("input", { id, type: "text", list: found.id, placeholder: "missing",
    "aria-describedby": `${id}-range ${id}-note` });
  const { root, say } = framed(column, id, `${shownNumber(column.names.length)} choices: type to search`, input, found);
  const codes = new Map(column.names.map((name, i) => [name, i + 1]));
  const propose = text => {
    const wanted = text.toLowerCase(), fitting = [];
    for (const name of column.names) {
      if (name.toLowerCase().includes(wanted)) fitting.push(name);
      if (fitting.length === 50) break;
    }
    found.replaceChildren(...fitting.map(name => element("option", { value: name })));
  };
  const hint = code => {
    root.classList.toggle("missing", !code);
    say(code ? "" : input.value ? "not among the choices: counts as missing" : "missing");
  };
  input.addEventListener("input", () => {
    propose(input.value);
    const code = codes.get(input.value) ?? 0;
    hint(code);
    change(code);
  });
  input.addEventListener("focus", () => propose(""));
  return { root, show(code) {
    input.value = code ? column.names[code - 1] : "";
    hint(code);
  } };
}

/** A text that is read as a whole; one line with proposals where the type has some. */
function textField(column, id, change) {
  const { proposals } = column.data, common = { id, placeholder: "missing", "aria-describedby": `${id}-note` };
  const input = proposals ? element("input", { ...common, type: "text", list: `${id}-list` }) : element("textarea", { ...common, rows: 2 });
  const list = (proposals ?? []).map(text => element("option", { value: text }));
  const { root, say } = framed(column, id, proposals?.join(", ") ?? "", input, element("datalist", { id: `${id}-list` }, ...list));
  const read = partsReader(column);
  const hint = text => {
    const isOther = text !== null && read(text).every((value, i) => column.parts[i] ? value === 0 : isNaN(value));
    root.classList.toggle("missing", text === null);
    say(isOther ? "unlike all values of training: counts as missing" : text === null ? "missing" : "");
  };
  input.addEventListener("input", () => {
    const text = input.value.trim() === "" ? null : input.value;
    hint(text);
    change(text);
  });
  return { root, show(text) {
    input.value = text ?? "";
    hint(text);
  } };
}

const counted = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

const valueText = (column, value) =>
  column.names ? value ? column.names[value - 1] : "missing" : value === null ? "missing"
    : column.parts ? value : shownIn(column, value);

// --- curves ---------------------------------------------------------------------------------------------------

/** The values at which a column's curve is drawn: through its range, or its most frequent categories. */
function curveValues(column, current) {
  if (!column.names) return numbersThrough(column, current);
  const codes = column.names.map((_, i) => i + 1).sort((a, b) => (column.counts[b - 1] ?? 0) - (column.counts[a - 1] ?? 0));
  const shown = codes.slice(0, MOST_IN_CURVE);
  if (current && !shown.includes(current)) shown[MOST_IN_CURVE - 1] = current;
  return shown;
}

/** Numbers from the lowest to the highest: evenly, and closer where training had most of them; and the current one. */
function numbersThrough({ low, high, center, factor, whole, exact }, current) {
  // The line of an exact column shows its smooth part: between whole numbers, or a little beside even steps.
  const shown = exact ? x => whole ? Math.floor(x) + 0.5 : x + 0.0038 * (high - low) : x => whole ? Math.round(x) : x;
  const shares = Array.from({ length: CURVE_POINTS }, (_, i) => i / (CURVE_POINTS - 1));
  const even = shares.map(share => between(low, high, share));
  const near = shares.map(share => center + (6 * share - 3) / (factor || 1));
  const values = [...even, ...near].map(shown).filter(x => x >= low && x <= high);
  if (!exact && current !== null && current >= low && current <= high) values.push(current);
  return [...new Set(values)].sort((a, b) => a - b);
}

const WIDTH = 260, HEIGHT = 150, PLOT = { left: 44, right: 252, top: 10, bottom: 124 };

/** An end of a chart's axis: of dates the day, or the time where the axis is a day or two, as both ends need room. */
function endOf(column, x) {
  const text = shownIn(column, x), [day, time] = text.split(" ");
  return !time || column.reader !== "date" ? text : column.high - column.low > 2 ? day : time;
}

/** A chart of a number's curve; the scale of the prediction is shared by all charts. */
function lineChart(column, values, outputs, now, scale) {
  const x = share => PLOT.left + share * (PLOT.right - PLOT.left);
  const y = share => PLOT.bottom - share * (PLOT.bottom - PLOT.top);
  const across = value => x(shareBetween(value, column.low, column.high));
  const parts = [];
  for (const tick of scale.ticks) {
    const at = y(scale.share(tick));
    parts.push(element("line", { class: "grid", x1: PLOT.left, x2: PLOT.right, y1: at, y2: at }),
      element("text", { class: "end", x: PLOT.left - 6, y: at + 4 }, scale.tickText(tick)));
  }
  parts.push(element("text", { x: PLOT.left, y: HEIGHT - 8 }, endOf(column, column.low)),
    element("text", { class: "end", x: PLOT.right, y: HEIGHT - 8 }, endOf(column, column.high)));
  const line = values.map((value, i) => `${i ? "L" : "M"}${across(value).toFixed(1)} ${y(scale.share(outputs[i])).toFixed(1)}`);
  parts.push(element("path", { class: "curve", d: line.join("") }));
  if (now.value !== null) {
    const at = Math.min(Math.max(across(now.value), PLOT.left), PLOT.right);
    parts.push(element("line", { class: "here", x1: at, x2: at, y1: PLOT.top, y2: PLOT.bottom }),
      element("circle", { class: "dot", cx: at, cy: y(scale.share(now.output)), r: 5 }));
  }
  return element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": told(column, values, outputs, scale) },
    ...parts);
}

/** The same of categories: a line each, with a dot where its prediction lies. */
function dotChart(column, codes, outputs, now, scale) {
  const list = element("div", { class: "dots", role: "img", "aria-label": told(column, codes, outputs, scale) });
  codes.forEach((code, i) => {
    const dot = element("span", { class: "dot" });
    dot.style.left = `${100 * scale.share(outputs[i])}%`;
    const row = element("div", { "data-code": code, class: code === now.value ? "line here" : "line" },
      element("bdi", { class: "name", title: column.names[code - 1] }, column.names[code - 1]), element("span", { class: "track" }, dot),
      element("span", { class: "value" }, scale.text(outputs[i])));
    list.append(row);
  });
  return list;
}

/** A chart in words. */
function told(column, values, outputs, scale) {
  const at = pick => {
    const i = outputs.indexOf(pick);
    return `${scale.text(outputs[i])} at ${valueText(column, values[i])}`;
  };
  return `Prediction by ${column.name}: lowest ${at(Math.min(...outputs))}, highest ${at(Math.max(...outputs))}`;
}

// --- the page -------------------------------------------------------------------------------------------------

function tablePage(model, network) {
  const columns = model.inputs.columns, classes = model.classes, fields = [];
  const first = model.examples[model.examples.length >> 1]?.row ?? columns.map(typicalValue);
  let row = [...first], isDue = false, isDrawing = false;
  const bars = classes && likeliestBars(byId("bars"), classes);
  const examples = exampleCards(model, columns, network, example => setRow(example.row));
  const output = outputChoice(model, () => update());

  function setRow(values) {
    row = [...values];
    fields.forEach((field, i) => field?.show(row[i]));
    update();
  }

  function setValue(i, value) {
    row[i] = value;
    fields[i]?.show(value);
    update();
  }

  function update() {
    const found = network.run(row);
    showPrediction(model, Array.from(found.values), found.decided, bars);
    examples.markNearest(found);
    drawCurves();
  }

  buildForm(columns, model.order, fields, () => row, (i, value) => {
    row[i] = value;
    update();
  });
  const curved = curvedColumns(model, columns, network, row);
  const charts = curved.map(i => curveCard(columns[i], value => setValue(i, value)));
  byId("curves").replaceChildren(...charts.map(chart => chart.root));

  /** Draw the curves a column at a time, so that typing and sliding stay quick; again if the row has changed by then. */
  async function drawCurves() {
    isDue = true;
    if (isDrawing) return;
    isDrawing = true;
    while (isDue) {
      isDue = false;
      const at = [...row], now = network.predict([at])[0], followed = output.index(now), found = [];
      for (const i of curved) {
        const values = curveValues(columns[i], at[i]);
        const outputs = await unhurried(values, value => varied(network, at, i, [value])[0][followed]);
        found.push({ values, outputs });
      }
      const scale = sharedScale(model, [now[followed], ...found.flatMap(one => one.outputs)]);
      found.forEach(({ values, outputs }, k) =>
        charts[k].show(values, outputs, { value: at[curved[k]], output: now[followed] }, scale));
    }
    isDrawing = false;
  }

  update();
  return { setRow, get row() { return row; } };
}

/** The results of a function, with pauses in which the page can do other things. */
async function unhurried(values, compute) {
  const results = [];
  let since = performance.now();
  for (const value of values) {
    results.push(compute(value));
    if (performance.now() - since < LONGEST_SLICE) continue;
    await new Promise(resolve => setTimeout(resolve));
    since = performance.now();
  }
  return results;
}

/** The predictions of a row with other values in one column. */
const varied = (network, row, i, values) => network.predict(values.map(value => row.map((x, j) => j === i ? value : x)));

/** What stands in a column where nothing else is known: the median, or the most frequent category. */
const typicalValue = column => column.parts ? column.typical : column.names ? 1 + indexOfHighest(column.counts) : column.fill;

function buildForm(columns, order, fields, currentRow, change) {
  const form = byId("form");
  form.addEventListener("submit", event => event.preventDefault());
  const add = (i, parent) => {
    fields[i] = fieldOf(columns[i], i, value => change(i, value));
    fields[i].show(currentRow()[i]);
    parent.append(fields[i].root);
  };
  const shown = order.length > SHOWN_FIELDS + 4 ? SHOWN_FIELDS : order.length, others = order.slice(shown);
  for (const i of order.slice(0, shown)) add(i, form);
  if (!others.length) return;
  const more = element("details", {}, element("summary", {}, `${counted(others.length, "more column")}`));
  more.addEventListener("toggle", () => { for (const i of others) if (!fields[i]) add(i, more); });
  form.append(more);
}

/** The columns that have a curve: those that matter most, or, where that is not known, that move this row most. */
function curvedColumns(model, columns, network, row) {
  const able = model.order.filter(i => columns[i].names ? columns[i].names.length > 1 : isRanged(columns[i]));
  if (model.ranked) return able.slice(0, MOST_CURVES);
  const looked = able.slice(0, MOST_LOOKED_AT), reach = new Map(looked.map(i => {
    const values = curveValues(columns[i], row[i]).filter((_, k) => columns[i].names || k % 8 === 0);
    const moved = varied(network, row, i, values), spans = moved[0].map((_, j) => {
      const outputs = moved.map(one => one[j]);
      return Math.max(...outputs) - Math.min(...outputs);
    });
    return [i, Math.max(...spans)];
  }));
  return looked.sort((a, b) => reach.get(b) - reach.get(a)).slice(0, MOST_CURVES);
}

const ROUGH = "This column’s values are learned one by one, since neighbouring values predict different results; between values the line is interpolated.";
const EXACT = "This column’s repeated values are learned one by one, since neighbouring values predict different results; the line is of all other values.";

/** A column's chart, in which a value can be chosen. */
function curveCard(column, choose) {
  const plot = element("div", { class: "plot" });
  const root = element("figure", {}, element("figcaption", {}, element("bdi", {}, column.name)), plot);
  if (column.exact) root.append(element("p", { class: "hint" }, EXACT));
  if (column.rough) root.append(element("p", { class: "hint" }, ROUGH));
  const pick = event => {
    if (column.names) {
      const line = event.target.closest(".line");
      if (line) choose(Number(line.dataset.code));
      return;
    }
    const box = plot.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * WIDTH;
    const share = Math.min(Math.max((x - PLOT.left) / (PLOT.right - PLOT.left), 0), 1), step = stepOf(column);
    const value = between(column.low, column.high, share);
    choose(step > 0 && isFinite(step) ? Number((Math.round(value / step) * step).toPrecision(12)) : value);
  };
  plot.addEventListener("click", pick);
  plot.addEventListener("pointerdown", event => {  // a finger that is put down here may be about to scroll
    if (!column.names && event.pointerType === "mouse" && !event.button) plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", event => { if (plot.hasPointerCapture(event.pointerId)) pick(event); });
  const chart = column.names ? dotChart : lineChart;
  return { root, show: (...shown) => plot.replaceChildren(chart(column, ...shown)) };
}

/** One scale for all curves, so that they can be compared; it begins and ends at round numbers. */
function sharedScale(model, values) {
  let low = Math.min(...values), high = Math.max(...values);
  const least = model.classes ? 0.1 : (model.high / 20 - model.low / 20) || Math.abs(low) / 10 || 1;
  const gap = Math.max(least - (high - low), 0) / 2;
  [low, high] = model.classes ? [Math.max(low - gap, 0), Math.min(high + gap, 1)] : [low - gap, high + gap];
  const step = roundStep((high - low) / 3);
  const first = Math.floor(low / step + 1e-9), last = Math.max(Math.ceil(high / step - 1e-9), first + 1);
  const ticks = last - first > 9 || !isFinite(step) ? [low, high]
    : Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  const [bottom, top] = [ticks[0], ticks.at(-1)];
  const places = Math.max(0, -Math.floor(Math.log10(100 * step) + 1e-9));
  const compact = x => needsPower(x) ? x.toExponential(1).replace(".0e", "e").replace("e+", "e")
    : Math.abs(x) < 1e4 ? shownNumber(x)
    : x.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 4 });
  const tickText = model.classes ? x => `${(100 * x).toFixed(places)} %` : compact;
  const text = model.classes ? x => `${(100 * x).toFixed(top - bottom < 0.2 ? places + 1 : places)} %` : compact;
  return { ticks, text, tickText, share: x => shareBetween(x, bottom, top) };
}

/** The smallest of 1, 2, 5, 10, 20, … that is at least x. */
function roundStep(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return power * [1, 2, 5, 10].find(factor => factor * power >= x * 0.999);
}

const thresholdTold = ({ output: { threshold, positive }, outputs }) => threshold === null ? []
  : [" ", element("bdi", {}, outputs[positive]), ` is predicted at probabilities of ${percent(threshold)} or more.`];

/** Which of several outputs the curves follow; at first the likeliest class, or the second of two. */
function outputChoice(model, change) {
  const names = model.outputs, select = byId("output"), follows = model.classes && !model.several && names.length > 2;
  if (names.length === 1 || model.classes && names.length === 2 && !model.several) {
    const one = names.length - 1;
    byId("followed-one").append(...(model.classes ? ["Probability of ", element("bdi", {}, names[one]), ".",
      ...thresholdTold(model)] : []));
    return { index: () => one };
  }
  byId("followed").hidden = false;
  if (follows) select.append(element("option", { value: -1 }, "the likeliest class"));
  names.forEach((name, i) => select.append(element("option", { value: i }, name)));
  select.addEventListener("change", change);
  return { index: now => Number(select.value) < 0 ? indexOfHighest(now) : Number(select.value) };
}

function showPrediction(model, outputs, decided, bars) {
  if (!model.classes) {
    const texts = outputs.map((x, j) => outputs.length > 1 ? `${model.outputs[j]}: ${shownNumber(x)}` : shownNumber(x, 5));
    byId("predicted").textContent = texts.join("\n");
    byId("predicted").classList.toggle("several", texts.length > 1);
    showOnScale(model, outputs);
    announce(`Prediction ${texts.join(", ")}`);
    return;
  }
  const [best] = decided;
  const labels = model.several ? model.classes.filter((_, j) => decided[j]) : [model.classes[best]];
  byId("predicted").textContent = labels.join(", ") || "none";
  byId("sure").textContent = model.several ? "" : percent(outputs[best]);
  bars.show(outputs, model.several ? -1 : best);
  announce(`Prediction ${labels.join(", ") || "none"}${model.several ? "" : `, ${percent(outputs[best])}`}`);
}

/** Where a predicted number lies among the targets of training. */
function showOnScale({ low, high }, outputs) {
  if (outputs.length > 1 || low === null || !(low < high)) return;
  const scale = byId("scale");
  scale.hidden = false;
  byId("low").textContent = shownNumber(low);
  byId("high").textContent = shownNumber(high);
  scale.style.setProperty("--at", shareBetween(outputs[0], low, high));
}

/** Bars of all classes, or of the likeliest of many. */
function likeliestBars(list, classes) {
  list.hidden = false;
  byId("result").classList.toggle("tall", classes.length > 3);
  list.classList.toggle("long", classes.some(name => name.length > 18));
  if (classes.length <= MOST_BARS + 2) return probabilityBars(list, classes);
  return {
    show(probabilities) {
      const likeliest = classes.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]).slice(0, MOST_BARS);
      list.replaceChildren();
      probabilityBars(list, likeliest.map(i => classes[i])).show(likeliest.map(i => probabilities[i]), 0);
    },
  };
}

/** A button for each example row; the one nearest to the form's is marked. */
function exampleCards(model, columns, network, choose) {
  byId("examples-card").hidden = !model.examples.length;
  const told = model.order.slice(0, 2);
  byId("truths").hidden = model.examples.every(({ truth }) => truth === null);
  const cards = model.examples.map(({ row, truth }, number) => {
    const badge = element("span", { class: "badge" });
    const facts = told.map(i => element("span", { class: "fact" }, element("bdi", {}, columns[i].name), " ",
      element("bdi", { class: "said" }, valueText(columns[i], row[i]))));
    const button = element("button", { type: "button" }, element("span", { class: "truth" }, element("bdi", {}, truth ?? `Row ${number + 1}`)),
      badge, ...facts);
    button.addEventListener("click", () => choose({ row }));
    byId("examples").append(button);
    const { inputs, codes = [] } = network.run(row);
    return { button, badge, encoded: { inputs: inputs.slice(), codes: codes.slice() } };
  });
  return {
    markNearest(found) {
      const distances = cards.map(card => distance(card.encoded, found));
      const nearest = distances.indexOf(Math.min(...distances));
      cards.forEach(({ button, badge }, i) => {
        badge.textContent = i !== nearest ? "" : distances[i] === 0 ? "this row" : "nearest";
        i === nearest ? button.setAttribute("aria-current", "true") : button.removeAttribute("aria-current");
      });
    },
  };
}

/** How far apart rows are as the network gets them: differences of scaled numbers, and categories that differ. */
function distance(one, other) {
  const apart = one.inputs.reduce((sum, x, i) => sum + Math.abs(x - other.inputs[i]), 0);
  return apart + one.codes.filter((code, j) => code !== other.codes[j]).length;
}
