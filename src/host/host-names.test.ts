import { expect, test, vi } from "vitest";
import { HostNames, LOOKUP_EVERY_MS, UNKNOWN_EVERY_MS } from "./host-names.ts";

/** Names with what they lead to, and what was told. */
function watched(answers: Record<string, readonly string[] | Error>) {
  const told: string[] = [];
  const hosts = [
    { id: 1, host: "a.example", address: "10.0.0.1" },
    { id: 2, host: "b.example", address: "10.0.0.2" },
  ];
  const names = new HostNames(
    hosts,
    "ipv4",
    ({ id, address }, to) => void told.push(`${id} ${address} ${to}`),
    async (host) => {
      const answer = answers[host] ?? [];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  );
  return { names, told, answers };
}

test("a name that leads elsewhere is told once, with both addresses", async () => {
  const { names, told, answers } = watched({ "a.example": ["10.0.0.1"], "b.example": ["10.0.0.9", "10.0.0.8"] });
  await names.look();
  await names.look();
  expect(told).toEqual(["2 10.0.0.2 10.0.0.9"]);
  answers["b.example"] = ["10.0.0.2"];
  await names.look();
  expect(told).toEqual(["2 10.0.0.2 10.0.0.9", "2 10.0.0.9 10.0.0.2"]);
  names.stop();
});

test("a name that cannot be resolved, or still leads to the known address too, changes nothing", async () => {
  const { names, told } = watched({ "a.example": new Error("SERVFAIL"), "b.example": ["10.0.0.7", "10.0.0.2"] });
  await names.look();
  expect(told).toEqual([]);
  names.stop();
});

test("a name that leads nowhere yet is looked up more often than the others", async () => {
  vi.useFakeTimers();
  const asked: string[] = [];
  const told: string[] = [];
  const hosts = [
    { id: 1, host: "a.example", address: "10.0.0.1" },
    { id: 2, host: "b.example", address: "0.0.0.0" },
  ];
  const names = new HostNames(
    hosts,
    "ipv4",
    ({ id }, to) => void told.push(`${id} ${to}`),
    async (host) => {
      asked.push(host);
      return host === "b.example" && asked.length >= 3 ? ["10.0.0.2"] : [];
    },
  );
  await vi.advanceTimersByTimeAsync(5 * UNKNOWN_EVERY_MS);
  expect([asked, told]).toEqual([["b.example", "b.example", "b.example"], ["2 10.0.0.2"]]);
  await vi.advanceTimersByTimeAsync(LOOKUP_EVERY_MS);
  expect(asked.slice(3)).toEqual(["a.example", "b.example"]);
  names.stop();
  vi.useRealTimers();
});

test("after it was stopped nothing is told", async () => {
  const { names, told } = watched({ "a.example": ["10.0.0.5"] });
  const looking = names.look();
  names.stop();
  await looking;
  expect(told).toEqual([]);
});
