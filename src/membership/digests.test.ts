import { describe, expect, test } from "vitest";
import { Content } from "../ordering/content.ts";
import { EVERYBODY, type Interest, OWN_SITE } from "../ordering/interest.ts";
import { Orderer } from "../ordering/orderer.ts";
import { Packer } from "../ordering/packer.ts";
import { type Service, serviceRank } from "../ordering/service.ts";
import type { Delivery } from "../ordering/upcall.ts";
import { Configuration } from "../ring/configuration.ts";
import { Kind, readPrefix, writePrefix } from "../wire/prefix.ts";
import {
  isSafeDigest,
  RING_DATA_HEAD_BYTES,
  type RingPacket,
  ringPacket,
  writeRingDataHead,
} from "../wire/ring-data.ts";
import { Digests, type MadeDigest } from "./digests.ts";

const ID = { leader: 1, time: 7 };
const DATAGRAM_BYTES = 600;

/** Daemon 1 is in site 0, 2 in site 1 and 3 in site 2. */
function configurationAt(site: number): Configuration {
  return new Configuration(ID, [1, 2, 3], [0, 1, 2], site, (daemon) => daemon - 1);
}

/** What daemon 1 stamps: messages of a numbered session, for its own site or for all. */
class Source {
  readonly configuration = configurationAt(0);
  readonly digests = new Digests(1, this.configuration, DATAGRAM_BYTES);
  readonly packets: RingPacket[] = [];
  readonly #packer: Packer;
  #interest: Interest = EVERYBODY;
  #number = 0;

  constructor() {
    this.#packer = new Packer({
      dependency: () => ({ lts: 0, site: 0 }),
      prunes: () => true,
      stable: () => 0,
      knowledge: () => 0,
      interest: () => this.#interest,
    });
  }

  /** Messages of so many bytes, in as many packets as it takes; the LTS of a packet is ten times its seq. */
  send(bytes: number, to: "own" | "all", service: Service = "agreed"): void {
    this.#interest = to === "all" ? EVERYBODY : OWN_SITE;
    const head = new Uint8Array(24).fill(65, 0, 16);
    head[23] = ++this.#number;
    const pieces = [head, new Uint8Array(bytes)];
    const content = Content.numberedFrame;
    this.#packer.enqueue({ session: 5, priority: 0, service: serviceRank(service), content, pieces });
    while (!this.#packer.isEmpty) {
      const packet = new Uint8Array(DATAGRAM_BYTES);
      const room = { packets: 30, packetsMax: 30, isWide: true };
      const seq = this.packets.length + 1;
      const stamp = { seq, lts: 10 * seq, site: 0 };
      const end = this.#packer.fill(packet, RING_DATA_HEAD_BYTES, stamp, room);
      writePrefix(packet, 0, 3, Kind.ringData, 9, end - 16, 1, end);
      writeRingDataHead(packet, ID, 0, seq, 10 * seq, 0, this.#packer.filledFlags);
      const made = packetOf(packet.subarray(0, end));
      this.packets.push(made);
      this.configuration.local.hold(made);
    }
  }

  /** Digests of what all daemons of the site hold up to here. */
  take(heldHere: number): MadeDigest[] {
    this.configuration.local.heldHere = heldHere;
    return this.digests.take();
  }
}

function packetOf(bytes: Uint8Array): RingPacket {
  const prefix = readPrefix(bytes);
  if (typeof prefix === "string") throw new Error(prefix);
  return ringPacket(prefix, bytes);
}

/** Which packets, and the numbers of the session with the stamps from which they count. */
function described({ bytes }: MadeDigest): string {
  const packet = packetOf(bytes);
  const numbers = packet.numbers?.map(({ origin, number, lts }) => `${number} of ${origin} at ${lts}`);
  return `${packet.first}-${packet.seq} at ${packet.lts}: ${numbers?.join(", ")}`;
}

describe("what other sites are told of packets that are for one alone", () => {
  test("stands for the packets between those that are for all, and has the numbers of each", () => {
    const source = new Source();
    source.send(100, "own");
    source.send(100, "own");
    source.send(100, "all");
    source.send(100, "own");
    expect(source.take(4).map(described)).toEqual(["1-2 at 20: 1 of 1 at 10, 2 of 1 at 20", "4-4 at 40: 4 of 1 at 40"]);
    expect(source.digests.hasNews).toBe(false);
  });

  test("ends with a packet in which a safe message does", () => {
    const source = new Source();
    source.send(100, "own");
    source.send(100, "own", "safe");
    source.send(100, "own");
    const made = source.take(3);
    expect(made.map((one) => described(one).split(":")[0])).toEqual(["1-2 at 20", "3-3 at 30"]);
    expect(made.map(({ bytes }) => isSafeDigest(bytes))).toEqual([true, false]);
  });

  test("comes once all daemons of the site hold the packets, and a message in whole", () => {
    const source = new Source();
    source.send(100, "own");
    source.send(1_400, "own");
    expect(source.take(0)).toEqual([]);
    expect(source.take(2).map(described)).toEqual(["1-1 at 10: 1 of 1 at 10"]);
    expect(source.take(3)).toEqual([]);
    expect(source.take(4).map(described)).toEqual(["2-4 at 40: 2 of 1 at 40"]);
  });
});

describe("at another site a digest", () => {
  /** Site 1: what it delivers, where the sessions' numbers are. */
  function observed(): {
    configuration: Configuration;
    orderer: Orderer;
    log: string[];
    hold: (packet: RingPacket) => void;
  } {
    const configuration = configurationAt(1);
    const log: string[] = [];
    const orderer = new Orderer(configuration, ({ content, head: payload, service }: Delivery) => {
      if (content !== Content.numbers) log.push(service);
      else for (let at = 0; at < payload.length; at += 26) log.push(`number ${payload[at + 23]}`);
    });
    const hold = (packet: RingPacket): void => {
      expect(configuration.admits(packet)).toBe(true);
      configuration.stream(packet.site)?.hold(packet);
      orderer.held(packet);
    };
    return { configuration, orderer, log, hold };
  }

  /** A packet of site 1 or 2 with an agreed message. */
  function other(site: number, lts: number): RingPacket {
    const source = new Source();
    source.send(10, "all");
    const [packet] = source.packets as [RingPacket];
    return { ...packet, origin: site + 1, site, seq: 1, first: 1, lts };
  }

  test("counts packet by packet in the order with those of other sites", () => {
    const { configuration, orderer, log, hold } = observed();
    const source = new Source();
    for (let i = 0; i < 4; i++) source.send(100, "own");
    hold(other(1, 25));
    for (const { bytes } of source.take(4)) hold(packetOf(bytes));
    expect(log).toEqual([]);
    configuration.stream(2)?.announce({ seq: 0, lts: 30 });
    configuration.local.announce({ seq: 1, lts: 30 });
    orderer.advance();
    expect(log).toEqual(["number 1", "number 2", "agreed", "number 3"]);
    configuration.stream(2)?.announce({ seq: 0, lts: 90 });
    configuration.local.announce({ seq: 1, lts: 90 });
    orderer.advance();
    expect(log.slice(4)).toEqual(["number 4"]);
    expect(orderer.deliveredSeq(0)).toBe(4);
  });

  test("that ends with a safe message lets nothing behind it pass before that is stable", () => {
    const { configuration, orderer, log, hold } = observed();
    const source = new Source();
    source.send(100, "own");
    source.send(100, "own", "safe");
    for (const { bytes } of source.take(2)) hold(packetOf(bytes));
    hold(other(1, 25));
    configuration.stream(2)?.announce({ seq: 0, lts: 90 });
    configuration.local.announce({ seq: 1, lts: 90 });
    configuration.stream(0)?.announce({ seq: 2, lts: 90 });
    orderer.advance();
    expect([log, orderer.awaitsStable]).toEqual([["number 1"], true]);
    configuration.stable = 20;
    orderer.advance();
    expect(log.slice(1)).toEqual(["number 2", "agreed"]);
  });

  test("lets a FIFO message pass whose predecessor it stands for, once nothing before that is missing", () => {
    const { log, hold } = observed();
    const source = new Source();
    source.send(100, "own", "fifo");
    source.send(100, "all", "fifo");
    hold(source.packets[1] as RingPacket);
    expect(log).toEqual([]);
    for (const { bytes } of source.take(1)) hold(packetOf(bytes));
    expect(log).toEqual(["fifo"]);
  });

  test("beyond the end of a configuration tells the numbers of those alone whose messages have to come", () => {
    for (const commit of [[1, 2], [2]]) {
      const { configuration, orderer, log, hold } = observed();
      const source = new Source();
      for (let i = 0; i < 3; i++) source.send(100, "own");
      for (const { bytes } of source.take(3)) hold(packetOf(bytes));
      configuration.stream(2)?.announce({ seq: 0, lts: 15 });
      configuration.local.announce({ seq: 0, lts: 90 });
      orderer.finish(new Set(commit), () => log.push("transitional"));
      const end = commit.includes(1) ? ["number 2", "number 3"] : [];
      expect(log).toEqual(["number 1", "transitional", ...end]);
    }
  });

  test("is of another site than this one, and made of packets in order", () => {
    const source = new Source();
    source.send(100, "own");
    const [{ bytes }] = source.take(1) as [MadeDigest];
    expect(configurationAt(0).admits(packetOf(bytes))).toBe(false);
    const malformed = bytes.slice(0, -1);
    malformed[11] = (malformed[11] as number) - 1;
    malformed[9] = (malformed[9] as number) - 1;
    expect(packetOf(malformed).first).toBe(0);
    expect(configurationAt(1).admits(packetOf(malformed))).toBe(false);
  });
});
