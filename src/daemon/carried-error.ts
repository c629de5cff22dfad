import { ConfigError, type Problem } from "./config/problem.ts";
import { DaemonError, type DaemonErrorCode } from "./error.ts";

/** An error on its way to another thread: messages between threads keep neither the class of an error nor its code. */
export type CarriedError =
  | { readonly kind: "config"; readonly problem: Problem }
  | { readonly kind: "daemon"; readonly code: DaemonErrorCode; readonly message: string }
  /** `about`: what system calls say: `code`, `address`, `port`, `path` and so on. */
  | { readonly kind: "other"; readonly message: string; readonly about: Readonly<Record<string, string | number>> };

export function carriedError(error: unknown): CarriedError {
  if (error instanceof ConfigError) return { kind: "config", problem: error.problem };
  if (error instanceof DaemonError) return { kind: "daemon", code: error.code, message: error.message };
  if (!(error instanceof Error)) return { kind: "other", message: String(error), about: {} };
  const about = Object.entries(error).filter(([, value]) => typeof value === "string" || typeof value === "number");
  return { kind: "other", message: error.message, about: Object.fromEntries(about) };
}

/** The error again; its stack is this thread's. */
export function revivedError(carried: CarriedError): Error {
  switch (carried.kind) {
    case "config":
      return new ConfigError(carried.problem);
    case "daemon":
      return new DaemonError(carried.code, carried.message);
    case "other":
      return Object.assign(new Error(carried.message), carried.about);
  }
}
