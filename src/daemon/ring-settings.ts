import { ACCELERATED_MAX, type RingConfig, ringConfig, ringDefaults } from "../ring/config.ts";
import type { SiteConfig } from "./config/site.ts";

/** Windows in packets that a monitor has asked for; `undefined` leaves what the file says, or what adapts. */
export type WindowChange = {
  readonly global: number | undefined;
  readonly personal: number | undefined;
  readonly accelerated: number | undefined;
};

export const NO_WINDOW_CHANGE: WindowChange = { global: undefined, personal: undefined, accelerated: undefined };

/** A kernel accounts for more than the bytes of a packet: a window must fit well below its buffer. */
const BUFFER_SHARE = 0.4;

/**
 * The ring's settings from a site's file and what the kernel granted (docs/configuration.md, `Window`). What the file says
 * bounds what adapts; where it says nothing, only the receive buffer does.
 */
export function ringSettings(
  site: SiteConfig,
  receiveBufferBytes: number,
  padded: boolean,
  change: WindowChange = NO_WINDOW_CHANGE,
  datagramBytes = site.datagramBytes,
): RingConfig {
  const { window, timeouts } = site;
  const packets = (count: number): number => Math.max(1, count) * datagramBytes;
  const global = change.global ?? window.global;
  const personal = change.personal ?? window.personal;
  const wanted = global === undefined ? ringDefaults.windowBytesMax : packets(global);
  const windowBytesMax = Math.max(datagramBytes, Math.min(wanted, Math.floor(receiveBufferBytes * BUFFER_SHARE)));
  return ringConfig({
    datagramBytes,
    padded,
    windowBytesMax,
    windowBytesStart: Math.min(ringDefaults.windowBytesStart, windowBytesMax),
    personalBytesMax: Math.min(ringDefaults.personalBytesMax, personal === undefined ? Infinity : packets(personal)),
    acceleratedPackets: Math.min(
      ACCELERATED_MAX,
      change.accelerated ?? (window.accelerated ? window.acceleratedPackets : 0),
    ),
    tokenProbeMs: Math.min(timeouts.tokenProbeMs, 60_000),
  });
}
