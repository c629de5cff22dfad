import { expect, test } from "vitest";
import { carriedError, revivedError } from "./carried-error.ts";
import { ConfigError, parseSiteConfig } from "./config/index.ts";
import { DaemonError } from "./error.ts";

/** What comes out of another thread. */
const passed = (error: unknown): Error => revivedError(structuredClone(carriedError(error)));

function configError(): unknown {
  try {
    return parseSiteConfig("Window = none");
  } catch (error) {
    return error;
  }
}

test("errors keep their class, their code and what else they say between threads", () => {
  expect(passed(new DaemonError("STATE", "no room"))).toEqual(new DaemonError("STATE", "no room"));
  const wrong = configError() as ConfigError;
  expect(passed(wrong)).toBeInstanceOf(ConfigError);
  expect(passed(wrong)).toMatchObject({ message: wrong.message, problem: wrong.problem });
  const taken = Object.assign(new Error("listen EADDRINUSE"), {
    code: "EADDRINUSE",
    port: 4803,
    cause: new Error("x"),
  });
  expect(passed(taken)).toMatchObject({ message: "listen EADDRINUSE", code: "EADDRINUSE", port: 4803 });
  expect(passed("a text").message).toBe("a text");
});
