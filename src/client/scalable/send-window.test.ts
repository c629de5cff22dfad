import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { settle } from "../../../test/client/fake-transport.ts";
import { type Destination, SendWindow } from "./send-window.ts";

setFlagsFromString("--expose_gc");
const collectGarbage = runInNewContext("gc") as () => void;

const LIMITS = { windowBytesMax: 1_000, unacceptedMax: 1_000, unacceptedBytesMax: 1_000_000 };

function destination(name: string, number: number | undefined): Destination {
  return { name, number, isLeaving: false, leftBecause: undefined, isConfirmed: true };
}

test("what is given up while nothing can be sent is not kept, and the rest goes out in its order", async () => {
  const window = new SendWindow(LIMITS);
  const [here, notYet] = [destination("g", 1), destination("h", undefined)];
  const kept = [1, 2].map((byte) => window.send(here, Uint8Array.of(byte), undefined));
  const givenUp: WeakRef<Uint8Array>[] = [];
  for (let n = 0; n < 400; n++) {
    const controller = new AbortController();
    const payload = new Uint8Array(100);
    givenUp.push(new WeakRef(payload));
    const sending = window.send(n % 2 === 0 ? here : notYet, payload, controller.signal);
    controller.abort(new Error("enough"));
    await expect(sending).rejects.toThrow("enough");
  }
  kept.push(window.send(here, Uint8Array.of(3), undefined));
  await settle();
  collectGarbage();
  expect(givenUp.filter((payload) => payload.deref() !== undefined).length).toBeLessThan(100);
  const taken: (number | undefined)[] = [];
  window.begin((_group, payload) => {
    taken.push(payload[0]);
    return true;
  });
  await Promise.all(kept);
  expect(taken).toEqual([1, 2, 3]);
});

test("a group that holds messages back holds up no other, and gets its own in their order once it takes them", async () => {
  const window = new SendWindow(LIMITS);
  const [slow, other] = [destination("slow", 1), destination("other", 2)];
  const held = new Set<number>();
  const taken: string[] = [];
  window.begin(
    (group, payload) => {
      taken.push(`${group}: ${payload[0]}`);
      if (group === 1) held.add(1);
      return true;
    },
    (group) => held.has(group),
  );
  const send = (to: Destination, byte: number) => window.send(to, Uint8Array.of(byte), undefined);
  const sending = [send(slow, 1), send(slow, 2), send(other, 3), send(slow, 4), send(other, 5)];
  await settle();
  expect(taken).toEqual(["1: 1", "2: 3", "2: 5"]);
  // It takes some, and before that is told the program sends another one.
  held.clear();
  sending.push(send(slow, 6));
  expect(taken).toHaveLength(3);
  window.writable();
  expect(taken.slice(3)).toEqual(["1: 2"]);
  for (const _ of [4, 6]) {
    held.clear();
    window.writable();
  }
  await Promise.all(sending);
  expect(taken.slice(3)).toEqual(["1: 2", "1: 4", "1: 6"]);
});
