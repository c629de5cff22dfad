import fc from "fast-check";
import { expect, test } from "vitest";
import { type Command, decodeCommand, encodeCommand } from "./command.ts";

const u32 = fc.nat(0xffff_ffff);
const number = fc.oneof(fc.nat(300), fc.maxSafeNat());
const text = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 32,
});
const configuration = fc.record({ leader: u32, time: u32 });
const viewId = fc.record({ region: number, view: number });
const attempt = fc.record({ epoch: number, configuration, basis: number });
const port = fc.nat(0xffff);

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant("hello" as const),
    configuration,
    standing: fc.record({
      attempt: fc.option(attempt, { nil: undefined }),
      witnessed: fc.array(configuration, { maxLength: 16 }),
      isNew: fc.boolean(),
      epoch: number,
      n: number,
      chain: text,
    }),
  }),
  fc.record({
    kind: fc.constant("state" as const),
    configuration,
    index: number,
    last: fc.boolean(),
    bytes: fc.uint8Array({ maxLength: 40 }),
  }),
  fc.record({ kind: fc.constant("recorded" as const), configuration, epoch: number }),
  fc.record({
    kind: fc.constant("register" as const),
    registration: fc.record({
      user: text,
      client: text,
      name: text,
      address: fc.record({ host: text, controlPort: port, repairPort: port, dataPort: port }),
      place: fc.option(fc.record({ node: number, seq: number }), { nil: undefined }),
    }),
  }),
  fc.constant({ kind: "flush" as const }),
  fc.record({
    kind: fc.constant("report" as const),
    reports: fc.array(
      fc.record({
        node: number,
        n: number,
        sealed: fc.array(fc.record({ id: viewId, last: number }), { maxLength: 4 }),
        retired: fc.array(viewId, { maxLength: 4 }),
        inquired: fc.array(number, { maxLength: 4 }),
        settled: fc.array(
          fc.record({ id: viewId, sender: number, seq: number, lost: fc.constant([[2, 5]] as const) }),
          {
            maxLength: 2,
          },
        ),
      }),
      { maxLength: 4 },
    ),
  }),
  fc.record({ kind: fc.constant("failed" as const), node: number, attachment: number }),
);

test("what is encoded decodes to the same command", () => {
  fc.assert(
    fc.property(command, (one) => {
      expect(decodeCommand(encodeCommand(one))).toEqual(one);
    }),
  );
});

test("arbitrary bytes never throw, and a command cut short or with more behind it is refused", () => {
  fc.assert(
    fc.property(command, fc.uint8Array({ maxLength: 60 }), fc.nat(), (one, bytes, at) => {
      decodeCommand(bytes);
      decodeCommand(Uint8Array.of(1, 1 + (at % 7), ...bytes));
      const whole = encodeCommand(one);
      if (one.kind === "state") return;
      expect(decodeCommand(whole.subarray(0, at % whole.length))).toBeUndefined();
      expect(decodeCommand(Uint8Array.of(...whole, 0))).toBeUndefined();
    }),
  );
});
