import type { DaemonId } from "../base/ids.ts";
import type { EvsConfig } from "../membership/config.ts";
import { Layout } from "../membership/layout.ts";
import type { PrimaryPolicy } from "../membership/primary.ts";
import { type RingConfig, ringConfig, ringDefaults } from "../ring/config.ts";
import type { AccessRules } from "../session/access.ts";
import type { SessionOptions } from "../session/options.ts";
import { WIRE_VERSION_MAX } from "../wire/prefix.ts";
import type { DaemonConfig, SiteConfig } from "./config/site.ts";

/** What a daemon has to know besides the site's configuration. */
export type NodeOptions = {
  readonly site: SiteConfig;
  readonly self: DaemonConfig;
  /** Greater at every start of this daemon (host/incarnation.ts). */
  readonly incarnation: number;
  /** The time of day at which `now` is 0, in ms since 1970. */
  readonly clockOriginMs: number;
  /** What the kernel granted for incoming datagrams: the ring's window follows from it. */
  readonly receiveBufferBytes: number;
  /** Whom authentication by IP lets in. */
  readonly access: AccessRules;
  /** How segments are reached, for the status; asked at each one. */
  readonly dissemination: () => "multicast" | "unicast";
  readonly version: string;
  readonly pid: number | undefined;
};

/** Spread's default: a file that says the same leaves the choice to us. */
const WINDOW_DEFAULT = 160;
const PERSONAL_WINDOW_DEFAULT = 20;
/** A kernel accounts for more than the bytes of a packet: a window must fit well below its buffer. */
const BUFFER_SHARE = 0.4;

export function evsConfig(options: NodeOptions): EvsConfig {
  const { site, self } = options;
  return {
    me: self.id,
    layout: new Layout(site.daemons.map(({ id, segment }) => ({ id, segment }))),
    timeouts: site.timeouts,
    ring: ringOf(site, options.receiveBufferBytes),
    primary: primaryOf(site),
    confHash: site.hash,
    incarnation: options.incarnation,
    clockOriginSeconds: options.clockOriginMs / 1000,
    versionMax: site.protocolVersion ?? WIRE_VERSION_MAX,
  };
}

function ringOf(site: SiteConfig, receiveBufferBytes: number): RingConfig {
  const { window, datagramBytes } = site;
  const byBuffer = Math.floor(receiveBufferBytes * BUFFER_SHARE);
  const byFile = window.global === WINDOW_DEFAULT ? ringDefaults.windowBytesMax : window.global * datagramBytes;
  const windowBytesMax = Math.max(datagramBytes, Math.min(byFile, byBuffer));
  const personalShare =
    window.personal === PERSONAL_WINDOW_DEFAULT
      ? ringDefaults.personalShare
      : Math.max(1, Math.round(window.global / Math.max(1, window.personal)));
  return ringConfig({
    datagramBytes,
    windowBytesMax,
    windowBytesStart: Math.min(ringDefaults.windowBytesStart, windowBytesMax),
    personalShare,
    acceleratedPackets: window.accelerated ? window.acceleratedPackets : 0,
  });
}

function primaryOf({ primaryPolicy }: SiteConfig): PrimaryPolicy {
  switch (primaryPolicy.kind) {
    case "static":
      return { name: "static", daemons: primaryPolicy.size };
    case "majority":
    case "oldest":
    case "none":
      return { name: primaryPolicy.kind };
  }
}

export function sessionOptions({ site, self, access }: NodeOptions): Partial<SessionOptions> & { daemon: string } {
  return {
    daemon: self.name,
    sessionsMax: site.sessions.sessionsMax,
    allowedMethods: site.authentication.allowed,
    requiredMethods: site.authentication.required,
    access,
    queueMessagesMax: site.sessions.messagesMax,
    queueBytesMax: site.sessions.bytesMax,
    payloadBytesMax: site.sessions.payloadBytesMax,
  };
}

/** `name` of a configured daemon; a number for one that is not. */
export function nameOf(site: SiteConfig, daemon: DaemonId): string {
  return site.daemons.find(({ id }) => id === daemon)?.name ?? `#${daemon}`;
}
