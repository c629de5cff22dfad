import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import type { GroupView, NodeInfo, RegionView } from "../cms/views.ts";
import { NEVER } from "../machine/machine.ts";
import { nodeDefaults } from "./config.ts";
import { RegionMessage } from "./sender.ts";
import { Sending, type SendingHost } from "./sending.ts";

const PAYLOAD_BYTES = 100;
const me: NodeInfo = { id: 1, name: "", address: { host: "", controlPort: 1, repairPort: 1, dataPort: 1 } };

/** So many regions of one group each, all of which this node sends to. */
class Site implements SendingHost {
  readonly sending: Sending;
  readonly stableMessages: number[] = [];
  packets = 0;
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
    this.sending = new Sending({ ...nodeDefaults, me: 1, cluster: 1, packing: false, rateStart: 1e6 }, this, 0);
  }

  region(region: number): RegionView | undefined {
    if (region > this.#count) return undefined;
    return { id: { region, view: 1 }, address: 0, members: [me] };
  }

  group(group: number): GroupView | undefined {
    if (group > this.#count) return undefined;
    return { group, name: `g${group}`, view: 1, regions: [group], places: [0] };
  }

  placeIn(): number {
    return 0;
  }

  send(group: number, number: number): void {
    this.sending.enqueue(new RegionMessage(group, new Uint8Array(PAYLOAD_BYTES), number));
  }

  acknowledge(region: number, upTo: number, now: number): void {
    this.sending.acknowledged({ region, view: 1 }, upTo, 0, now);
  }

  multicast(): void {
    this.packets++;
  }
  unicast(): void {}
  relaysTo(): boolean {
    return false;
  }
  sent(): void {}
  toldLast(): void {}
  stable(message: number): void {
    this.stableMessages.push(message);
  }
}

test("what waits in all regions is counted, and there is nothing to do once all of it is stable", () => {
  const random = new Random(5);
  const site = new Site(20);
  const { sending } = site;
  let sent = 0;
  let now = 0;
  for (let step = 0; step < 500; step++) {
    now += 1;
    const count = random.integer(0, 5);
    for (let i = 0; i < count; i++) site.send(random.integer(1, 20), ++sent);
    sending.flush(random.integer(0, 4), now);
    expect(sending.queuedBytes).toBe((sent - site.packets) * PAYLOAD_BYTES);
    for (const { id, last } of sending.senders) {
      if (random.chance(0.1)) site.acknowledge(id.region, random.integer(0, last), now);
    }
    const isIdle = sending.senders.every(({ queuedBytes, last, stable }) => queuedBytes === 0 && last === stable);
    expect(sending.deadline(true) === NEVER).toBe(isIdle);
  }
  while (sending.queuedBytes > 0) sending.flush(100, ++now);
  for (const { id, last } of sending.senders) site.acknowledge(id.region, last, now);
  expect(sending.flush(100, now)).toBe(0);
  expect(sending.deadline(true)).toBe(NEVER);
  expect(site.stableMessages.toSorted((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, i) => i + 1));
});

test("a region that has been idle is heard of again when it lacks something, or has a message", () => {
  const site = new Site(3);
  const { sending } = site;
  site.send(2, 1);
  sending.flush(10, 1);
  site.acknowledge(2, 1, 2);
  sending.flush(10, 2);
  expect(sending.deadline(true)).toBe(NEVER);
  site.send(2, 2);
  expect(sending.deadline(true)).toBeLessThanOrEqual(3);
  expect(sending.flush(10, 3)).toBe(1);
  sending.lacked({ region: 2, view: 1 }, 0, 1, [[2, 2]]);
  expect(sending.deadline(true)).toBeLessThanOrEqual(4);
  expect(sending.flush(10, 4)).toBe(1);
  expect(site.packets).toBe(3);
});

test("regions in which nothing happens are not looked at", () => {
  const site = new Site(1_000);
  const { sending } = site;
  for (let group = 1; group <= 1_000; group++) site.send(group, group);
  for (let now = 1; sending.queuedBytes > 0; now++) sending.flush(2_000, now);
  for (let region = 1; region <= 1_000; region++) site.acknowledge(region, 1, 100);
  sending.flush(1, 100);
  expect(sending.busySenders).toBe(0);
  site.send(7, 1_001);
  expect(sending.busySenders).toBe(1);
});
