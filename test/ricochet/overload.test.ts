import { describe, expect, test } from "vitest";
import { Random } from "../../src/base/random.ts";
import { timelyDefaults } from "../../src/ricochet/config.ts";
import { TimelyNode } from "../../src/ricochet/timely-node.ts";

const GROUP = 1;
const MEMBERS = [1, 2, 3, 4];
const RECEIVER = 4;
const STEP_MS = 0.05;
/** What a receiver's kernel holds, and how many datagrams its processor takes per millisecond. */
const KERNEL_MAX = 4_000;
const PER_MS = 5;
/** Few repairs wait, so that they tell of packets that wait for longer. */
const REPAIRS_MAX = 200;

type Datagram = { readonly bytes: Uint8Array; readonly isRepair: boolean };

/**
 * A group of four, of whom the last has a processor that takes so much and a kernel that holds so much, data before repairs as NodeHost does it; the others
 * have no limits.
 */
class Group {
  readonly nodes: TimelyNode[];
  readonly delivered = new Set<string>();
  readonly sentToReceiver = new Set<string>();
  lost = 0;
  dropped = 0;
  mostHeld = 0;
  mostMissing = 0;
  #now = 0;
  #budget = 0;
  readonly #kernel = { data: [] as Datagram[], repairs: [] as Datagram[] };
  readonly #kernelMax: number;
  readonly #random = new Random(5);

  /** `kernelMax`: datagrams that wait there. */
  constructor(kernelMax = KERNEL_MAX) {
    this.#kernelMax = kernelMax;
    this.nodes = MEMBERS.map(
      (me) =>
        new TimelyNode(
          { ...timelyDefaults, me, cluster: 1 },
          {
            multicast: (_group, bytes) => {
              for (const to of MEMBERS) if (to !== me) this.#carry(to, { bytes, isRepair: false });
            },
            unicast: (to, channel, bytes) => this.#carry(to, { bytes, isRepair: channel === "repair" }),
            deliver: ({ sender, seq }, _payload, how) => {
              if (how === "sent") this.sentToReceiver.add(`${sender} ${seq}`);
              else if (me === RECEIVER) {
                const key = `${sender} ${seq}`;
                expect(this.delivered.has(key)).toBe(false);
                this.delivered.add(key);
              }
            },
            lost: (_first, _now, count) => {
              if (me === RECEIVER) this.lost += count;
            },
            random: () => this.#random.unit(),
          },
          0,
        ),
    );
    for (const node of this.nodes) node.setGroups([{ group: GROUP, view: 1, members: MEMBERS, repairs: 3 }], 0);
  }

  get receiver(): TimelyNode {
    return this.nodes[RECEIVER - 1] as TimelyNode;
  }

  /** So many packets per millisecond, of all three senders together. */
  run(ms: number, perMs: number): void {
    const end = this.#now + ms;
    let owed = 0;
    while (this.#now < end) {
      this.#now += STEP_MS;
      owed += perMs * STEP_MS;
      for (; owed >= 1; owed--) this.nodes[this.#random.integer(0, 2)]?.send(GROUP, new Uint8Array(20), this.#now);
      for (const node of this.nodes) if (node !== this.receiver && node.deadline <= this.#now) node.tick(this.#now);
      this.#work();
    }
  }

  #carry(to: number, datagram: Datagram): void {
    if (to !== RECEIVER) {
      this.nodes[to - 1]?.receive(datagram.bytes, this.#now);
      return;
    }
    const queue = datagram.isRepair ? this.#kernel.repairs : this.#kernel.data;
    if (queue.length < (datagram.isRepair ? REPAIRS_MAX : this.#kernelMax)) queue.push(datagram);
    else if (!datagram.isRepair) this.dropped++;
  }

  #work(): void {
    const { data, repairs } = this.#kernel;
    this.#budget = Math.min(this.#budget + PER_MS * STEP_MS, 1);
    while (this.#budget >= 1) {
      // Now and then repairs, too, though data never ends.
      const next = this.#random.chance(0.1) ? (repairs.shift() ?? data.shift()) : (data.shift() ?? repairs.shift());
      if (next === undefined) break;
      this.#budget--;
      this.receiver.receive(next.bytes, this.#now);
    }
    this.receiver.behind(data.length > 0, this.#now);
    if (this.receiver.deadline <= this.#now) this.receiver.tick(this.#now);
    this.mostHeld = Math.max(this.mostHeld, this.receiver.heldBytes);
    this.mostMissing = Math.max(this.mostMissing, this.receiver.missing);
  }
}

describe("a receiver that cannot take what is sent", () => {
  test("asks for nothing, tells what it has lost, and has everything again when it can", () => {
    const group = new Group();
    group.run(500, 2);
    expect(group.delivered.size).toBeGreaterThan(980);
    group.run(3_000, 8);
    expect(group.dropped).toBeGreaterThan(4_000);
    // No slower than its processor is, though most of what it lacks could be asked for.
    expect(group.delivered.size).toBeGreaterThan(0.9 * PER_MS * 3_000);
    expect(group.receiver.statistics.naksSent).toBeLessThan(100);
    expect(group.mostMissing).toBeLessThanOrEqual(3 * timelyDefaults.missingMax);
    expect(group.mostHeld).toBeLessThanOrEqual(timelyDefaults.holdBytes);
    group.run(9_000, 1);
    expect(group.receiver.missing).toBe(0);
    expect(group.delivered.size + group.lost).toBe(group.sentToReceiver.size);
    const before = group.lost;
    group.run(1_000, 2);
    group.run(500, 0);
    expect(group.lost).toBe(before);
    expect(group.delivered.size + group.lost).toBe(group.sentToReceiver.size);
  });

  test("loses nothing of what only waits, however long that takes", () => {
    const group = new Group(100_000);
    group.run(500, 2);
    group.run(3_000, 8);
    expect(group.dropped).toBe(0);
    group.run(4_000, 1);
    group.run(500, 0);
    expect(group.lost).toBe(0);
    expect(group.delivered.size).toBe(group.sentToReceiver.size);
  });
});
