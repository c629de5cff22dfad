/**
 * Spread's string hash, one byte at a time from the length on (spread-client-protocol.md 9.5), as an unsigned 32-bit number.
 */
export function oneAtATime(bytes: Uint8Array): number {
  let h = bytes.length;
  for (const byte of bytes) {
    h = (h + byte) | 0;
    h = (h + (h << 10)) | 0;
    h ^= h >>> 6;
  }
  h = (h + (h << 3)) | 0;
  h ^= h >>> 11;
  h = (h + (h << 15)) | 0;
  return h >>> 0;
}

/** A daemon's virtual id where the file gives none: the hash of its name. */
export function virtualId(name: string): number {
  const bytes = terminated(name);
  const id = oneAtATime(bytes);
  // Both ends of the range mean something else in Spread.
  return id === 0 || id === 0xffff_ffff ? (bytes.length << 16) >>> 0 : id;
}

/** What of a site Spread's configuration hash covers. */
export type HashedSite = {
  readonly segments: readonly {
    readonly port: number;
    readonly addresses: readonly string[];
    readonly daemons: readonly { readonly name: string; readonly address: string; readonly id: number }[];
  }[];
  readonly excludeSegmentAddresses: boolean;
  /** Only what the file says: Spread applies its default after the hash. */
  readonly acceleratedExplicitly: boolean;
};

/** Spread's hash of a configuration; monitors must send the same one to be answered. */
export function spreadConfigHash(site: HashedSite): number {
  return oneAtATime(terminated(spreadHashText(site)));
}

function spreadHashText(site: HashedSite): string {
  let text = "";
  for (const segment of site.segments) {
    text += `Segment: port = ${segment.port};`;
    if (!site.excludeSegmentAddresses) for (const address of segment.addresses) text += ` [${address}]`;
    text += "\n";
    for (const daemon of segment.daemons) text += `\t'${daemon.name}' [${daemon.address}] [${daemon.id}]\n`;
    text += "\n";
  }
  return `${text}Version: 5\nProtocol: ${site.acceleratedExplicitly ? "Accelerated" : "Original"} Ring\n`;
}

/** A hash of arbitrary text, for configurations of ours. */
export function textHash(text: string): number {
  return oneAtATime(terminated(text));
}

/** UTF-8 with the NUL that C strings end in; it is part of what Spread hashes. */
function terminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
