import { expect, test, vi } from "vitest";
import { hostOf, socketWorld } from "./socket-world.ts";

const own = new Set(["127.0.0.1", "10.0.0.7"]);
const nothing = { host: undefined, port: undefined, daemons: [], local: undefined };

test("a host is reached where the program says, else where the daemons know it, else at its end of the connection", () => {
  const daemons = ["4803@10.0.0.1", "4803@10.0.0.7"];
  expect(hostOf({ ...nothing, host: "10.9.9.9", daemons, local: "127.0.0.1" }, own)).toBe("10.9.9.9");
  // Connected over loopback: the others cannot reach that.
  expect(hostOf({ ...nothing, daemons, local: "127.0.0.1" }, own)).toBe("10.0.0.7");
  expect(hostOf({ ...nothing, daemons: ["4803@10.0.0.1"], local: "10.0.0.7" }, own)).toBe("10.0.0.7");
  expect(hostOf({ ...nothing, local: "::ffff:10.0.0.7" }, own)).toBe("10.0.0.7");
  expect(hostOf({ ...nothing, daemons: ["nonsense", "4803"], local: "::1" }, own)).toBe("::1");
  expect(() => hostOf(nothing, own)).toThrow("node: { host }");
});

test("what is in the way of a node is said with the address and the ports", async () => {
  const request = { ...nothing, local: "127.0.0.1" };
  const first = await socketWorld.seat(request);
  const { controlPort } = first.address;
  const taken = socketWorld.seat({ ...request, port: controlPort });
  await expect(taken).rejects.toThrow(`127.0.0.1, ports ${controlPort} to ${controlPort + 2}`);
  await expect(socketWorld.seat({ ...request, host: "192.0.2.1" })).rejects.toThrow(
    "192.0.2.1 is no address of this host",
  );
  await first.close();
});

test("a path of datagrams that there is not is refused, with a code", async () => {
  vi.stubEnv("AMALGAM_DATAGRAMS", "fast");
  try {
    const seat = socketWorld.seat({ ...nothing, local: "127.0.0.1" });
    await expect(seat).rejects.toMatchObject({ code: "DATAGRAMS", message: expect.stringContaining('"fast"') });
  } finally {
    vi.unstubAllEnvs();
  }
});
