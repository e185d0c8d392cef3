/* Reads ordered categories as `Ordered` does: gives the code of the category, and its place. */
({ categories, values, used }) => text => {
  const plain = text.trim().toUpperCase().toLowerCase().replaceAll("ς", "σ");
  const places = new Map(values).get(plain.length > 2 ? plain.replace(/[-_]/g, " ") : plain) ?? [];
  const parts = [categories.indexOf(text) + 1, ...places];
  return used.map(i => parts[i] ?? NaN);
}
