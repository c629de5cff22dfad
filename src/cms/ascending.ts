/*
 * Ascending lists of numbers as sets: what the groups of a node, the members of a view and the nodes of an audience are. Compact,
 * equal for equal sets, and shared by all who have the same.
 */

/** Where `value` is, or would have to be inserted. */
export function placeOf(list: readonly number[], value: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function has(list: readonly number[], value: number): boolean {
  return list[placeOf(list, value)] === value;
}

/** Sorts in place, and leaves each number once. */
export function ascending(list: number[]): number[] {
  list.sort((a, b) => a - b);
  let kept = 0;
  for (let i = 0; i < list.length; i++) {
    if (i === 0 || list[i] !== list[kept - 1]) list[kept++] = list[i] as number;
  }
  list.length = kept;
  return list;
}

export function isEqual(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** `list` with `added`, which it does not have, and without `removed`, which it has: one pass over all three. */
export function edited(list: readonly number[], added: readonly number[], removed: readonly number[]): number[] {
  const result: number[] = [];
  let a = 0;
  let r = 0;
  for (let i = 0; i < list.length; i++) {
    const value = list[i] as number;
    while (a < added.length && (added[a] as number) < value) result.push(added[a++] as number);
    if (removed[r] === value) r++;
    else result.push(value);
  }
  while (a < added.length) result.push(added[a++] as number);
  return result;
}

/** Whether there is a number in both. */
export function overlaps(a: readonly number[], b: readonly number[]): boolean {
  const [few, many] = a.length <= b.length ? [a, b] : [b, a];
  if (few.length * SEARCH_STEPS < many.length) {
    for (let i = 0; i < few.length; i++) if (has(many, few[i] as number)) return true;
    return false;
  }
  let i = 0;
  let j = 0;
  while (i < few.length && j < many.length) {
    const difference = (few[i] as number) - (many[j] as number);
    if (difference === 0) return true;
    if (difference < 0) i++;
    else j++;
  }
  return false;
}

/** The hash of one number. The hash of a set is the sum over its numbers (`hashOf`), so that it follows from what was added and removed. */
export function hashOfNumber(value: number): number {
  let word = (value >>> 0) ^ Math.imul(Math.floor(value / 0x1_0000_0000), 0x9e3779b1);
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) | 0;
}

export function hashOf(list: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < list.length; i++) sum = (sum + hashOfNumber(list[i] as number)) | 0;
  return sum;
}

/** A look-up in the longer list costs about so many steps of a pass over both. */
const SEARCH_STEPS = 8;
