import { expect, test } from "vitest";
import { isAllowed, parseAccessRules, parseAddress } from "./access.ts";
import type { Peer } from "./outbox.ts";

const tcp = (address: string): Peer => ({ kind: "tcp", address });
const UNIX: Peer = { kind: "unix" };

test("addresses, prefixes, local and unix are rules; other lines are faults with their number", () => {
  const { rules, faults } = parseAccessRules(
    "# who may\nlocal\nunix\n10.1.0.0/16\n192.168.1.7\nfe80::/10\n2001:db8::1\nhost\n1.2.3/8\n1.2.3.4/33\n",
  );
  expect(rules.length).toBe(6);
  expect(faults.map((fault) => fault.split(":")[0])).toEqual(["line 8", "line 9", "line 10"]);
  const allowed = [
    "127.9.9.9",
    "::1",
    "::ffff:127.0.0.1",
    "10.1.200.3",
    "192.168.1.7",
    "fe80::1%eth0",
    "2001:db8:0::1",
  ];
  for (const address of allowed) expect(isAllowed(tcp(address), rules), address).toBe(true);
  for (const address of ["10.2.0.1", "192.168.1.8", "2001:db8::2", "::2", "nonsense", ""]) {
    expect(isAllowed(tcp(address), rules), address).toBe(false);
  }
  expect(isAllowed(UNIX, rules)).toBe(true);
});

test("without a rule nobody is let in, and a network says nothing about Unix sockets", () => {
  expect(isAllowed(tcp("127.0.0.1"), [])).toBe(false);
  expect(isAllowed(UNIX, parseAccessRules("local\n0.0.0.0/0\n").rules)).toBe(false);
  expect(isAllowed(tcp("8.8.8.8"), parseAccessRules("0.0.0.0/0").rules)).toBe(true);
  expect(isAllowed(tcp("::1"), parseAccessRules("0.0.0.0/0").rules)).toBe(false);
});

test("IPv6 addresses are read in all their notations", () => {
  expect(parseAddress("::")).toEqual(new Uint8Array(16));
  expect([...(parseAddress("1:2:3:4:5:6:7:8") ?? [])]).toEqual([0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]);
  expect([...(parseAddress("::ffff:1.2.3.4") ?? [])]).toEqual([1, 2, 3, 4]);
  for (const none of [
    "1:2",
    ":::",
    "1::2::3",
    "12345::",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "::1.2.3",
    "1.2.3.256",
  ]) {
    expect(parseAddress(none), none).toBeUndefined();
  }
});
