/* Reads lists as `Lists` does: gives the measures, and a flag for each frequent element. */
({ separator, elements, used }) => {
  const known = new Set(elements), plain = /^[^"\\]*$/;
  const named = x => typeof x === "object" ? x?.name ?? JSON.stringify(x) : String(x);
  const trimmed = (parts, edge) => parts.map(part => part.replace(edge, "")).filter(Boolean);
  function decoded(text) {
    const inner = text.slice(1, -1).replace(/,\s*$/, "");
    try { return JSON.parse(`[${plain.test(inner) ? inner.replaceAll("'", '"') : inner}]`).map(named); }
    catch { return null; }
  }
  function listed(text) {
    if (!/^(\[.*\]|\(.*\)|\{.*\})$/s.test(text)) return null;
    return decoded(text) ?? trimmed(text.slice(1, -1).split(","), /^[\s'"]+|[\s'"]+$/g);
  }
  function separated(text) {
    return (/^\[.*\]$/s.test(text) ? decoded(text) : null) ?? trimmed(text.split(separator), /^\s+|\s+$/g);
  }
  return text => {
    const cell = (separator ? separated : listed)(text.trim()), has = new Set(cell);
    const numbers = cell?.map(Number) ?? [], all = numbers.length && !numbers.some(Number.isNaN);
    const measures = cell && [
      cell.length, [...has].filter(name => !known.has(name)).length,
      ...all ? [numbers.reduce((x, y) => x + y) / numbers.length, Math.min(...numbers), Math.max(...numbers)] : [],
    ];
    return used.map(one => typeof one === "number" ? measures?.[one] ?? NaN : cell ? 1 + has.has(one[0]) : 0);
  };
}
