/* Reads several numbers as `Vector` does. */
({ count, unit, used }) => text => {
  const other = (text.match(/(mm|cm|dm|k?m|inch(es)?|in|ft|px|["″])\s*$/)?.[1] ?? unit) !== unit;
  const position = text.trim().match(/^(\d+(?:\.\d+)?) ?°? ?([NS])[\s,;/]+(\d+(?:\.\d+)?) ?°? ?([EW])$/i);
  const sign = letter => /[sw]/i.test(letter) ? "-" : "";
  if (position) text = `${sign(position[2])}${position[1]}, ${sign(position[4])}${position[3]}`;
  const found = other ? [] : text.match(/[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|null|NaN/g) ?? [];
  return used.map(i => found.length === count ? Number(found[i] === "null" ? NaN : found[i]) : NaN);
}
