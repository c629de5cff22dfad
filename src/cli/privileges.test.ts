import { expect, test } from "vitest";
import { identityOf } from "./privileges.ts";

test("nothing is given up where the file names nobody", () => {
  expect(identityOf({ user: undefined, group: undefined })).toBeUndefined();
});

test("a user or group that does not exist is an error for root, and without effect for others", () => {
  const before = [process.getuid?.(), process.getgid?.()];
  const isRoot = process.getuid?.() === 0;
  const asked = [
    { user: "no-such-user", group: undefined },
    { user: undefined, group: "no-such-group" },
  ];
  for (const runtime of asked) {
    const attempt = () => identityOf(runtime);
    if (isRoot) expect(attempt).toThrow(/the daemon cannot become (user|group) no-such-\w+: no such/);
    else expect(attempt()).toMatch(/change nothing|no users/);
  }
  expect([process.getuid?.(), process.getgid?.()]).toEqual(before);
});
