/** An array of so many places with nothing in them. `Array.from({ length: count })` takes over ten times as long. */
export function emptySlots<T>(count: number): (T | undefined)[] {
  const slots: (T | undefined)[] = [];
  for (let i = 0; i < count; i++) slots.push(undefined);
  return slots;
}
