// Numbers in words, as `lamina.table.written_numbers` reads them.
"use strict";

/** The words and patterns that `lamina.table.number_texts.page_words` gave; a function of a text and its column's form. */
function numberReader({ signs, currencies, scales, scaleWords, patterns, several, after: meant } = {}) {
  const compiled = Object.fromEntries(Object.entries(patterns ?? {}).map(([name, [source, flags]]) =>
    [name, new RegExp(source, flags)]));
  const [moneys, powers] = [currencies, scaleWords].map(words => new Map(Object.entries(words ?? {})));
  const currencyOf = text => moneys.get(text.toLowerCase());

  const isCredit = unit => /^cr\.*$/i.test(unit);

  function suffixOf(text, sign) {
    if (!text) return [0, "", ""];
    if (currencyOf(text)) return [0, currencyOf(text), ""];
    const space = text.indexOf(" "), head = space < 0 ? text : text.slice(0, space);
    const tail = space < 0 ? "" : text.slice(space + 1).trim(), hasTail = space >= 0 && space + 1 < text.length;
    const plain = head.toLowerCase().replace(/\.+$/, "");
    let power = powers.get(plain) ?? powers.get(`${sign} ${plain}`);
    if (isCredit(text)) return [0, "", text];
    if (compiled.counted.test(text)) power ??= scales[text[0]];
    if (power === undefined && (!hasTail || currencyOf(tail)) && /^[kKMBmbTt]$/.test(head))
      power = { ...scales, ...(sign || hasTail ? { m: 6, b: 9, T: 12, t: 12 } : {}) }[head];
    if (power !== undefined) return [power, currencyOf(tail) ?? "", currencyOf(tail) ? "" : tail];
    if (scales[text[0]] && currencyOf(text.slice(1))) return [scales[text[0]], currencyOf(text.slice(1)), ""];
    for (const start of [head.toLowerCase(), text[0]])
      if (moneys.has(start) && text.length > start.length) return [0, moneys.get(start), text.slice(start.length).trim()];
    return [0, "", text];
  }

  function atomOf(text) {
    const found = compiled.atom.exec(text);
    if (!found) return null;
    const { number, fraction, minus, minus2, minus3, before = "", after = "", gap, exponent = "" } = found.groups;
    if (fraction === undefined && minus === "+" && /^\d[\d ]* \d+$/.test(number)) return null;
    const isName = before.length === 2 && before === before.toUpperCase() && before !== before.toLowerCase();
    if (isName && /\d/.test(text[found.indices.groups.before[1]] ?? "")) return null;
    const sign = before ? currencyOf(before) : "", [power, currency, unit] = suffixOf(after.trim(), sign);
    const negatives = [minus, minus2, minus3].filter(one => one === "-").length;
    if (negatives > 1 || sign && currency && sign !== currency) return null;
    return { digits: fraction ?? number, negative: negatives > 0, exponent, currency: sign || currency, power, unit };
  }

  function openRange(text) {
    let found = compiled.openBefore.exec(text);
    if (found) {
      const low = atomOf(text.slice(found[0].length));
      return low && { low, open: found.groups.below ? -1 : 1 };
    }
    for (found of text.matchAll(compiled.openAfter)) {
      const low = found.index && atomOf((text.slice(0, found.index) + text.slice(found.index + found[0].length)).trim());
      if (low) return { low, open: found.groups.below ? -1 : 1 };
    }
    return null;
  }

  function closedRange(text) {
    const interval = compiled.interval.exec(text);
    if (interval && (text[0] === "[" || text.endsWith("]"))) {
      const [low, high] = interval.slice(1).map(atomOf);
      if (low && compiled.infinite.test(interval[2])) return { low, open: 1 };
      if (high && compiled.infinite.test(interval[1])) return { low: high, open: -1 };
      return low && high && { low, high };
    }
    text = text.replace(compiled.between, "");
    for (const found of text.matchAll(compiled.dash)) {
      if (!found.index) continue;
      let low = atomOf(text.slice(0, found.index).trim()), high = atomOf(text.slice(found.index + found[0].length).trim());
      if (!low || !high || found[0] === "-" && (low.negative || high.negative)) continue;
      if (!low.power && !low.unit) low = { ...low, power: high.power, unit: high.unit };
      if (!high.currency) high = { ...high, currency: low.currency };
      else if (!low.currency) low = { ...low, currency: high.currency };
      return { low, high: high.unit ? high : { ...high, unit: low.unit } };
    }
    return null;
  }

  /** A text with several units as a number of the smallest one, 1h 46min as 106 min; ordinals, angles and seasons as numbers. */
  function inOneUnit(text) {
    text = text.replace(compiled.ordinal, "");
    const [, year, begin, end] = compiled.season.exec(text) ?? [];
    if (year && (Number(begin) + 1) % 100 === Number(end)) return year;
    const angle = compiled.angle.exec(text);
    if (angle) {
      const [before = "", degrees, minutes, seconds, after = ""] = angle.slice(1), letter = (before || after).toUpperCase();
      const total = Math.abs(degrees) + Number(minutes ?? 0) / 60 + Number(seconds ?? 0) / 3600;
      return letter || minutes ? `${withPoint(degrees.startsWith("-") ? -total : total)} °${letter}` : text;
    }
    const iso = compiled.iso.exec(text), clock = iso ?? compiled.clock.exec(text);
    const given = clock ? ["d", "h", "min", "s"].map((unit, i) => [clock[i + 1]?.replace(",", "."), unit]).filter(([number]) => number)
      : compiled.parts.test(text) && !text.replace(compiled.part, "") ? [...text.matchAll(compiled.part)].map(part => part.slice(1)) : [];
    if (given.length < (iso ? 1 : 2)) return text;
    const named = given.map(([, unit]) => unit.toLowerCase()), own = (words, word) => Object.hasOwn(words ?? {}, word);
    const names = named.map((name, i) => own(meant, named[i - 1]) ? meant[named[i - 1]][name] ?? name : name);
    const units = names.map(name => own(several, name) ? several[name] : ["", 0, ""]);
    const [base, last, name] = units.at(-1), sizeOf = i => base === "s" ? units[i][1] : given[i][0] * units[i][1];
    if (!base || units.some(([other], i) => other !== base || i && !(sizeOf(i) < units[i - 1][1]))) return text;
    return `${withPoint(given.reduce((sum, [number], i) => sum + number * (units[i][1] / last), 0))} ${name}`;
  }

  /** A number with a decimal point, or whole; zeros at its end tell that 80.406 are no thousands. */
  function withPoint(total) {
    const found = String(Number(total.toPrecision(12)));
    return found.includes(".") && !found.includes("e") ? `${found}000` : found;
  }

  function writtenOf(text) {
    const length = [...text].length;
    text = Array.from(text, sign => signs[sign] ?? sign).join("");
    if (length > 60 || !compiled.hasDigit.test(text)) return null;
    text = text.trim().replace(compiled.note, "").replace(compiled.noCents, "");
    text = text.replace(compiled.about, "").replace(compiled.rising, "");
    text = inOneUnit((compiled.falling.test(text) ? "-" : "") + text.replace(compiled.falling, ""));
    if (text.startsWith("(") && text.endsWith(")")) {
      const low = atomOf(text.slice(1, -1).trim());
      if (low) return low.negative ? null : { low: { ...low, negative: true } };
    }
    if (/^\d+-$/.test(text)) text = text.slice(0, -1) + "+";
    const low = atomOf(text);
    return low && !(low.unit && text.search(compiled.openAfter) > 0) ? { low } : openRange(text) ?? closedRange(text);
  }

  function magnitude({ digits, exponent, negative }, { decimal, fractions }, power) {
    let value;
    if (digits.includes("/")) {
      const parts = digits.split(/ +/), [above, under] = parts.pop().split("/").map(Number);
      if (!fractions || !under) return null;
      value = (Number(parts[0] ?? 0) + above / under) * Number(`1e${power}`);
    } else {
      const [found, whole, rest] = compiled[decimal].exec(digits) ?? [], plain = whole?.replace(/[.,' ]/g, "");
      if (found === undefined || plain.length > 1 && plain[0] === "0") return null;
      value = Number(`${plain || 0}.${rest || 0}e${Number(exponent.slice(1)) + power}`);
    }
    return isFinite(value) ? negative ? -value : value : null;
  }

  const singular = unit => {
    const word = unit.toLowerCase().replace(/^[. ]+|[. ]+$/g, "").replace(/^th /, "");
    return word.length > 2 && /^\p{L}+s$/u.test(word) ? word.slice(0, -1) : word.length > 3 ? word : unit;
  };

  function valueOf(atom, form) {
    const { unit } = atom, isOwn = unit === form.measure || !unit;
    const known = Object.hasOwn(form.units, unit) ? form.units[unit] : singular(unit) === singular(form.measure) ? 0 : null;
    const power = isOwn ? 0 : form.millions && unit === "m" ? 6 : isCredit(unit) && !form.words.dr ? powers.get("cr")
      : powers.get(`${form.currency} ${unit.toLowerCase().replace(/\.+$/, "")}`) ?? known;
    const word = /^[SW]$/.test(unit) ? unit : unit.toLowerCase().replace(/[. ]+$/, ""), found = Object.hasOwn(form.words, word) ? form.words[word]
      : Object.hasOwn(form.signs, unit) ? form.signs[unit] : [null];
    const [ratio, added] = power !== null ? [1, 0] : found;
    if (ratio === null || atom.currency && atom.currency !== form.currency) return null;
    const value = magnitude(atom, form, power + atom.power);
    return value === null ? null : value * ratio + added;
  }

  function numberOf(text, form) {
    const usual = new RegExp(`^(?:${form.usual})$`).exec(text);
    if (usual) return (usual[1] || usual[2] ? -1 : 1) * Number(`${usual[3].replace(/[.,' ]/g, "")}.${usual[4] ?? 0}`);
    const written = writtenOf(text), low = written && valueOf(written.low, form);
    if (low === null) return null;
    if (written.open) return low + written.open * Number(written.open > 0 ? form.above : form.below) / 2;
    if (!written.high) return low;
    const high = form.ranges ? valueOf(written.high, form) : null;
    return high === null || high < low ? null : low + (high - low) / 2;
  }

  /** The number that a text is in a form, or without one; NaN of others. */
  return (text, form) => (form ? numberOf(text.trim(), form) : null) ?? plainNumber(text) ?? NaN;
}
