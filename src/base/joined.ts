/** Two parts of one thing in one piece. */
export function joined(head: Uint8Array, tail: Uint8Array | undefined): Uint8Array {
  if (tail === undefined || tail.length === 0) return head;
  if (head.length === 0) return tail;
  const whole = new Uint8Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}
