import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { timelyDefaults } from "./config.ts";
import type { RateOfFire } from "./rate-of-fire.ts";
import { TimelyNode } from "./timely-node.ts";

const RECOVERY = 0.99;
const GROUP = 1;
const MEMBERS = [1, 2, 3, 4, 5, 6, 7, 8];
const LAST = 8;
const LOSS = 0.01;
const SECONDS = 4;

/** How the last member wants to be repaired if it processes repairs so many milliseconds after they have come. */
function wantedWhenLate(lateMs: number): RateOfFire {
  const random = new Random(5);
  /** What is under way: at once, but for repairs to the last member. */
  let now = 0;
  let arriving: { readonly to: number; readonly bytes: Uint8Array }[] = [];
  const late: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  const nodes = MEMBERS.map(
    (me) =>
      new TimelyNode(
        { ...timelyDefaults, me, cluster: 1 },
        {
          multicast: (_group, bytes) => {
            for (const to of MEMBERS) if (to !== me) arriving.push({ to, bytes });
          },
          unicast: (to, channel, bytes) => {
            if (to === LAST && channel === "repair") late.push({ at: now + lateMs, bytes });
            else arriving.push({ to, bytes });
          },
          deliver: () => {},
          lost: () => {},
          random: () => random.unit(),
        },
        0,
      ),
  );
  for (const node of nodes)
    node.setGroups([{ group: GROUP, view: 1, members: MEMBERS, repairs: 5, recovery: RECOVERY }], 0);
  for (; now < 1_000 * SECONDS; now++) {
    nodes[0]?.send(GROUP, new Uint8Array(20), now);
    while (late[0] !== undefined && late[0].at <= now)
      arriving.push({ to: LAST, bytes: late.shift()?.bytes as Uint8Array });
    while (arriving.length > 0) {
      const all = arriving;
      arriving = [];
      for (const { to, bytes } of all) if (!random.chance(LOSS)) nodes[to - 1]?.receive(bytes, now);
    }
    for (const node of nodes) if (node.deadline <= now) node.tick(now);
  }
  return nodes[LAST - 1]?.rateOf(RECOVERY) as RateOfFire;
}

test("a node that comes to its repairs late hardly asks for more of them, which would keep it busier still", () => {
  const [soon, later] = [0, 40].map((lateMs) => {
    const { copies, every } = wantedWhenLate(lateMs);
    return copies / every;
  });
  // Somewhat more, since what it has asked for itself by then counts as not repaired.
  expect(later).toBeLessThan(1.5 * (soon as number));
});
