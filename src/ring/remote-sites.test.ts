import { expect, test } from "vitest";
import { Configuration } from "./configuration.ts";
import { firstToken } from "./first-token.ts";
import { RemoteSites } from "./remote-sites.ts";

function configuration(): Configuration {
  return new Configuration({ leader: 1, time: 7 }, [1, 2], [0, 1], 0, (daemon) => daemon - 1);
}

test("what is stamped comes after all that another site had stamped when it said what it holds, though none of that is here", () => {
  const here = configuration();
  const remote = new RemoteSites(1, here);
  const token = firstToken(here);
  here.clockHeard = 40;
  remote.visit(token, 0);
  expect(token.siteLts).toBe(40);
  // It is no promise of that site, and raises nothing that is ahead.
  expect([here.stream(1)?.known.lts, here.cutLts]).toEqual([0, 1]);
  token.siteLts = 50;
  remote.visit(token, 0);
  expect(token.siteLts).toBe(50);
});
