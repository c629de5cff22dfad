import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJoin } from "./join-request.ts";
import { DEFAULT_OPTIONS } from "./options.ts";

const parse = (text: string) => parseJoin(new TextEncoder().encode(text));
const address = { host: "10.0.0.1", control: 1, repair: 2, data: 65_535 };
const asked = (node: unknown) => parse(JSON.stringify({ quality: "scalable", node }));

test("a join may name a policy, or nothing", () => {
  expect(parse("")).toEqual({ options: DEFAULT_OPTIONS, node: undefined });
  expect(parse("{}")).toEqual({ options: DEFAULT_OPTIONS, node: undefined });
  expect(parse('{"slow":"drop","quality":"ordered"}')).toEqual({
    options: { slow: "drop", quality: "ordered" },
    node: undefined,
  });
});

test("a join of a scalable group says where its node receives, and which node it is", () => {
  const options = { slow: undefined, quality: "scalable" };
  const read = { host: "10.0.0.1", controlPort: 1, repairPort: 2, dataPort: 65_535 };
  expect(asked(address)).toEqual({ options, node: { address: read, place: undefined, isMore: false } });
  const place = { node: 2 ** 33 + 1, seq: 0 };
  const more = asked({ ...address, place, more: true });
  expect(more).toEqual({ options, node: { address: read, place, isMore: true } });
});

test("a join of a timely group says where its node receives, and may say how members repair each other", () => {
  const read = { host: "10.0.0.1", controlPort: 1, repairPort: 2, dataPort: 65_535 };
  const timely = (wanted: object) => parse(JSON.stringify({ quality: "timely", node: address, ...wanted }));
  const node = { address: read, place: undefined, isMore: false };
  expect(timely({})).toEqual({ options: { slow: undefined, quality: "timely" }, node });
  const repairs = { every: 4, copies: 3, targets: "random" };
  expect(timely({ slow: "drop", repairs })).toEqual({ options: { slow: "drop", quality: "timely", repairs }, node });
  expect(timely({ slow: "wait" })).toContain("nobody waits");
  expect(timely({ repairs: { every: 99 } })).toContain('"repairs.every"');
  expect(parse('{"quality":"timely"}')).toContain('"node"');
  expect(asked({ ...address })).toMatchObject({ options: { quality: "scalable" } });
  expect(parse(JSON.stringify({ quality: "scalable", node: address, repairs }))).toContain(
    'for groups of quality "timely"',
  );
});

test("what is not understood is refused with a reason", () => {
  expect(parse("{")).toBe("join options are not JSON");
  expect(parse("[1]")).toBe("join options are not a JSON object");
  expect(parse('{"slow":"hurry"}')).toContain('"hurry"');
  expect(parse('{"quality":"hasty"}')).toContain('"hasty"');
  expect(parse(" ".repeat(1025))).toContain("1024");
});

test("an address that lacks something, or is wrong, is refused by the name of the field", () => {
  expect(parse('{"quality":"scalable"}')).toContain('"node"');
  expect(asked([])).toContain('"node"');
  for (const host of [undefined, 5, "", "a b", "x".repeat(256)]) {
    expect(asked({ ...address, host })).toContain('"node.host"');
  }
  for (const field of ["control", "repair", "data"]) {
    for (const port of [undefined, 0, 65_536, 1.5, "80"]) {
      expect(asked({ ...address, [field]: port })).toContain(`"node.${field}"`);
    }
  }
  expect(asked({ ...address, place: 3 })).toContain('"node.place"');
  expect(asked({ ...address, place: { node: 0, seq: 1 } })).toContain('"node.place.node"');
  expect(asked({ ...address, place: { node: 5 } })).toContain('"node.place.seq"');
  expect(asked({ ...address, more: 1 })).toContain('"node.more"');
});

test("arbitrary bytes never throw", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void parseJoin(bytes)));
  fc.assert(fc.property(fc.json(), (json) => void parse(json)));
  fc.assert(fc.property(fc.jsonValue(), (node) => void asked(node)));
});
