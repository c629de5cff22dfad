import { expect, test } from "vitest";
import { TestNetwork } from "../../test/transcripts/network.ts";
import { serviceRank } from "../ordering/service.ts";
import { payloadOf } from "../ordering/upcall.ts";
import { ringConfig } from "../ring/config.ts";
import { Evs } from "./evs.ts";
import { Layout } from "./layout.ts";
import { membershipTimeouts } from "./timeouts.ts";
import { wideAreaConfig } from "./wide-area-config.ts";

test("when the stamps of a configuration are used up, a new one goes on without losing or repeating a message", () => {
  const ids = [1, 2, 3];
  const network = new TestNetwork([ids]);
  const delivered = new Map<number, string[]>(ids.map((id) => [id, []]));
  let configurations = 0;
  let exhausted = 0;
  const daemons = ids.map((me) => {
    const config = {
      me,
      layout: new Layout(ids.map((id) => ({ id, segment: 0 }))),
      timeouts: membershipTimeouts("lan"),
      ring: ringConfig({ seqMax: 64 }),
      wideArea: wideAreaConfig(),
      primary: { name: "majority" as const },
      confHash: 7,
      incarnation: 1,
      clockOriginSeconds: 1e9,
      versionMax: 1,
    };
    const evs: Evs = new Evs(
      config,
      {
        ...network.of(me),
        message: (delivery) => delivered.get(me)?.push(new TextDecoder().decode(payloadOf(delivery)).trim()),
        transitional: () => {},
        regular: () => {
          if (me === 1) configurations++;
        },
        event: (event) => {
          if (event.kind === "configuration")
            exhausted += event.evidence.filter(({ kind }) => kind === "exhausted").length;
        },
      },
      0,
    );
    network.stations.set(me, {
      get deadline() {
        return evs.deadline;
      },
      tick: (now) => evs.tick(now),
      receive: (_channel, bytes, now) => evs.receive(bytes, now),
    });
    return evs;
  });
  network.run(100);

  const sent: string[] = [];
  for (let i = 0; i < 300; i++) {
    const name = `message ${i}`;
    sent.push(name);
    // One packet each: 300 of them cannot be stamped with 64.
    const payload = new TextEncoder().encode(name.padEnd(1_200));
    const sender = daemons[i % 3] as Evs;
    sender.send({ session: 1, priority: 0, service: serviceRank("agreed"), content: 0, pieces: [payload] });
  }
  network.run(20_000);

  expect(exhausted).toBeGreaterThan(3);
  expect(configurations).toBeGreaterThan(4);
  const first = delivered.get(1) as string[];
  expect([...first].sort()).toEqual([...sent].sort());
  for (const id of ids) expect(delivered.get(id)).toEqual(first);
});
