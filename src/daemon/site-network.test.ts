import { expect, test } from "vitest";
import { parseSiteConfig } from "./config/parse-site.ts";
import type { DaemonConfig } from "./config/site.ts";
import { SiteNetwork } from "./site-network.ts";

test("where a daemon's name led last stays known when another file is in force that has an earlier address", () => {
  const text = "Dissemination = unicast Spread_Segment 127.0.0.255:4803 { a 127.0.0.1 ; b Host = b.example }";
  const siteWith = (address: string) => parseSiteConfig(text, "spread.conf", () => [address]).site;
  const site = siteWith("127.0.0.2");
  const [self, other] = site.daemons as [DaemonConfig, DaemonConfig];
  const ignore = (): void => {};
  const network = new SiteNetwork(
    { site, self, incarnation: 1, via: {}, datagrams: "portable" },
    { packet: ignore, foreign: ignore, happened: ignore, now: () => 0, wake: ignore },
  );
  expect(network.addressOf(other)).toBe("127.0.0.2");
  network.moved(other.id, "127.0.0.3");
  const fresh = siteWith("127.0.0.2");
  network.goOver(fresh, self);
  expect(network.addressOf(fresh.daemons[1] as DaemonConfig)).toBe("127.0.0.3");
});
