// The page for digits: a drawing, brought to the form of MNIST's digits, and what the network says of it.
"use strict";

// --- from a drawing to what the network sees: lamina.datasets.normalize_digit, step by step -------------------

const FIELD = 28, BOX = 20, CENTRE = 14, FAINTEST_INK = 20;

/** The 28×28 pixels (0 to 255) of a grey drawing, bytes of any size, or null of a blank one. */
function normalizeDigit(levels, height, width) {
  const paper = median(tally(borderOf(levels, height, width)));
  const ink = Float32Array.from(levels);
  for (let i = 0; i < ink.length; i++) ink[i] = Math.abs(ink[i] - paper);
  const shades = tally(ink);
  if (shades.at(-1)[0] < FAINTEST_INK) return null;
  if (hasMnistForm(ink, height, width)) return Uint8Array.from(ink, roundToEven);
  const floor = unevenness(shades);
  for (let i = 0; i < ink.length; i++) ink[i] = Math.max(ink[i] - floor, 0);
  return placed(scaledToBox(ink, height, width));
}

function borderOf(levels, height, width) {
  const border = [];
  for (let column = 0; column < width; column++) border.push(levels[column], levels[(height - 1) * width + column]);
  for (let row = 0; row < height; row++) border.push(levels[row * width], levels[row * width + width - 1]);
  return border;
}

/** How often each value occurs, in ascending order; the values are bytes, or half way between two. */
function tally(values) {
  const counts = new Uint32Array(512);
  for (const x of values) counts[2 * x]++;
  return Array.from(counts, (count, i) => [i / 2, count]).filter(([, count]) => count);
}

function median(counted) {
  const total = counted.reduce((sum, [, count]) => sum + count, 0);
  const at = place => {
    let passed = 0;
    return counted.find(([, count]) => (passed += count) > place)[0];
  };
  return (at(Math.floor((total - 1) / 2)) + at(Math.floor(total / 2))) / 2;
}

/** Up to which level ink is the paper's unevenness; the strokes' grey edges lie among it. */
function unevenness(shades) {
  const peak = shades.at(-1)[0], threshold = Math.max(otsuThreshold(shades), shades[0][0]);
  const paper = shades.filter(([x]) => x <= threshold), middle = median(paper);
  const distances = paper.map(([x, count]) => [Math.abs(x - middle), count]).sort((a, b) => a[0] - b[0]);
  return Math.fround(Math.min(Math.max(middle + 6 * 1.4826 * median(distances), 0.08 * peak), 0.8 * peak));
}

/** The level that best splits the pixels into two classes (Otsu, 1979). */
function otsuThreshold(shades) {
  const bins = 256, low = shades[0][0], width = (shades.at(-1)[0] - low) / bins;
  const counts = new Float64Array(bins);
  for (const [x, count] of shades) counts[Math.min(Math.floor((x - low) / width), bins - 1)] += count;
  const centre = i => low + (i + 0.5) * width;
  const pixels = counts.reduce((sum, count) => sum + count, 0);
  const total = counts.reduce((sum, count, i) => sum + count * centre(i), 0);
  let below = 0, sum = 0, best = -1, threshold = low;
  for (let i = 0; i < bins - 1; i++) {
    below += counts[i];
    sum += counts[i] * centre(i);
    const above = pixels - below;
    const between = below * above * (sum / Math.max(below, 1) - (total - sum) / Math.max(above, 1)) ** 2;
    if (between > best) [best, threshold] = [between, low + (i + 1) * width];
  }
  return threshold;
}

/** The inked part, its longer side 20 pixels and its inkiest pixel 255. */
function scaledToBox(ink, height, width) {
  const [top, bottom, left, right] = extentOf(ink, height, width);
  const tall = bottom - top, wide = right - left, factor = BOX / Math.max(tall, wide);
  const rows = resampling(tall, Math.max(1, roundToEven(tall * factor)));
  const columns = resampling(wide, Math.max(1, roundToEven(wide * factor)));
  const pixels = new Float64Array(rows.length * columns.length);
  rows.forEach((row, i) => {
    const line = new Float64Array(wide);
    for (const [r, weight] of row) for (let c = 0; c < wide; c++) line[c] += weight * ink[(top + r) * width + left + c];
    columns.forEach((column, j) => {
      for (const [c, weight] of column) pixels[i * columns.length + j] += weight * line[c];
    });
  });
  const scale = 255 / pixels.reduce((most, x) => Math.max(most, x), 0);
  return { pixels: pixels.map(x => x * scale), height: rows.length, width: columns.length };
}

/** For each new pixel the old ones with their weights: a triangle as wide as two of the larger pixels. */
function resampling(before, after) {
  const step = before / after;
  return Array.from({ length: after }, (_, i) => {
    const weights = [];
    for (let j = 0; j < before; j++) {
      const weight = 1 - Math.abs(j + 0.5 - (i + 0.5) * step) / Math.max(step, 1);
      if (weight > 0) weights.push([j, weight]);
    }
    const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
    return weights.map(([j, weight]) => [j, weight / total]);
  });
}

/** The digit in the field, its centre of mass in the middle as far as it then fits. */
function placed({ pixels, height, width }) {
  const [row, column] = centreOfMass(pixels, height, width);
  const corner = (centre, size) => Math.min(Math.max(roundToEven(CENTRE - centre), 0), FIELD - size);
  const top = corner(row, height), left = corner(column, width);
  const field = new Uint8Array(FIELD * FIELD);
  pixels.forEach((x, i) => {
    field[(top + Math.floor(i / width)) * FIELD + left + i % width] = roundToEven(x);
  });
  return field;
}

function hasMnistForm(ink, height, width) {
  if (height !== FIELD || width !== FIELD) return false;
  const [top, bottom, left, right] = extentOf(ink, height, width);
  const longest = Math.max(bottom - top, right - left);
  return longest >= BOX - 1 && longest <= BOX
    && centreOfMass(ink, height, width).every(centre => Math.abs(centre - CENTRE) < 0.6);
}

function extentOf(ink, height, width) {
  let [top, bottom, left, right] = [height, 0, width, 0];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (!ink[row * width + column]) continue;
      top = Math.min(top, row);
      bottom = row + 1;
      left = Math.min(left, column);
      right = Math.max(right, column + 1);
    }
  }
  return [top, bottom, left, right];
}

function centreOfMass(ink, height, width) {
  let [total, rows, columns] = [0, 0, 0];
  ink.forEach((x, i) => {
    total += x;
    rows += x * Math.floor(i / width);
    columns += x * (i % width);
  });
  return [rows / total, columns / total];
}

/** To the nearest whole number, from the middle to the even one, as NumPy rounds. */
function roundToEven(x) {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + floor % 2 : Math.round(x);
}

// --- the drawing --------------------------------------------------------------------------------------------

const SHEET = 280; // the side of the sheet that is drawn on, of any size on the screen
const PEN = 22; // the stroke's width on it
const STEP = 7; // of the keyboard's pen

/** Strokes on a sheet, perhaps with a digit below them that was there from the beginning; each change can be undone. */
class Drawing {
  constructor() {
    this.now = { base: null, strokes: [] };
    this.past = [];
    this.sheet = document.createElement("canvas");
    this.sheet.width = this.sheet.height = SHEET;
  }

  get isEmpty() { return !this.now.base && !this.now.strokes.length; }

  change(next) {
    this.past.push(this.now);
    this.now = next;
  }

  begin(point) { this.change({ ...this.now, strokes: [...this.now.strokes, [point]] }); }

  extend(point) {
    const stroke = this.now.strokes.at(-1), last = stroke.at(-1);
    if (Math.hypot(point.x - last.x, point.y - last.y) >= 1) stroke.push(point);
  }

  undo() { if (this.past.length) this.now = this.past.pop(); }

  clear() { if (!this.isEmpty) this.change({ base: null, strokes: [] }); }

  startFrom(pixels) { this.change({ base: pixels, strokes: [] }); }

  /** Draw everything on a canvas of any size. */
  paint(context, size, ink) {
    context.clearRect(0, 0, size, size);
    if (this.now.base) {
      context.imageSmoothingQuality = "high";
      context.drawImage(inkPicture(this.now.base, ink), 0, 0, size, size);
    }
    context.save();
    context.scale(size / SHEET, size / SHEET);
    Object.assign(context, { lineWidth: PEN, lineCap: "round", lineJoin: "round", strokeStyle: ink });
    for (const stroke of this.now.strokes) traceStroke(context, stroke);
    context.restore();
  }

  /** What the network sees of it: 28×28 pixels, or null. */
  pixels() {
    if (this.now.base && !this.now.strokes.length) return this.now.base;
    const context = this.sheet.getContext("2d", { willReadFrequently: true });
    this.paint(context, SHEET, "#fff");
    const coloured = context.getImageData(0, 0, SHEET, SHEET).data;
    const levels = new Uint8Array(SHEET * SHEET);
    for (let i = 0; i < levels.length; i++) levels[i] = coloured[4 * i + 3];
    return normalizeDigit(levels, SHEET, SHEET);
  }
}

/** A stroke as a smooth curve through the middles between its points. */
function traceStroke(context, stroke) {
  context.beginPath();
  context.moveTo(stroke[0].x, stroke[0].y);
  for (let i = 1; i < stroke.length - 1; i++) {
    const [here, next] = [stroke[i], stroke[i + 1]];
    context.quadraticCurveTo(here.x, here.y, (here.x + next.x) / 2, (here.y + next.y) / 2);
  }
  const last = stroke.at(-1);
  context.lineTo(last.x, last.y + (stroke.length === 1 ? 0.01 : 0));
  context.stroke();
}

/** 28×28 pixels as a picture of one ink on nothing. */
function inkPicture(pixels, ink) {
  const picture = document.createElement("canvas");
  picture.width = picture.height = FIELD;
  const context = picture.getContext("2d");
  context.fillStyle = ink;
  context.fillRect(0, 0, FIELD, FIELD);
  const image = context.getImageData(0, 0, FIELD, FIELD);
  pixels.forEach((x, i) => { image.data[4 * i + 3] = x; });
  context.putImageData(image, 0, 0);
  return picture;
}

// --- the page -----------------------------------------------------------------------------------------------

function digitsPage(model, network) {
  const drawing = new Drawing(), paper = byId("paper");
  const pen = { x: SHEET / 2, y: SHEET / 2, down: false, shown: false };
  const bars = probabilityBars(byId("bars"), model.classes);
  const thumbnails = exampleButtons(model.examples, example => {
    drawing.startFrom(example.pixels);
    update();
  });
  let frame = 0;

  /** Show the drawing now, at most once a frame. */
  function update() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      paint();
      answer();
    });
  }

  function paint() {
    const size = Math.round(paper.clientWidth * devicePixelRatio) || SHEET;
    if (paper.width !== size) paper.width = paper.height = size;
    const context = paper.getContext("2d"), style = getComputedStyle(paper);
    drawing.paint(context, size, style.color);
    if (pen.shown) paintPen(context, size / SHEET, pen, style.accentColor);
    byId("invitation").hidden = !drawing.isEmpty || pen.shown;
    byId("undo").disabled = !drawing.past.length;
    byId("clear").disabled = drawing.isEmpty;
    for (const { button, pixels } of thumbnails) button.setAttribute("aria-pressed", drawing.now.base === pixels);
  }

  function answer() {
    const pixels = drawing.pixels();
    showPixels(byId("pixels"), pixels);
    const { values: probabilities, decided: [best] } = pixels ? network.run(pixels) : { values: null, decided: [-1] };
    bars.show(probabilities, best);
    byId("digit").textContent = pixels ? model.classes[best] : "?";
    const sure = pixels ? `${percent(probabilities[best])} sure` : "Nothing drawn yet";
    byId("sure").textContent = sure;
    byId("glance").textContent = pixels ? `${model.classes[best]} · ${percent(probabilities[best])}` : "";
    byId("pixels").setAttribute("aria-label", pixels
      ? "The drawing in 28 by 28 pixels, centred and scaled" : "The network sees nothing yet");
    announce(pixels ? `The network reads ${model.classes[best]}, ${sure}` : sure);
  }

  listenToPointer(paper, drawing, pen, update);
  listenToKeys(paper, drawing, pen, update);
  byId("undo").addEventListener("click", () => { drawing.undo(); update(); });
  byId("clear").addEventListener("click", () => { drawing.clear(); update(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update);
  new ResizeObserver(update).observe(paper);
  update();
  return drawing;
}

/** Draw with mouse, finger or pen, also beyond the edge while it is held down. */
function listenToPointer(paper, drawing, pen, update) {
  let pointer = null;
  const place = event => {
    const box = paper.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width * SHEET, y: (event.clientY - box.top) / box.height * SHEET };
  };
  paper.addEventListener("pointerdown", event => {
    if (pointer !== null || event.button) return;
    pointer = event.pointerId;
    paper.setPointerCapture(pointer);
    pen.shown = pen.down = false;
    drawing.begin(place(event));
    update();
  });
  paper.addEventListener("pointermove", event => {
    if (event.pointerId !== pointer) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const one of passed.length ? passed : [event]) drawing.extend(place(one));
    update();
  });
  const lift = event => { if (event.pointerId === pointer) pointer = null; };
  paper.addEventListener("pointerup", lift);
  paper.addEventListener("pointercancel", lift);
}

/** Draw with the keyboard: a pen that arrow keys move. */
function listenToKeys(paper, drawing, pen, update) {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const lift = () => { pen.down = false; };
  const actions = {
    " ": () => {
      pen.down = !pen.down;
      if (pen.down) drawing.begin({ x: pen.x, y: pen.y });
      announce(pen.down ? "Pen down" : "Pen up");
    },
    Backspace: () => { lift(); drawing.undo(); },
    Delete: () => { lift(); drawing.clear(); },
    Escape: lift,
  };
  paper.addEventListener("keydown", event => {
    if (event.altKey || event.metaKey || event.ctrlKey && event.key !== "z") return;
    const move = moves[event.key], action = event.ctrlKey ? actions.Backspace : actions[event.key];
    if (!move && !action) return;
    event.preventDefault();
    pen.shown = true;
    if (move) {
      const step = event.shiftKey ? 4 * STEP : STEP, within = x => Math.min(Math.max(x, PEN / 2), SHEET - PEN / 2);
      pen.x = within(pen.x + step * move[0]);
      pen.y = within(pen.y + step * move[1]);
      if (pen.down) drawing.extend({ x: pen.x, y: pen.y });
    } else if (!event.repeat || event.key !== " ") action();
    update();
  });
  paper.addEventListener("focus", () => {
    pen.shown = paper.matches(":focus-visible");
    update();
  });
  paper.addEventListener("blur", () => {
    pen.shown = pen.down = false;
    update();
  });
}

/** Where the keyboard's pen is: a ring, full while it is down. */
function paintPen(context, scale, pen, colour) {
  context.beginPath();
  context.arc(pen.x * scale, pen.y * scale, PEN / 2 * scale, 0, 2 * Math.PI);
  context.lineWidth = 2.5 * scale;
  context.strokeStyle = context.fillStyle = colour;
  context.stroke();
  if (pen.down) context.fill();
}

/** White ink on black, as the network gets it. */
function showPixels(canvas, pixels) {
  const context = canvas.getContext("2d"), image = context.createImageData(FIELD, FIELD);
  for (let i = 0; i < FIELD * FIELD; i++) image.data.set([...Array(3).fill(pixels ? pixels[i] : 0), 255], 4 * i);
  context.putImageData(image, 0, 0);
}

/** A button with its picture for each example; the pixels come from the model. */
function exampleButtons(examples, choose) {
  return examples.map(example => {
    example.pixels = bytesOf(example.pixels);
    const picture = document.createElement("canvas");
    picture.width = picture.height = FIELD;
    showPixels(picture, example.pixels);
    const button = element("button", { type: "button", "aria-label": `Test digit ${example.label}` }, picture);
    button.addEventListener("click", () => choose(example));
    byId("examples").append(button);
    return { button, pixels: example.pixels };
  });
}
