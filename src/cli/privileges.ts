import { execFileSync } from "node:child_process";
import { chownSync, existsSync } from "node:fs";
import type { RuntimeConfig } from "../daemon/config/site.ts";
import { CliError, ExitCode } from "./exit-codes.ts";

/**
 * Gives up root for the user and group of the file, once all ports are bound and files are open; `owned` are files that
 * the user has to be able to remove. Says what was done, or why nothing was; `undefined` if the file asks for nothing.
 * Throws a `CliError` for a user or group that does not exist: to go on as root would not be what was asked for.
 */
export function giveUpRoot({ user, group }: RuntimeConfig, owned: readonly string[]): string | undefined {
  if (user === undefined && group === undefined) return undefined;
  const { setuid, setgid, setgroups, getuid } = process;
  if (getuid === undefined || setuid === undefined || setgid === undefined) return "this system has no users to become";
  if (getuid() !== 0) return "it was not started as root: DaemonUser and DaemonGroup change nothing";
  try {
    const uid = user === undefined ? 0 : idOf("-u", user);
    const gid = group === undefined ? idOf("-g", user ?? "root") : groupId(group);
    for (const path of owned) if (existsSync(path)) chownSync(path, uid, gid);
    setgroups?.([...new Set([gid, ...(user === undefined ? [] : groupsOf(user))])]);
    setgid(gid);
    if (uid !== 0) setuid(uid);
    return `runs as user ${user ?? "root"} (${uid}), group ${group ?? gid} now`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const who = [user === undefined ? [] : `user ${user}`, group === undefined ? [] : `group ${group}`].flat();
    throw new CliError(ExitCode.configuration, `the daemon cannot become ${who.join(", ")}: ${why}`, {
      cause: error,
    });
  }
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
