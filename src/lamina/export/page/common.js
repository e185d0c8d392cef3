// What both kinds of page share: elements, probabilities as bars, what is said to screen readers.
"use strict";

const byId = id => document.getElementById(id);

/** An element with its attributes and children; texts become text, never markup. */
function element(name, attributes = {}, ...children) {
  const made = name in SVG_NAMES ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== false) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const SVG_NAMES = Object.fromEntries("svg g path line circle rect text title".split(" ").map(name => [name, true]));

const indexOfHighest = values => values.reduce((best, x, i) => x > values[best] ? i : best, 0);

/** A probability for people: never 100 % or 0 % where it isn't. */
function percent(share) {
  const shown = 100 * share;
  if (shown > 99.9 && shown < 100) return "> 99.9 %";
  if (shown < 0.1 && shown > 0) return "< 0.1 %";
  return `${shown.toFixed(shown >= 99.95 || shown === 0 ? 0 : 1)} %`;
}

/** A bar for each class, or for the likeliest of many. */
function probabilityBars(list, classes) {
  const rows = classes.map(name => {
    const fill = element("span", { class: "fill" }), value = element("span", { class: "value" });
    const row = element("li", {}, element("bdi", { class: "name" }, String(name)),
      element("span", { class: "track", "aria-hidden": "true" }, fill), value);
    list.append(row);
    return { row, fill, value };
  });
  return {
    show(probabilities, best) {
      rows.forEach(({ row, fill, value }, i) => {
        const share = probabilities ? probabilities[i] : 0;
        fill.style.width = `${100 * share}%`;
        value.textContent = probabilities ? percent(share) : "–";
        row.classList.toggle("best", i === best);
      });
    },
  };
}

let saying = 0;

/** Tell a screen reader, when nothing has changed for a moment. */
function announce(text) {
  clearTimeout(saying);
  saying = setTimeout(() => { byId("status").textContent = text; }, 700);
}
