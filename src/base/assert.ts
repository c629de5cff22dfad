/** A broken invariant: a bug in Amalgam itself, never a fault of the network or of a peer. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** States what holds. Stays on in production: a daemon that is wrong must stop rather than lie. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AssertionError(what);
}

/** The end of a `switch` that has handled every variant. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable variant ${JSON.stringify(value)}`);
}
