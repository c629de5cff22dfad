import { expect, test } from "vitest";
import { Stage } from "../../test/transcripts/stage.ts";
import { Kind, packet, WIRE_VERSION_MIN } from "../wire/prefix.ts";

/** What a daemon of a later age would send: the prefix stays as it is, the body is anybody's guess. */
const FUTURE = 4;

test("a ring speaks the lowest of its members' versions, and the next one when the last old daemon is replaced", () => {
  const old = new Set([1, 2, 3]);
  const stage = new Stage([[1, 2, 3]], {}, (daemon) => (old.has(daemon) ? 1 : 2));
  const versions = (): number[] => [...stage.evs.values()].map((evs) => evs.version);
  const sent = new Set<number>();
  stage.network.arrives = ({ bytes }) => {
    if ((bytes[3] as number) <= Kind.ringHurry) sent.add(bytes[2] as number);
  };
  for (const id of [1, 2, 3]) stage.start(id);
  stage.network.run(2_000);
  expect(versions()).toEqual([1, 1, 1]);

  for (const id of [3, 1, 2]) {
    // While old and new ones are together, all of them order messages, in the old version.
    for (const sender of [1, 2, 3]) stage.send(sender, "safe", `before ${id} from ${sender}`);
    stage.network.run(500);
    const lines = stage.take();
    for (const receiver of [1, 2, 3]) {
      for (const sender of [1, 2, 3]) {
        expect(lines.join("\n")).toContain(`${receiver} delivers "before ${id} from ${sender}" of ${sender}`);
      }
    }
    expect([...sent]).toEqual([1]);
    stage.evs.get(id)?.leave(stage.network.now);
    stage.network.run(500);
    stage.kill(id);
    old.delete(id);
    stage.start(id);
    stage.network.run(5_000);
    expect([...stage.evs.values()].map((evs) => evs.configuration.members)).toEqual(Array(3).fill([1, 2, 3]));
    expect(versions()).toEqual(Array(3).fill(old.size === 0 ? 2 : 1));
  }
  sent.clear();
  stage.send(1, "agreed", "all new");
  stage.network.run(500);
  expect(stage.take().filter((line) => line.includes('delivers "all new" of 1')).length).toBe(3);
  expect([...sent]).toEqual([2]);
});

test("membership packets are sent in the lowest version, whatever the ring speaks", () => {
  const stage = new Stage([[1, 2]], {}, () => 2);
  const control = new Set<number>();
  stage.network.arrives = ({ bytes }) => {
    const kind = bytes[3] as number;
    if (kind >= Kind.alive && kind <= Kind.form2) control.add(bytes[2] as number);
  };
  stage.start(1);
  stage.start(2);
  stage.network.run(2_000);
  expect(stage.evs.get(1)?.version).toBe(2);
  expect([...control]).toEqual([WIRE_VERSION_MIN]);
});

test("a daemon of an unknown version is dropped, counted, and told about by name and version", () => {
  const stage = new Stage([[1, 2, 3]]);
  for (const id of [1, 2]) stage.start(id);
  stage.network.run(2_000);
  const configuration = stage.evs.get(1)?.configuration;
  stage.events.length = 0;
  for (let i = 0; i < 5; i++) {
    const bytes = packet(FUTURE, Kind.alive, 0x51a1, 3, new Uint8Array(40));
    for (const to of [1, 2]) stage.network.post({ from: 3, to, channel: "token", bytes });
    stage.network.run(50);
  }
  for (const daemon of [1, 2]) {
    expect(stage.evs.get(daemon)?.drops.version).toBe(5);
    expect(stage.events).toContainEqual({ daemon, event: { kind: "version", daemon: 3, version: FUTURE } });
  }
  expect(stage.evs.get(1)?.configuration).toBe(configuration);
});
