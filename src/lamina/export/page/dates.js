// Dates as `lamina.table.dates` reads them: texts of one shape, every digit a 0, have their fields in the same places.
"use strict";

const PLAIN_NUMBER = /^[+-]?(?:(?:[1-9]\d*|0)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

/** The number of a text without words, or null. */
const plainNumber = text => PLAIN_NUMBER.test(text.trim()) ? Number(text) : null;

const DAY = 86400e6; // microseconds
const EPOCH = /^-?\d{1,19}(?:\.\d+)?$/;
const MOST_DAYS = [-719162, 2932897];

const modulo = (x, y) => (x % y + y) % y;

/** To the nearest whole number, halves to even. */
const rounded = x => Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x);

/** The days since 1970 of a date, or null if there is none in the years 1 to 9999. */
function dayOf(year, month, day) {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isReal = year >= 1 && year <= 9999 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return isReal ? date.getTime() / 86400000 : null;
}

/** The day of a week of ISO 8601, of which the first is that of the 4th of January. */
function dayOfWeek(year, week, day) {
  const fourth = dayOf(year, 1, 4), monday = fourth - modulo(fourth + 3, 7) + 7 * (week - 1);
  const inYear = year === 9999 || monday + 3 < dayOf(year + 1, 1, 1);
  return fourth !== null && week >= 1 && inYear && day >= 1 && day <= 7 ? monday + day - 1 : null;
}

/** How many minutes a zone of IANA's database is ahead of UTC at a local moment, in ms; 0 if it is not known. */
function aheadIn(zone, local) {
  const at = utc => {
    const parts = new Intl.DateTimeFormat("en-US", {
      timeZone: zone, era: "short", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric",
      second: "numeric", hourCycle: "h23",
    }).formatToParts(utc);
    const { year, month, day, hour, minute, second } = Object.fromEntries(parts.map(({ type, value }) => [type, value]));
    return dayOf(+year, +month, +day) * 86400000 + 1000 * (3600 * hour + 60 * minute + +second) - 1000 * Math.floor(utc / 1000);
  };
  try {
    const before = at(local - 86400000), after = at(local + 86400000);
    return (at(local - before) !== before && at(local - after) === after ? after : before) / 60000;
  } catch {
    return 0;
  }
}

/** The shapes, with names of months and zones, that `lamina.table.dates.page_data` gave. */
function dateReader({ patterns, months, zones } = {}) {
  const compiled = new Map(), shapeOf = source => {
    if (!compiled.has(source)) compiled.set(source, new RegExp(`^(?:${source})$`, "d"));
    return compiled.get(source);
  };

  /** The days of a text in a shape with named groups, or null. */
  function daysOf(plain, groups, { groups: places }, { order, pivot }) {
    const isThere = name => groups[name] !== undefined;
    const number = (name, otherwise = 0) => isThere(name) ? Number(plain.slice(...places[name])) : otherwise;
    if (isThere("i") && !order) return null;
    const open = isThere("i") ? [..."ij", isThere("k") ? "k" : "Y"] : [];
    const named = field => open[order.indexOf(field)] ?? field;
    let year = number(open.length ? named("y") : isThere("Y") ? "Y" : "y");
    if (!isThere("Y")) year = pivot + modulo(year - pivot, 100);
    const month = isThere("Q") ? 3 * number("Q") - 2 : isThere("h") ? 6 * number("h") - 5 : number(named("m"), months[groups.b] ?? 1);
    let days = isThere("V") ? dayOfWeek(year, number("V"), number("u", 1)) : dayOf(year, month, number(named("d"), 1));
    if (isThere("D")) {
      days = dayOf(year, 1, 1) + number("D") - 1;
      if (year < 1 || number("D") < 1 || !(days < dayOf(year + 1, 1, 1))) return null;
    }
    let hour = number("H");
    const half = groups.p ?? groups.q, ahead = [number("zh"), number("zm")];
    if (half && (hour < 1 || hour > 12)) return null;
    if (half) hour = hour % 12 + (half === "p" ? 12 : 0);
    if (days === null || hour > 23 || ahead[0] > 23 || [number("M"), number("S"), ahead[1]].some(x => x > 59)) return null;
    const region = groups.R ?? groups.W, local = 86400000 * days + 60000 * (60 * hour + number("M"));
    const minutes = 60 * hour + number("M") - (region ? aheadIn(region, local) : 0) - (zones[groups.Z] ?? 0) - (groups.sign === "-" ? -1 : 1) * (60 * ahead[0] + ahead[1]);
    const fraction = isThere("f") ? rounded(number("f") * 10 ** (6 - groups.f.length)) : 0;
    const moment = BigInt(days) * BigInt(DAY) + BigInt(Math.round(60 * minutes) + number("S")) * 1000000n + BigInt(fraction);
    return Number(moment) / DAY;
  }

  /** The days since 1970 that a text is in a column's form; NaN of others. */
  return (text, form) => {
    const plain = text.trim().toLowerCase().replace(/[\u00a0\u202f]/g, " "), shape = plain.replace(/[1-9]/g, "0");
    for (const source of shape.length > 80 ? [] : [...form.own, ...patterns]) {
      const match = shapeOf(source).exec(shape);
      const days = match && daysOf(plain, match.groups, match.indices, form);
      if (match && days !== null) return days;
      if (match) break;
    }
    if (form.day && EPOCH.test(plain)) return Number(plain) / form.day - (form.start ?? 0);
    const days = form.own.length || form.day ? NaN : plainNumber(plain) ?? NaN;
    return days >= MOST_DAYS[0] && days <= MOST_DAYS[1] ? days : NaN;
  };
}
