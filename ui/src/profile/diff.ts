// Which words of a changed command are new, and which are gone: the longest common
// run of words stays, everything else is told apart.

export type Piece = { text: string; changed: boolean };

const MOST_WORDS = 400;

/** The words of `line` with those marked that `other` does not have at that place. */
export function pieces(line: string, other: string): Piece[] {
  const words = line.split(/(?<=\s)/);
  const others = other.split(/(?<=\s)/).map((word) => word.trim());
  if (words.length > MOST_WORDS || others.length > MOST_WORDS) return [{ text: line, changed: line !== other }];
  const kept = common(words.map((word) => word.trim()), others);
  return words.map((text, index) => ({ text, changed: !kept.has(index) }));
}

/** The places in `a` of a longest common subsequence with `b`. */
function common(a: string[], b: string[]): Set<number> {
  const longest = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number) => longest[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = longest[i];
      if (row) row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const kept = new Set<number>();
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      kept.add(i++);
      j++;
    } else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return kept;
}
