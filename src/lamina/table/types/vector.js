/* Reads several numbers as `Vector` does. */
({ count, unit, used, form, size, angles }) => {
  const [whole, sized] = [form, size].map(pattern => new RegExp(`^(?:${pattern})$`));
  const position = /^(?:(.*[NS])[\s,;/]+(.*[EW])|([NS].*?)[\s,;/]+([EW].*))$/i;
  return text => {
    const pieces = angles.length && position.exec(text.trim())?.slice(1).filter(Boolean);
    const signed = (pieces || []).map((piece, i) => readNumber(piece, angles[i]));
    const plain = signed.length && !signed.some(isNaN) ? signed.join(", ") : text.trim();
    const [, numbers = plain, own = unit] = sized.exec(plain) ?? [];
    const found = own === unit && whole.exec(numbers)?.[1].match(/[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|null|NaN/g) || [];
    return used.map(i => found.length === count ? Number(found[i] === "null" ? NaN : found[i]) : NaN);
  };
}
