import { expect, test } from "vitest";
import { formatAddress, parseAddress } from "./address.ts";

test("Spread's addresses are read: TCP with a host, a Unix socket without", () => {
  expect(parseAddress("4803@localhost")).toEqual({ kind: "tcp", host: "localhost", port: 4803 });
  expect(parseAddress(" 4803@127.0.0.1 ")).toEqual({ kind: "tcp", host: "127.0.0.1", port: 4803 });
  expect(parseAddress("4803@fe80::1%eth0")).toEqual({ kind: "tcp", host: "fe80::1%eth0", port: 4803 });
  expect(parseAddress("4803@[::1]")).toEqual({ kind: "tcp", host: "::1", port: 4803 });
  expect(parseAddress("4803")).toEqual({ kind: "unix", path: "/tmp/4803" });
  expect(formatAddress(parseAddress("4803@[::1]"))).toBe("4803@::1");
});

test("what is no address is refused with an example of one", () => {
  for (const text of ["", "localhost", "localhost:4803", "65536@a", "4803@", "4803@a b"]) {
    expect(() => parseAddress(text)).toThrow(/write port@host/);
  }
});
