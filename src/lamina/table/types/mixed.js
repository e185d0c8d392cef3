/* Reads numbers with words among them as `Mixed` does: gives the number, and the code of the word. */
({ form, words, rare, other, used }) => text => {
  const number = readNumber(text, form), word = rare.includes(text.trim()) ? other : text.trim();
  return used.map(i => i ? isNaN(number) ? words.indexOf(word) + 1 : 0 : number);
}
