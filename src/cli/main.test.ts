import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

test("the command starts where env takes one argument, as BusyBox's does", async () => {
  const source = await readFile(new URL("./main.ts", import.meta.url), "utf8");
  expect(source.split("\n", 1)).toEqual(["#!/usr/bin/env node"]);
});
