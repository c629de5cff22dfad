/**
 * Splits a capacity max-min fairly (protocols.md A45): nobody gets more than its demand, together they get no more than the capacity,
 * and nobody can get more without somebody who has no more than it getting less (K43). Shares are in the order of the demands, and
 * all in the same unit. The one rule of Max-min: all are filled alike, and who has enough drops out.
 */
export function maxMinShares(capacity: number, demands: readonly number[]): number[] {
  const shares = demands.map(() => 0);
  const ascending = demands.map((_, i) => i).sort((a, b) => (demands[a] as number) - (demands[b] as number));
  let left = Math.max(0, capacity);
  let unfilled = demands.length;
  for (const i of ascending) {
    const share = Math.min(Math.max(0, demands[i] as number), left / unfilled);
    shares[i] = share;
    left -= share;
    unfilled -= 1;
  }
  return shares;
}
