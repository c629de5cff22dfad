import { expect, test } from "vitest";
import { type Datagram, TestNetwork } from "../../test/transcripts/network.ts";
import { ringConfig } from "../ring/config.ts";
import { Kind, readPrefix } from "../wire/prefix.ts";
import { Evs } from "./evs.ts";
import { Layout } from "./layout.ts";
import { membershipTimeouts } from "./timeouts.ts";
import { wideAreaConfig } from "./wide-area-config.ts";

test("an announcement from before the ring does not end it, however late it comes", () => {
  const ids = [1, 2, 3];
  const network = new TestNetwork([ids]);
  const announcements: Datagram[] = [];
  network.arrives = (datagram) => {
    const prefix = readPrefix(datagram.bytes);
    if (typeof prefix !== "string" && prefix.kind === Kind.alive) announcements.push(datagram);
  };
  let installed = 0;
  for (const me of ids) {
    const config = {
      me,
      layout: new Layout(ids.map((id) => ({ id, segment: 0 }))),
      timeouts: membershipTimeouts("lan"),
      ring: ringConfig(),
      wideArea: wideAreaConfig(),
      primary: { name: "majority" as const },
      confHash: 7,
      incarnation: 1,
      clockOriginSeconds: 1e9,
      versionMax: 1,
    };
    const outbox = {
      ...network.of(me),
      message: () => {},
      transitional: () => {},
      regular: () => {
        installed++;
      },
      event: () => {},
    };
    const evs = new Evs(config, outbox, 0);
    network.stations.set(me, {
      get deadline() {
        return evs.deadline;
      },
      tick: (now) => evs.tick(now),
      receive: (_channel, bytes, now) => evs.receive(bytes, now),
    });
  }
  network.run(1_000);
  expect(installed).toBe(3);
  expect(announcements.length).toBeGreaterThan(2);

  const late = announcements.slice();
  for (const datagram of late) network.post(datagram);
  network.run(3_000);
  expect(installed).toBe(3);
});
