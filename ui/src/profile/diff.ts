// Which words of a changed text are new, and which are gone: the longest common run of
// words stays, everything else is told apart.

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

/** The words of a text that differ, where it is short; the lines, where it is long. White space stays as it is. */
export function parts(text: string, other: string): Piece[] {
  const split = (of: string) => of.split(/(?<=\s)(?=\S)/);
  let [here, there] = [split(text), split(other)];
  if (here.length > MOST_WORDS || there.length > MOST_WORDS) [here, there] = [lines(text), lines(other)];
  const most = Math.min(here.length, there.length);
  const same = (a: string | undefined, b: string | undefined) => a?.trim() === b?.trim();
  let from = 0;
  while (from < most && same(here[from], there[from])) from++;
  let after = 0;
  while (after < most - from && same(here.at(-1 - after), there.at(-1 - after))) after++;
  const [inner, outer] = [here.slice(from, here.length - after), there.slice(from, there.length - after)];
  // What is between them is told apart word by word if there is time for it.
  const small = inner.length <= MOST_WORDS && outer.length <= MOST_WORDS;
  const kept = small ? common(inner.map((word) => word.trim()), outer.map((word) => word.trim())) : new Set<number>();
  return here.map((text, index) => ({ text, changed: index >= from && index < here.length - after && !kept.has(index - from) }));
}

/** Neighbours that changed alike as one, so that a run of new words reads as one; each line for itself. */
export function joined(all: Piece[]): Piece[] {
  const runs: Piece[] = [];
  for (const piece of all) {
    const last = runs.at(-1);
    if (last && last.changed === piece.changed && !(last.changed && /\n\s*$/.test(last.text))) last.text += piece.text;
    else runs.push({ ...piece });
  }
  return runs;
}

function lines(text: string): string[] {
  return text.split(/(?<=\n)/);
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
