import { describe, expect, test } from "vitest";
import { Configuration } from "../ring/configuration.ts";
import { RING_DATA_HEAD_BYTES, type RingPacket } from "../wire/ring-data.ts";
import { Orderer } from "./orderer.ts";
import { EVERYBODY } from "./interest.ts";
import { type Outlook, Packer } from "./packer.ts";
import { type Service, serviceRank } from "./service.ts";
import { payloadOf } from "./upcall.ts";

const text = new TextDecoder();
const bytesOf = (name: string) => new TextEncoder().encode(name);

function outlook(dependency = { lts: 0, site: 0 }): Outlook {
  return {
    dependency: () => dependency,
    prunes: () => false,
    stable: () => 0,
    knowledge: () => 0,
    interest: () => EVERYBODY,
  };
}

/** A packet of `origin` that carries the named messages, packed as the ring packs them. */
function packetOf(
  at: { site?: number; seq: number; lts?: number; origin: number },
  messages: readonly [name: string, service: Service, session?: number][],
  packer = new Packer(outlook()),
): RingPacket {
  for (const [name, service, session = 1] of messages) {
    packer.enqueue({ session, priority: 0, service: serviceRank(service), content: 0, pieces: [bytesOf(name)] });
  }
  const bytes = new Uint8Array(1400);
  const { site = 0, seq, lts = seq, origin } = at;
  const end = packer.fill(bytes, RING_DATA_HEAD_BYTES, { seq, lts, site });
  const numbers = undefined;
  return { site, seq, first: seq, lts, origin, round: 1, bytes, end, numbers, early: undefined, assembled: false };
}

function observed(configuration: Configuration) {
  const log: string[] = [];
  const orderer = new Orderer(configuration, (delivery) => log.push(text.decode(payloadOf(delivery))));
  const hold = (packet: RingPacket): void => {
    configuration.stream(packet.site)?.hold(packet);
    orderer.held(packet);
  };
  return { log, orderer, hold };
}

const oneSite = () => new Configuration({ leader: 1, time: 1 }, [1, 2, 3], [0], 0);

describe("in one configuration", () => {
  test("agreed messages leave in the order of stamps, whatever the order of arrival", () => {
    const { log, hold } = observed(oneSite());
    const packets = [1, 2, 3, 4].map((seq) => packetOf({ seq, origin: 1 + (seq % 3) }, [[`m${seq}`, "agreed"]]));
    for (const i of [3, 1, 0, 2]) hold(packets[i] as RingPacket);
    expect(log).toEqual(["m1", "m2", "m3", "m4"]);
  });

  test("a safe message waits until it is stable, and agreed ones behind it wait with it", () => {
    const configuration = oneSite();
    const { log, orderer, hold } = observed(configuration);
    hold(
      packetOf({ seq: 1, origin: 1 }, [
        ["a", "agreed"],
        ["s", "safe", 2],
        ["b", "agreed", 3],
      ]),
    );
    expect(log).toEqual(["a"]);
    configuration.stable = 1;
    orderer.advance();
    expect(log).toEqual(["a", "s", "b"]);
  });

  test("a reliable message overtakes a gap; a FIFO one does unless its own session's message is in the gap", () => {
    const { log, hold } = observed(oneSite());
    const mine = new Packer(outlook());
    const first = packetOf({ seq: 1, origin: 1 }, [["f1", "fifo", 7]], mine);
    const second = packetOf(
      { seq: 2, origin: 1 },
      [
        ["f2", "fifo", 7],
        ["r", "reliable", 8],
        ["g", "fifo", 9],
      ],
      mine,
    );
    hold(second);
    expect(log).toEqual(["r", "g"]);
    hold(first);
    expect(log).toEqual(["r", "g", "f1", "f2"]);
  });

  test("a causal message overtakes unrelated ones but not what its sender had seen", () => {
    const configuration = oneSite();
    const { log, orderer, hold } = observed(configuration);
    const seen = new Packer(outlook({ lts: 1, site: 0 }));
    const blocked = packetOf({ seq: 2, origin: 2 }, [["safe", "safe"]]);
    hold(packetOf({ seq: 3, origin: 3 }, [["c", "causal"]], seen));
    expect(log).toEqual([]);
    hold(packetOf({ seq: 1, origin: 1 }, [["a", "agreed"]]));
    expect(log).toEqual(["a", "c"]);
    hold(blocked);
    configuration.stable = 2;
    orderer.advance();
    expect(log).toEqual(["a", "c", "safe"]);
  });

  test("a message longer than a packet is put together from packets in any order", () => {
    const { log, hold } = observed(oneSite());
    const packer = new Packer(outlook());
    const name = "x".repeat(3000);
    const packets = [
      packetOf({ seq: 1, origin: 1 }, [[name, "reliable"]], packer),
      packetOf({ seq: 2, origin: 1 }, [], packer),
      packetOf({ seq: 3, origin: 1 }, [], packer),
    ];
    hold(packets[2] as RingPacket);
    hold(packets[0] as RingPacket);
    expect(log).toEqual([]);
    hold(packets[1] as RingPacket);
    expect(log).toEqual([name]);
  });
});

describe("at a change of configuration (O12, O13)", () => {
  // Ring a, b, c; c is cut off. 1-4 are stable, 5 agreed from a, 6 safe from b, 7 from c, 8 from a, 9 from c.
  const delivered = (with7: boolean): string[] => {
    const configuration = oneSite();
    const { log, orderer, hold } = observed(configuration);
    const origins: Record<number, number> = { 5: 1, 6: 2, 7: 3, 8: 1, 9: 3 };
    configuration.stable = 4;
    for (let seq = 1; seq <= 9; seq++) {
      if (seq === 7 && !with7) continue;
      hold(packetOf({ seq, origin: origins[seq] ?? 1 }, [[`${seq}`, seq === 6 ? "safe" : "agreed"]]));
    }
    orderer.freeze();
    log.push("|");
    orderer.finish(new Set([1, 2]), () => log.push("transitional"));
    return log;
  };

  test("behind a hole only messages of those who go on are delivered", () => {
    expect(delivered(false)).toEqual(["1", "2", "3", "4", "5", "|", "transitional", "6", "8"]);
  });

  test("without a hole everything is, the unstable safe message and what follows it in the transitional configuration", () => {
    expect(delivered(true)).toEqual(["1", "2", "3", "4", "5", "|", "transitional", "6", "7", "8", "9"]);
  });
});

describe("the worked vector of recovery.md, with two sites", () => {
  // Site 1 = {a, b} = {1, 2}, site 2 = {c} = {3}; written (LTS, site).
  const p11 = () => packetOf({ site: 1, seq: 1, lts: 1, origin: 1 }, [["1,1", "agreed"]]);
  const p41 = () => packetOf({ site: 1, seq: 2, lts: 4, origin: 2 }, [["4,1", "safe"]]);
  const p61 = () => packetOf({ site: 1, seq: 3, lts: 6, origin: 1 }, [["6,1", "agreed"]]);
  const p22 = () => packetOf({ site: 2, seq: 1, lts: 2, origin: 3 }, [["2,2", "agreed"]]);
  const p32 = () => packetOf({ site: 2, seq: 2, lts: 3, origin: 3 }, [["3,2", "agreed"]]);
  const p52 = () => packetOf({ site: 2, seq: 3, lts: 5, origin: 3 }, [["5,2", "agreed"]]);
  const p72 = (service: Service = "agreed") => packetOf({ site: 2, seq: 4, lts: 7, origin: 3 }, [["7,2", service]]);

  function run(
    packets: RingPacket[],
    closedSite: number,
    promise: [site: number, seq: number, lts: number],
    commit: number[],
  ) {
    const configuration = new Configuration({ leader: 1, time: 1 }, [1, 2, 3], [1, 2], closedSite);
    configuration.stable = 1;
    const { log, orderer } = observed(configuration);
    orderer.freeze();
    for (const packet of packets) configuration.stream(packet.site)?.hold(packet);
    const [site, seq, lts] = promise;
    configuration.stream(site)?.announce({ seq, lts });
    const closed = configuration.stream(closedSite);
    if (closed !== undefined) closed.closed = true;
    orderer.finish(new Set(commit), () => log.push("transitional"));
    return log;
  }

  test("{a, b} deliver up to the unknown tail of c's site, then what they themselves sent", () => {
    const held = [p11(), p41(), p61(), p22(), p32(), p72()];
    expect(run(held, 1, [2, 2, 4], [1, 2])).toEqual(["1,1", "2,2", "3,2", "transitional", "4,1", "6,1"]);
  });

  test("a reliable message beyond the tail is delivered on its own account", () => {
    const held = [p11(), p41(), p61(), p22(), p32(), p72("reliable")];
    expect(run(held, 1, [2, 2, 4], [1, 2])).toEqual(["1,1", "2,2", "3,2", "transitional", "4,1", "6,1", "7,2"]);
  });

  test("{c} delivers the same before the cut, and its own messages behind it", () => {
    const held = [p11(), p41(), p22(), p32(), p52(), p72()];
    expect(run(held, 2, [1, 2, 4], [3])).toEqual(["1,1", "2,2", "3,2", "transitional", "4,1", "5,2", "7,2"]);
  });
});
