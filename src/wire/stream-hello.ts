import type { DaemonId } from "../base/ids.ts";
import { Reader, Writer } from "./bytes.ts";
import { Kind, packet, type Prefix, PREFIX_BYTES, WIRE_VERSION_MIN } from "./prefix.ts";

/*
 * Body of STREAM_HELLO, the first packet each way on a stream between two daemons of a site:
 * to u32 (the daemon that the sender means to talk to), incarnation u32, setting u8 (index in SETTINGS)
 * What follows is of a later release, and is ignored.
 */

/** How a daemon was told to send to the others of its site (`Dissemination`). */
export const SETTINGS = ["auto", "multicast", "unicast", "tcp"] as const;
export type DisseminationSetting = (typeof SETTINGS)[number];

export type StreamHello = {
  readonly to: DaemonId;
  /** Greater at every start of the sender. */
  readonly incarnation: number;
  /** `undefined` for one of a later release. */
  readonly setting: DisseminationSetting | undefined;
};

export function encodeStreamHello(
  confHash: number,
  origin: DaemonId,
  { to, incarnation }: Pick<StreamHello, "to" | "incarnation">,
  setting: DisseminationSetting,
): Uint8Array {
  const body = new Writer(9).u32(to).u32(incarnation).u8(SETTINGS.indexOf(setting));
  return packet(WIRE_VERSION_MIN, Kind.streamHello, confHash, origin, body.finish());
}

/** Reads the body of a whole packet of this kind; `undefined`: it is malformed. */
export function decodeStreamHello(bytes: Uint8Array, { bodyLength }: Prefix): StreamHello | undefined {
  const reader = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + bodyLength);
  const to = reader.u32();
  const incarnation = reader.u32();
  const setting = SETTINGS[reader.u8()];
  return reader.failed ? undefined : { to, incarnation, setting };
}
