/* Reads the parts of texts by patterns, as `lamina.table.types.reading` describes them. */
({ patterns, elements, parts }) => {
  const forms = patterns.map(pattern => new RegExp(`^(?:${pattern})$`, "u"));
  const addressOf = text => text.split(".").reduce((number, byte) => 256 * number + Number(byte), 0);
  const namesIn = (text, { separators, until }) =>
    text.split(separators).map(name => until ? name.split(until)[0] : name).filter(Boolean);
  return text => {
    const groups = forms.map(form => form.exec(text.trim())?.groups).find(Boolean);
    return parts.map(({ what, group, lower, otherwise, ranges, names }) => {
      const code = name => names.indexOf(lower ? name.toLowerCase() : name) + 1;
      if (what === "whole") return code(text);
      if (!groups) return names.length ? 0 : NaN;
      const found = groups[group], part = (name, end = "") => groups[name + group + end] ?? "";
      if (what === "decimal") {
        if (!part("digits") && !part("fraction", "2")) return NaN;
        const fraction = part("fraction") || part("fraction", "2");
        return Number(`${part("minus")}${part("digits").replaceAll(",", "")}.${fraction || 0}e${part("down")}${part("exponent") || 0}`);
      }
      if (what === "text") return code(found || otherwise);
      if (what === "set") return code([...new Set(namesIn(found ?? "", elements[group]))].sort().join("&"));
      if (what === "count") return namesIn(found ?? "", elements[group]).length;
      if (found === undefined) return names.length ? 0 : NaN;
      if (what === "number") return Number(found);
      const number = addressOf(found);
      return what === "address" ? number : code(String(ranges.some(([low, high]) => low <= number && number <= high)));
    });
  };
}
