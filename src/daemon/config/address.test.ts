import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isMulticast, parseAddress } from "./address.ts";

test.each([
  ["010.0.0.1", "10.0.0.1"],
  ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["0:0:0:0:0:0:0:0", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
  ["::ffff:10.1.2.3", "::ffff:a01:203"],
  ["fe80::1%eth0", "fe80::1"],
])("%s is written %s", (text, canonical) => {
  expect(parseAddress(text)?.text).toBe(canonical);
});

test.each([
  "",
  "1.2.3",
  "1.2.3.256",
  "1.2.3.4.5",
  ":",
  ":::",
  "1::2::3",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "12345::",
  "fe80::1%",
  "::1.2.3",
])("%j is no address", (text) => expect(parseAddress(text)).toBeUndefined());

test("addresses are read as Node reads them", () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      expect(parseAddress(text) !== undefined).toBe(isIPv6(text));
    }),
  );
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      expect(parseAddress(text) !== undefined).toBe(isIPv4(text));
    }),
  );
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const address = parseAddress(text);
      expect(parseAddress(address?.text ?? "")?.bytes).toEqual(address?.bytes);
    }),
  );
});

test("multicast addresses are told by their first byte", () => {
  expect(
    ["224.0.0.1", "239.255.255.255", "ff02::1", "223.0.0.1", "240.0.0.1", "fe80::1"].map((text) => {
      const address = parseAddress(text);
      return address !== undefined && isMulticast(address);
    }),
  ).toEqual([true, true, true, false, false, false]);
});
