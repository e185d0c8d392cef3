/* Reads two dates as `Period` does. */
({ form, to, open, year, used }) => {
  const between = new RegExp(to, "gi"), isOpen = new RegExp(`^(?:${open})$`, "i");
  const dayOf = text => plainNumber(text) === null ? readDate(text, form) : NaN;
  const valuesOf = (start, days, turn = 2 * Math.PI / year * start) => {
    const values = [start, days, Math.sin(turn), Math.cos(turn)];
    return used.map(i => values[i]);
  };
  return text => {
    const whole = text.trim();
    for (const found of whole.matchAll(between)) {
      const start = dayOf(whole.slice(0, found.index)), last = whole.slice(found.index + found[0].length), end = dayOf(last);
      if (isNaN(start) || isNaN(end) && !isOpen.test(last)) continue;
      return valuesOf(start, end - start);
    }
    return valuesOf(dayOf(whole), isNaN(dayOf(whole)) ? NaN : 0);
  };
}
