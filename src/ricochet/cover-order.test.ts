import fc from "fast-check";
import { expect, test } from "vitest";
import { CoverOrder } from "./cover-order.ts";

const GROUP = 7;
const PACKETS = 2_000;

function idOf(seq: number) {
  return { sender: 1 + (seq % 5), group: GROUP, seq };
}

/** Who covers the packet: distances from the member that is repaired. */
function coversOf(order: CoverOrder, others: number, copies: number, seq: number): number[] {
  const turn = order.turnOf(idOf(seq));
  return Array.from({ length: others }, (_, distance) => distance).filter(
    (distance) => order.rankOf(turn, distance) < copies,
  );
}

test("exactly c others cover a packet, whoever works it out, and more copies are of the same and others", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(1_000_000), (others, seq) => {
      const order = new CoverOrder(others);
      let before: readonly number[] = [];
      for (let copies = 1; copies <= others; copies++) {
        const covers = coversOf(new CoverOrder(others), others, copies, seq);
        expect(covers).toEqual(coversOf(order, others, copies, seq));
        expect(covers.length).toBe(copies);
        expect(covers).toEqual(expect.arrayContaining([...before]));
        before = covers;
      }
    }),
  );
});

test("each of the others covers equally many packets", () => {
  const [others, copies] = [9, 5];
  const order = new CoverOrder(others);
  const counts = Array.from({ length: others }, () => 0);
  for (let seq = 1; seq <= PACKETS; seq++) {
    for (const distance of coversOf(order, others, copies, seq)) counts[distance] = (counts[distance] as number) + 1;
  }
  for (const count of counts) expect(count / PACKETS).toBeCloseTo(copies / others, 1);
});

test("two packets are seldom covered by the same others: of nine, in one pair of a hundred", () => {
  const [others, copies] = [9, 5];
  const order = new CoverOrder(others);
  let same = 0;
  for (let seq = 1; seq <= PACKETS; seq++) {
    const [one, next] = [seq, seq + 1].map((n) => coversOf(order, others, copies, n).join());
    if (one === next) same++;
  }
  expect(same / PACKETS).toBeLessThan(0.02);
});
