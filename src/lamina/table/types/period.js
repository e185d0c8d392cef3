/* Reads two dates as `Period` does. */
({ form, to, open, years, lastYear, noYear, year, used }) => {
  const whole = (pattern, flags = "iu") => new RegExp(`^(?:${pattern})$`, flags);
  const between = new RegExp(to, "gi"), isOpen = whole(open), ofYears = whole(years), hasNoYear = whole(noYear);
  const dayOf = text => plainNumber(text) === null ? readDate(text, form) : NaN;
  const valuesOf = (start, days, turn = 2 * Math.PI / year * start) => {
    const values = [start, days, Math.sin(turn), Math.cos(turn)];
    return used.map(i => values[i]);
  };
  return text => {
    const given = text.trim();
    for (const found of given.matchAll(between)) {
      const first = given.slice(0, found.index), last = given.slice(found.index + found[0].length), end = dayOf(last);
      const own = hasNoYear.test(first) && !isNaN(end) && new RegExp(lastYear).exec(last) || [];
      const starts = ["", ...own].map(more => dayOf(first + more)), start = starts.find(day => !isNaN(day));
      if (start === undefined || isNaN(end) && !isOpen.test(last)) continue;
      return start > end && isNaN(starts[0]) ? valuesOf(start - 365, end - start + 365) : valuesOf(start, end - start);
    }
    const [, since, until, other] = ofYears.exec(given) ?? [];
    if (since && (until ? until >= since : isOpen.test(other))) {
      const start = dayOf(`${since}-01-01`);
      return valuesOf(start, until ? dayOf(`${until}-01-01`) - start : NaN);
    }
    return valuesOf(dayOf(given), isNaN(dayOf(given)) ? NaN : 0);
  };
}
