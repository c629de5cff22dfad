import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { ringConfig } from "../ring/config.ts";
import { Evs } from "./evs.ts";
import { Layout } from "./layout.ts";
import { membershipTimeouts } from "./timeouts.ts";
import { wideAreaConfig } from "./wide-area-config.ts";

/** Starts daemons at random moments of `spreadMs`; returns how long after the last start all are in one configuration. */
function formationMs(seed: number, count: number, spreadMs: number, latencyMs: number): number {
  const random = new Random(seed);
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  const layout = new Layout(ids.map((id) => ({ id, segment: 0 })));
  const starts = ids.map((id) => ({ id, at: random.unit() * spreadMs })).sort((a, b) => a.at - b.at);
  const lastStart = (starts.at(-1) as { at: number }).at;
  const nodes = new Map<number, Evs>();
  const flying: { at: number; to: number; bytes: Uint8Array }[] = [];
  let now = 0;
  const post = (to: number, bytes: Uint8Array): void => {
    if (nodes.has(to)) flying.push({ at: now + 0.05 + random.unit() * latencyMs, to, bytes });
  };
  const boot = (me: number): void => {
    const outbox = {
      unicast: (to: number, _channel: string, bytes: Uint8Array) => post(to, bytes),
      multicast: (_segment: number, _channel: string, bytes: Uint8Array) =>
        ids.filter((id) => id !== me).forEach((id) => post(id, bytes)),
      message: () => {},
      transitional: () => {},
      regular: () => {},
      event: () => {},
    };
    const config = {
      me,
      layout,
      timeouts: membershipTimeouts("lan"),
      ring: ringConfig(),
      wideArea: wideAreaConfig(),
      primary: { name: "majority" as const },
      confHash: 7,
      incarnation: 1,
      clockOriginSeconds: 1e9,
      versionMax: 1,
    };
    nodes.set(me, new Evs(config, outbox, now));
  };
  const isFormed = () =>
    nodes.size === count && [...nodes.values()].every((node) => node.configuration.members.length === count);

  while (!isFormed() && now < 60_000) {
    const due = [...nodes.values()].reduce((a, b) => (a.deadline <= b.deadline ? a : b), [...nodes.values()][0] as Evs);
    const packet = flying.reduce<(typeof flying)[number] | undefined>((a, b) => (a && a.at <= b.at ? a : b), undefined);
    const tickAt = nodes.size > 0 ? Math.max(now, due.deadline) : Number.POSITIVE_INFINITY;
    const startAt = starts[0]?.at ?? Number.POSITIVE_INFINITY;
    const packetAt = packet?.at ?? Number.POSITIVE_INFINITY;
    now = Math.min(tickAt, startAt, packetAt);
    if (now === startAt) boot((starts.shift() as { id: number }).id);
    else if (packet !== undefined && now === packetAt) {
      flying.splice(flying.indexOf(packet), 1);
      nodes.get(packet.to)?.receive(packet.bytes, now);
    } else due.tick(now);
  }
  return now - lastStart;
}

test("daemons that start at any moment find each other within seconds, also on a slow network", () => {
  const took: number[] = [];
  for (let seed = 1; seed <= 40; seed++) took.push(formationMs(seed, 3 + (seed % 3), 1500, seed % 2 === 0 ? 0.1 : 20));
  expect(Math.max(...took)).toBeLessThan(2_000);
});
