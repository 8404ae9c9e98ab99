// Words of two transcripts side by side: which differ, and the word error rate. Pure; the server counts the same.

export function wordsOf(text) {
  const plain = text.normalize("NFC").toLowerCase().replaceAll("’", "'");
  return plain.split(/[^\p{L}\p{N}\p{M}_']+/u).filter((word) => /[^'_]/u.test(word));
}

// {rate, steps}: rate is null when the reference has no words; a step is {kind: same|other|missing|extra, word, was}.
export function compare(reference, hypothesis) {
  const wanted = wordsOf(reference);
  const said = wordsOf(hypothesis);
  const cost = table(wanted, said);
  const steps = [];
  let [row, column] = [wanted.length, said.length];
  while (row > 0 || column > 0) {
    const isSame = row > 0 && column > 0 && wanted[row - 1] === said[column - 1];
    if (row > 0 && column > 0 && cost[row][column] === cost[row - 1][column - 1] + (isSame ? 0 : 1)) {
      steps.unshift({ kind: isSame ? "same" : "other", word: said[column - 1], was: wanted[row - 1] });
      row -= 1;
      column -= 1;
    } else if (column > 0 && cost[row][column] === cost[row][column - 1] + 1) {
      steps.unshift({ kind: "extra", word: said[column - 1], was: "" });
      column -= 1;
    } else {
      steps.unshift({ kind: "missing", word: "", was: wanted[row - 1] });
      row -= 1;
    }
  }
  return { rate: wanted.length ? cost[wanted.length][said.length] / wanted.length : null, steps };
}

function table(wanted, said) {
  const cost = [said.reduce((row, _, index) => [...row, index + 1], [0])];
  for (const [index, word] of wanted.entries()) {
    const row = [index + 1];
    for (const [at, other] of said.entries()) {
      row.push(Math.min(cost[index][at + 1] + 1, row[at] + 1, cost[index][at] + (word === other ? 0 : 1)));
    }
    cost.push(row);
  }
  return cost;
}
