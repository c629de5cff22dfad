import { expect, test } from "vitest";
import { carriedAddresses } from "./config/lineage.ts";
import { parseSiteConfig } from "./config/parse-site.ts";
import { hasAddress, type SiteConfig } from "./config/site.ts";
import type { DaemonNotice } from "./notice.ts";
import { Reload } from "./reload.ts";

const ALONE = "Spread_Segment 10.0.0.255:4803 { a Host = a.example }";
const withHosts = (hosts: readonly string[]): string =>
  `Spread_Segment 10.0.0.255:4803 { ${hosts.map((host) => `${host.slice(0, 1)} Host = ${host}`).join(" ")} }`;

/** A daemon that is alone, where notices are ordered at once and files are kept at once. */
class Alone {
  readonly site: SiteConfig = parseSiteConfig(ALONE, "spread.conf", () => ["10.0.0.1"]).site;
  readonly proposals: string[] = [];
  inForce: SiteConfig | undefined;
  readonly finished: (string | undefined)[] = [];
  readonly reload: Reload;

  constructor() {
    const me = this.site.daemons[0]?.id ?? 0;
    const notices: DaemonNotice[] = [];
    this.reload = new Reload(me, this.site, {
      multicast: (notice) => {
        notices.push(notice);
        queueMicrotask(() => {
          const next = notices.shift();
          if (next?.kind === "propose") this.proposals.push(next.text);
          if (next !== undefined && next.kind !== "held" && next.kind !== "forget") this.reload.onNotice(me, next, 0);
        });
      },
      unicastFile: () => {},
      keep: (_text, keeping) => queueMicrotask(() => this.reload.kept(keeping, undefined)),
      retire: () => {},
      goOver: (site) => {
        this.inForce = site;
      },
      removed: () => {},
      finished: (why) => this.finished.push(why),
      happened: () => {},
    });
    this.reload.regular([me], true, 0);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a file with a host that leads nowhere now is put in force, as a daemon starts with one", async () => {
  const alone = new Alone();
  const why = alone.reload.request(withHosts(["a.example", "b.example"]), { "a.example": "10.0.0.1" });
  await turn();
  expect([why, alone.finished]).toEqual([undefined, [undefined]]);
  expect(alone.inForce?.daemons.map((daemon) => [daemon.name, hasAddress(daemon)])).toEqual([
    ["a", true],
    ["b", false],
  ]);
  expect(carriedAddresses(alone.proposals[0] ?? "")).toEqual({ "a.example": "10.0.0.1" });
});

test("the address of a daemon that is there is not forgotten because its name cannot be looked up just now", async () => {
  const alone = new Alone();
  alone.reload.request(withHosts(["a.example", "b.example"]), { "b.example": "10.0.0.2" });
  await turn();
  expect(alone.inForce?.daemons.map(({ address }) => address)).toEqual(["10.0.0.1", "10.0.0.2"]);
});

test("a host may be called as what every object has", async () => {
  const alone = new Alone();
  const why = alone.reload.request(withHosts(["a.example", "constructor"]), {});
  await turn();
  expect([why, alone.inForce?.daemons.map(hasAddress)]).toEqual([undefined, [true, false]]);
});
