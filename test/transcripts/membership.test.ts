import { test } from "vitest";
import { play } from "./runner.ts";
import { Stage } from "./stage.ts";

const ONE_SEGMENT = [[1, 2, 3, 4]];
const three = [[1, 2, 3]];

const SCENES: readonly [name: string, segments: readonly (readonly number[])[]][] = [
  ["cold-start", three],
  ["kill", three],
  ["leave", three],
  ["merge", ONE_SEGMENT],
  ["refer", [[1, 2, 3], [4]]],
  [
    "segments",
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ["asymmetric", three],
  ["cascade", ONE_SEGMENT],
];

test.each(SCENES)("membership: %s", (name, segments) => {
  play(new URL(`membership/${name}.txt`, import.meta.url), new Stage(segments).commands);
});
