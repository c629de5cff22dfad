import { shownPolicy, type SiteConfig } from "../daemon/config/site.ts";
import type { DaemonStatus } from "../daemon/status.ts";
import { DATAGRAM_OVERHEAD_BYTES } from "../host/mtu.ts";
import { HOP_OVERHEAD_BYTES } from "../membership/wide-area.ts";
import { shownBytes, shownDuration } from "./format.ts";
import type { Observation } from "./monitor-view.ts";

/** What a check found. */
export type Finding = {
  readonly check: string;
  readonly verdict: "ok" | "warning" | "problem";
  readonly message: string;
  /** What to do about it; `undefined` if all is well. */
  readonly remedy: string | undefined;
};

/** Datagram queues below this lose packets as soon as a daemon is held up for some milliseconds. */
export const RECEIVE_BUFFER_WANTED = 4 * 1024 * 1024;

/** The limit of the kernel for receive buffers; `undefined` where it cannot be read. */
export function judgeReceiveBuffer(rmemMaxBytes: number | undefined): Finding {
  const check = "receive buffers";
  if (rmemMaxBytes === undefined) return ok(check, "the limit cannot be read on this system");
  if (rmemMaxBytes >= RECEIVE_BUFFER_WANTED) return ok(check, `up to ${shownBytes(rmemMaxBytes)}`);
  const message = `the kernel allows ${shownBytes(rmemMaxBytes)}; ${shownBytes(RECEIVE_BUFFER_WANTED)} survive a busy moment without loss`;
  return warning(
    check,
    message,
    `sysctl -w net.core.rmem_max=${RECEIVE_BUFFER_WANTED}, and in /etc/sysctl.d to keep it`,
  );
}

/** Whether the site's datagrams fit the MTU of the interface that has the address. */
export function judgeMtu(site: SiteConfig, address: string, device: string, mtuBytes: number): Finding {
  const check = `MTU of ${device}`;
  // Between sites they are inside of others.
  const overhead = DATAGRAM_OVERHEAD_BYTES[site.family] + (site.sites.length > 1 ? HOP_OVERHEAD_BYTES : 0);
  const room = mtuBytes - overhead;
  if (site.dissemination === "tcp") return ok(check, `MTU ${mtuBytes}; daemons send each other streams`);
  if (!site.hasOwnDatagramBytes && site.sites.length === 1) {
    return ok(check, `MTU ${mtuBytes}; the daemons find out how long datagrams may be`);
  }
  const sizes = `datagrams of ${site.datagramBytes} bytes, MTU ${mtuBytes}`;
  if (site.datagramBytes > room) {
    const message = `${sizes}: each is sent in fragments from ${address}, and one lost fragment loses all`;
    return warning(check, message, `Set DatagramBytes = ${Math.min(room, 8_900)}, or raise the MTU on all hosts`);
  }
  if (room >= 2 * site.datagramBytes && device !== "lo") {
    const message = `${sizes}: larger ones would cost less per byte`;
    return {
      check,
      verdict: "ok",
      message,
      remedy: `If every host and switch has this MTU: DatagramBytes = ${Math.min(room, 8_900)}`,
    };
  }
  return ok(check, sizes);
}

/** All multicast addresses of the family of this address, and how they are routed. */
export function multicastRoute(address: string): { readonly range: string; readonly command: string } {
  return address.includes(":")
    ? { range: "ff00::/8", command: "ip -6 route add multicast ff00::/8 dev ETH table local" }
    : { range: "224.0.0.0/4", command: "ip route add 224.0.0.0/4 dev ETH" };
}

/** The outcome of sending a multicast datagram to oneself. */
export function judgeMulticast(site: SiteConfig, segment: string, heard: boolean, error: string | undefined): Finding {
  const check = `multicast to ${segment}`;
  if (heard) return ok(check, "this host hears itself; between hosts the daemons measure it, see below");
  const why = error ?? "a datagram to the group did not come back";
  const { range, command } = multicastRoute(segment);
  const remedy = `Route ${range} to the daemons' interface (${command}), allow it in the firewall, or set Dissemination = unicast`;
  return site.dissemination === "multicast"
    ? problem(check, why, remedy)
    : warning(check, `${why}; the daemons use unicast`, remedy);
}

/** Whether a daemon of the site runs, sees the others, and has the same file and clock. */
export function judgeDaemon(
  site: SiteConfig,
  { name, address, status, problem: why }: Observation,
  askedAtMs: number,
  answeredAtMs: number,
): Finding[] {
  if (status === undefined) {
    const remedy = `Start it (amalgam daemon --config FILE --name ${name}); if it runs, open TCP and UDP port ${portOf(address)} and UDP port ${portOf(address) + 1} in the firewall of its host`;
    return [problem(`daemon ${name}`, `no answer at ${address}: ${why ?? "unknown"}`, remedy)];
  }
  return [
    ok(`daemon ${name}`, `version ${status.version}, up ${shownDuration(status.uptimeMs)}, ${status.membershipState}`),
    judgeHash(site, status),
    judgeClock(status, askedAtMs, answeredAtMs),
    judgeGrantedBuffer(status),
  ];
}

/** Whether a daemon has this file. One that somebody wrote and that was put in force at run time counts as what was made of it. */
export function hasSameFile({ hash, agreement, lineage }: SiteConfig, { site }: DaemonStatus): boolean {
  return site.hash === hash || (lineage.generation === 0 && site.agreement === agreement);
}

function judgeHash(site: SiteConfig, status: DaemonStatus): Finding {
  const check = `configuration of ${status.name}`;
  if (hasSameFile(site, status)) return ok(check, "the same as here");
  const here = site.daemons.map(described);
  const there = status.site.daemons.map(described);
  const missing = here.filter((daemon) => !there.includes(daemon));
  const extra = there.filter((daemon) => !here.includes(daemon));
  const details = [
    ...(missing.length > 0 ? [`it lacks ${missing.join(", ")}`] : []),
    ...(extra.length > 0 ? [`it has ${extra.join(", ")}`] : []),
  ];
  const { payloadBytesMax, primaryPolicy } = status.site;
  if (payloadBytesMax !== site.sessions.payloadBytesMax)
    details.push(`its PayloadLimit is ${payloadBytesMax}, here ${site.sessions.payloadBytesMax}`);
  if (primaryPolicy !== shownPolicy(site.primaryPolicy))
    details.push(`its PrimaryPolicy is ${primaryPolicy}, here ${shownPolicy(site.primaryPolicy)}`);
  const what =
    details.length > 0 ? details.join("; ") : "the daemons' order, their segments or their virtual ids differ";
  return problem(
    check,
    `it runs with another file than this one: ${what}`,
    "Put one file in force at all of them with amalgam reload, or give all daemons the same file and restart those that differ",
  );
}

function judgeClock(status: DaemonStatus, askedAtMs: number, answeredAtMs: number): Finding {
  const check = `clock of ${status.name}`;
  // Half a round trip is what the two readings cannot tell apart.
  const skew = status.atMs - (askedAtMs + answeredAtMs) / 2;
  const unsure = (answeredAtMs - askedAtMs) / 2;
  const shown = `${skew >= 0 ? "+" : "-"}${shownDuration(Math.abs(skew))} (± ${shownDuration(unsure)}) to this host`;
  if (Math.abs(skew) - unsure < 1_000) return ok(check, shown);
  return warning(
    check,
    `${shown}: order does not depend on it, logs of several hosts are hard to compare`,
    "Run chrony or ntpd on every host",
  );
}

function judgeGrantedBuffer(status: DaemonStatus): Finding {
  const check = `receive buffer of ${status.name}`;
  const granted = status.site.receiveBufferBytes;
  if (granted >= RECEIVE_BUFFER_WANTED) return ok(check, shownBytes(granted));
  const message = `it got ${shownBytes(granted)}: its window stays below that`;
  return warning(
    check,
    message,
    `On its host: sysctl -w net.core.rmem_max=${RECEIVE_BUFFER_WANTED}, then restart the daemon`,
  );
}

function described({ name, address, port }: { name: string; address: string; port: number }): string {
  return `${name} ${address}:${port}`;
}

function portOf(address: string): number {
  return Number.parseInt(address, 10);
}

export function ok(check: string, message: string): Finding {
  return { check, verdict: "ok", message, remedy: undefined };
}

export function warning(check: string, message: string, remedy: string): Finding {
  return { check, verdict: "warning", message, remedy };
}

export function problem(check: string, message: string, remedy: string): Finding {
  return { check, verdict: "problem", message, remedy };
}
