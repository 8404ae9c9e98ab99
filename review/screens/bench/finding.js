// Finds a class by what somebody types of its name, with or without accents. Pure.

// "Hở mạch" and "ho mach" are the same to a search.
export function fold(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("đ", "d").trim();
}

// How well an option answers to folded letters: 0 its own digit, 1 begins so, 2 a word begins so, 3 inside; null not at all.
function rankOf({ key, label }, typed) {
  if (key === typed) return 0;
  const name = fold(label);
  if (name.startsWith(typed)) return 1;
  if (name.split(/[\s_\-/.,;:()]+/).some((word) => word.startsWith(typed))) return 2;
  return name.includes(typed) ? 3 : null;
}

// The options {key, label} that answer to what was typed, the best first, else in their own order; all for nothing typed.
export function matching(options, typed) {
  const wanted = fold(typed);
  if (!wanted) return options;
  const ranked = options.map((option, place) => ({ option, place, rank: rankOf(option, wanted) }));
  return ranked.filter(({ rank }) => rank !== null).sort((a, b) => a.rank - b.rank || a.place - b.place).map(({ option }) => option);
}
