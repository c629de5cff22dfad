/**
 * The `count` elements with the greatest sizes, greatest first, of equal ones those that come first. One pass, and no sorting
 * of those that are not among them.
 */
export function largest<T>(all: Iterable<T>, count: number, sizeOf: (element: T) => number): T[] {
  const found: { readonly element: T; readonly size: number }[] = [];
  for (const element of all) {
    const size = sizeOf(element);
    if (found.length === count && size <= (found.at(-1)?.size ?? Number.POSITIVE_INFINITY)) continue;
    let at = found.length;
    while (at > 0 && (found[at - 1] as { size: number }).size < size) at--;
    found.splice(at, 0, { element, size });
    if (found.length > count) found.pop();
  }
  return found.map(({ element }) => element);
}
