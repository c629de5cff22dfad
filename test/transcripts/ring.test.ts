import { test } from "vitest";
import type { RingConfig } from "../../src/ring/config.ts";
import { play } from "./runner.ts";
import { Stage } from "./stage.ts";

const SCENES: readonly [sentence: string, name: string, segments: readonly number[], ring?: Partial<RingConfig>][] = [
  ["a lost data packet is repaired", "repair", [1, 2, 3]],
  ["a lost token is repeated and passed on once", "lost-token", [1, 2, 3]],
  ["an idle token rests with the last sender, and hurry releases it", "idle", [1, 2, 3]],
  [
    "the accelerated ring sends after the token and does not ask too early",
    "accelerated",
    [1, 2, 3],
    acceleratedRing(),
  ],
  ["who sent last keeps the token after one rotation, and tells the others", "rest", [1, 2, 3]],
  ["a ring of one needs nobody", "single", [1]],
];

/** Small datagrams: a message each. */
function acceleratedRing(): Partial<RingConfig> {
  return { acceleratedPackets: 2, datagramBytes: 256 };
}

test.each(SCENES)("%s", (_sentence, name, segment, ring) => {
  play(new URL(`ring/${name}.txt`, import.meta.url), new Stage([segment], ring).commands);
});
