import { expect, test } from "vitest";
import type { RegularConfiguration } from "../ordering/upcall.ts";
import { Directory } from "../directory/directory.ts";
import { Exchange } from "./exchange.ts";
import { encodeState } from "./state.ts";
import { cutState } from "./state-piece.ts";

const configuration: RegularConfiguration = {
  kind: "regular",
  id: { leader: 1, time: 50 },
  members: [1, 2, 3],
  primary: true,
};

function told(daemon: number, set: readonly number[], pieceBytes = 10): Uint8Array[] {
  const directory = new Directory({ positionOf: (id) => id, nameOf: (id) => `d${id}` });
  for (const user of ["ann", "bob", "cat"]) directory.join("g", daemon, user);
  return cutState(encodeState(directory.export()), configuration.id, set, pieceBytes);
}

test("pieces that come in any order make a complete set", () => {
  const exchange = new Exchange(configuration, 1);
  const pieces = told(3, [3]);
  expect(pieces.length).toBeGreaterThan(3);
  for (const piece of pieces.toReversed()) {
    expect(exchange.others()).toEqual([]);
    expect(exchange.receive(3, piece)).toBe("taken");
  }
  expect(exchange.others().map(({ set, state }) => [set, state?.groups[0]?.name])).toEqual([[[3], "g"]]);
  expect(exchange.isOwnComplete).toBe(false);
});

test("it is complete when every daemon has been spoken for, the own set's state is counted and not kept", () => {
  const exchange = new Exchange(configuration, 1);
  for (const piece of told(3, [3])) exchange.receive(3, piece);
  expect(exchange.isComplete).toBe(false);
  for (const piece of told(1, [1, 2])) exchange.receive(1, piece);
  expect(exchange.isComplete).toBe(true);
  expect(exchange.isOwnComplete).toBe(true);
  expect(exchange.others()).toHaveLength(1);
});

test("what belongs to another configuration is stale", () => {
  const exchange = new Exchange({ ...configuration, id: { leader: 1, time: 51 } }, 1);
  expect(told(3, [3]).map((piece) => exchange.receive(3, piece))).toEqual(told(3, [3]).map(() => "stale"));
  expect(exchange.others()).toEqual([]);
});

test("sets that overlap, strangers, repeated pieces and undecodable states are malformed and do not count", () => {
  const exchange = new Exchange(configuration, 1);
  const last = told(3, [3, 4], 1000)[0] as Uint8Array;
  expect(exchange.receive(3, last)).toBe("malformed"); // 4 is no member
  expect(exchange.receive(2, told(3, [2], 1000)[0] as Uint8Array)).toBe("malformed"); // tells of 3's clients
  const [first] = told(3, [3]);
  expect(exchange.receive(3, first as Uint8Array)).toBe("taken");
  expect(exchange.receive(3, first as Uint8Array)).toBe("malformed");
  expect(exchange.receive(1, cutState(new Uint8Array(3), configuration.id, [1], 10)[0] as Uint8Array)).toBe("taken");
  expect(exchange.receive(2, told(2, [1, 2], 1000)[0] as Uint8Array)).toBe("malformed"); // 1 has been told
  expect(exchange.receive(2, cutState(new Uint8Array(3), configuration.id, [2], 10)[0] as Uint8Array)).toBe(
    "malformed",
  );
  expect(exchange.isComplete).toBe(false);
});
