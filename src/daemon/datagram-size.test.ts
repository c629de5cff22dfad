import { describe, expect, it } from "vitest";
import { town } from "../../test/fuzz/cluster.ts";
import { Kind } from "../wire/prefix.ts";
import { deviceOf, mtuOf } from "../host/mtu.ts";
import { parseSiteConfig } from "./config/parse-site.ts";
import { datagramSizes, describedLengths } from "./datagram-size.ts";

const site = (settings = "") =>
  parseSiteConfig(`${settings} Spread_Segment 127.0.0.255 { a 127.0.0.1 b 127.0.0.2 }`).site;

describe("the size of datagrams", () => {
  it("is to be tried where the MTU has room for long ones, unless the file says one or streams are used", async () => {
    const mtu = await mtuOf(deviceOf("127.0.0.1") ?? "");
    // Of Linux' loopback.
    if (mtu === 65_536) {
      const found = await datagramSizes(site(), "127.0.0.1");
      expect(found).toEqual({ usual: 1_400, large: 8_900, because: "the MTU of lo is 65536" });
      expect(await datagramSizes(site("DatagramBytes = auto"), "127.0.0.1")).toEqual(found);
    }
    expect(await datagramSizes(site("DatagramBytes = 1400"), "127.0.0.1")).toMatchObject({
      usual: 1_400,
      large: undefined,
    });
    expect(await datagramSizes(site("Dissemination = tcp"), "127.0.0.1")).toMatchObject({
      usual: 8_000,
      large: undefined,
    });
  });

  it("is the usual one at an address that no interface has", async () => {
    expect(await datagramSizes(site(), "192.0.2.1")).toEqual({
      usual: 1_400,
      large: undefined,
      because: "the MTU cannot be read",
    });
  });

  it("is described as the file leaves it: open where it says none", () => {
    const open =
      "1400 bytes (auto: fewer where the MTU is smaller, up to 8900 where the MTU has room and they get through)";
    expect(describedLengths(site())).toBe(open);
    expect(describedLengths(site("DatagramBytes = auto"))).toBe(open);
    expect(describedLengths(site("DatagramBytes = 8900"))).toBe("8900 bytes");
    expect(describedLengths(site("Dissemination = tcp"))).toBe("8000 bytes");
  });

  it("may change while messages are on their way, at each daemon by itself", () => {
    const { daemons, network } = town();
    const [one, two, three] = daemons as readonly [(typeof daemons)[0], (typeof daemons)[0], (typeof daemons)[0]];
    const lengths = new Set<number>();
    network.arrives = ({ bytes }) => {
      if (bytes[3] === Kind.ringData) lengths.add(bytes.length);
    };
    const longest = (): number => {
      const found = Math.max(...lengths);
      lengths.clear();
      return found;
    };
    const sent = Array.from({ length: 60 }, (_, i) => new Uint8Array(15_000).fill(i + 1));
    const say = (from: number, to: number): void => {
      for (const [i, data] of sent.slice(from, to).entries()) (i % 2 === 0 ? one : two).say("agreed", data);
      network.run(3);
    };
    say(0, 20);
    expect(longest()).toBe(1_400);
    one.datagramBytes = 8_900;
    say(20, 40);
    expect(longest()).toBe(8_900);
    network.run(2_000);
    longest();
    one.datagramBytes = 1_400;
    two.datagramBytes = 600;
    say(40, 60);
    network.run(2_000);
    expect(longest()).toBe(1_400);
    // Every message is whole at the third daemon, whatever lengths its parts had.
    const arrived = Buffer.from(three.take());
    for (const data of sent) expect(arrived.includes(Buffer.from(data))).toBe(true);
    for (const { node } of daemons) expect(node.evs.configuration.members).toHaveLength(3);
  });
});
