import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync } from "node:fs";
import type { RuntimeConfig } from "../daemon/config/site.ts";
import { CliError, ExitCode } from "./exit-codes.ts";

/** Whom a daemon that was started as root becomes. */
export type Identity = {
  readonly uid: number;
  readonly gid: number;
  readonly groups: number[];
  /** For people. */
  readonly text: string;
};

/**
 * Looks up the user and the group that the file asks for. A text says why nothing is to be done; `undefined` if the file asks for nothing.
 * Throws a `CliError` for a user or group that does not exist: to go on as root would not be what was asked for.
 */
export function identityOf({ user, group }: RuntimeConfig): Identity | string | undefined {
  if (user === undefined && group === undefined) return undefined;
  const { getuid } = process;
  if (getuid === undefined) return "this system has no users to become";
  if (getuid() !== 0) return "it was not started as root: DaemonUser and DaemonGroup change nothing";
  try {
    const uid = user === undefined ? 0 : idOf("-u", user);
    const gid = group === undefined ? idOf("-g", user ?? "root") : groupId(group);
    const groups = [...new Set([gid, ...(user === undefined ? [] : groupsOf(user))])];
    return { uid, gid, groups, text: `user ${user ?? "root"} (${uid}), group ${group ?? gid}` };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const who = [user === undefined ? [] : `user ${user}`, group === undefined ? [] : `group ${group}`].flat();
    throw new CliError(
      ExitCode.configuration,
      `the daemon cannot become ${who.join(", ")}: ${why}; make it, or take DaemonUser and DaemonGroup out of the file`,
      { cause: error },
    );
  }
}

/**
 * Makes a directory in which the user can keep something, unless it is there. Throws a `CliError` where it is, and is closed to the user: to take
 * over somebody else's would not be what was asked for.
 */
export function makeDirectoryFor({ uid, gid, text }: Identity, path: string): void {
  if (mkdirSync(path, { recursive: true }) !== undefined) {
    chownSync(path, uid, gid);
    return;
  }
  try {
    execFileSync("test", ["-w", path], { uid, gid, stdio: "ignore" });
  } catch (error) {
    const remedy = "let that user have it, or choose another with --state-dir";
    const message = `${text} may not write to the state directory ${path}: ${remedy}`;
    throw new CliError(ExitCode.configuration, message, { cause: error });
  }
}

/** Gives up root, once all ports are bound and files are open; `owned` are files that the user has to be able to write or remove. */
export function become({ uid, gid, groups }: Identity, owned: readonly string[]): void {
  for (const path of owned) if (existsSync(path)) chownSync(path, uid, gid);
  process.setgroups?.(groups);
  process.setgid?.(gid);
  if (uid !== 0) process.setuid?.(uid);
}

/** Node does not look users up; `id` knows them wherever they are kept. */
function idOf(which: "-u" | "-g", user: string): number {
  try {
    return Number(execFileSync("id", [which, "--", user], { encoding: "utf8", stdio: "pipe" }));
  } catch (error) {
    throw new Error("no such user", { cause: error });
  }
}

/** The further groups of the user, without those that the daemon had as root. */
function groupsOf(user: string): number[] {
  return execFileSync("id", ["-G", "--", user], { encoding: "utf8", stdio: "pipe" }).trim().split(" ").map(Number);
}

function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  try {
    return Number(execFileSync("getent", ["group", group], { encoding: "utf8", stdio: "pipe" }).split(":")[2]);
  } catch (error) {
    throw new Error("no such group", { cause: error });
  }
}
