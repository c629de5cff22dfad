/**
 * The `count` elements with the greatest sizes, greatest first, of equal ones those that come first. Few of many cost hardly more than a
 * look at each; `Infinity` of them a sort.
 */
export function largest<T>(all: Iterable<T>, count: number, sizeOf: (element: T) => number): T[] {
  if (count <= 0) return [];
  const found: { readonly element: T; readonly size: number }[] = [];
  let least = Number.NEGATIVE_INFINITY;
  const cut = (): void => {
    found.sort((a, b) => b.size - a.size);
    if (found.length > count) found.length = count;
  };
  for (const element of all) {
    const size = sizeOf(element);
    if (size <= least) continue;
    found.push({ element, size });
    if (found.length < 2 * count) continue;
    cut();
    least = found.at(-1)?.size ?? least;
  }
  cut();
  return found.map(({ element }) => element);
}
