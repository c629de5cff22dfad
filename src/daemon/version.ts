import { readFileSync } from "node:fs";

/** The package's version: its package.json lies two folders above both the source and the build of this file. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }
).version;
