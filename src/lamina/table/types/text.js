/* Reads texts as `lamina.table.ngrams.TextEncoder` does: gives the numbers of their n-grams, and the category. */
({ hashes, idf, weights, categories }) => {
  const PRIME = 16777619, MOST_POINTS = 16384, LONGEST_WORD = 32;
  const places = new Map(Array.from(hashes, (hash, i) => [hash, i])), numbers = weights.length / 2 / idf.length || 0;
  const halves = Float64Array.from(new Uint16Array(weights.buffer), half => {
    const size = half >> 10 & 31, rest = half & 1023;
    const value = size ? (1 + rest / 1024) * 2 ** (size - 15) : rest * 2 ** -24;
    return half >> 15 ? -value : value;
  });
  const within = (point, ranges) => ranges.some(([first, last]) => first <= point && point <= last);
  const SPACES = [[0, 32], [0x85, 0x85], [0xA0, 0xA0], [0x1680, 0x1680], [0x2028, 0x2029]];
  const OTHERS = [...SPACES, [33, 47], [58, 64], [91, 96], [123, 0xA9], [0xAB, 0xB4], [0xB6, 0xB9], [0xBB, 0xBF],
    [0xD7, 0xD7], [0xF7, 0xF7], [0x2000, 0x206F], [0x3000, 0x303F]];
  const WIDE = [[0x2E80, 0xABFF], [0xF900, 0xFAFF], [0x1F000, 0x10FFFF]];
  const isWide = point => point >= 0x2E80 && within(point, WIDE);

  /** The code points of a folded text between spaces, of which several are one. */
  function pointsOf(text) {
    const cut = Array.from(text).slice(0, MOST_POINTS).join("").replaceAll("\0", " ");
    const folded = cut.normalize("NFKC").toUpperCase().toLowerCase().replaceAll("\u03C2", "\u03C3");
    const points = [32];
    for (const letter of folded + " ") {
      const point = letter.codePointAt(0), shown = within(point, SPACES) ? 32 : point;
      if (shown !== 32 || points.at(-1) !== 32) points.push(shown);
    }
    return points;
  }

  /** How often a text has each of the known tokens, by their places. */
  function countsOf(points) {
    const counts = new Map();
    const count = (first, last, seed) => {
      let hash = seed;
      for (let i = first; i < last; i++) hash = Math.imul(hash ^ points[i], PRIME);
      hash = Math.imul(hash ^ hash >>> 16, 0x85EBCA6B);
      const place = places.get(hash ^ hash >>> 13);
      if (place !== undefined) counts.set(place, (counts.get(place) ?? 0) + 1);
    };
    let start = 0;
    points.forEach((point, i) => {
      for (const size of [3, 4])
        if (i + size <= points.length && !points.slice(i + 1, i + size - 1).includes(32)) count(i, i + size, 2166136261);
      if (isWide(point)) {
        count(i, i + 1, 0x7FEB352D);
        if (isWide(points[i + 1] ?? 0)) count(i, i + 2, 0x7FEB352D);
      }
      if (within(point, OTHERS)) {
        if (start < i) count(start, Math.min(i, start + LONGEST_WORD), 0x2545F491);
        start = i + 1;
      }
    });
    return counts;
  }

  return text => {
    const values = new Array(numbers).fill(0);
    let square = 0;
    for (const [place, count] of [...countsOf(pointsOf(text))].sort(([a], [b]) => a - b)) {
      square += (count * idf[place]) ** 2;
      for (let j = 0; j < numbers; j++) values[j] += count * halves[place * numbers + j];
    }
    const found = values.map(value => value / (Math.sqrt(square) || 1));
    return categories ? [...found, categories.indexOf(text) + 1] : found;
  };
}
