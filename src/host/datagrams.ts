import { createSocket, type Socket } from "node:dgram";
import { type NativeUdp, nativeUdp } from "./native-udp.ts";

/** How datagrams pass between this process and the kernel (docs/adr/0010-offloaded-datagrams.md). */
export type DatagramPath = "portable" | "offload";

export type DatagramChoice = {
  readonly path: DatagramPath;
  /** Why, for people. */
  readonly because: string;
  /** With the offloaded path. */
  readonly native: NativeUdp | undefined;
};

const TRIAL_MS = 1_000;
const TRIAL_SEGMENT_BYTES = 1_000;
const TRIAL_BYTES = 2 * TRIAL_SEGMENT_BYTES + 500;

/**
 * Chooses the path for sockets at these addresses by trying: three segments in one call over the loopback. Never
 * rejects; who has asked for `offload` has to look at what came of it.
 */
export async function chooseDatagrams(
  wanted: DatagramPath | "auto",
  addresses: readonly string[] = [],
): Promise<DatagramChoice> {
  if (wanted === "portable") return { path: "portable", because: "AMALGAM_DATAGRAMS says so", native: undefined };
  const special = addresses.find((address) => /%|:.*\./.test(address));
  if (special !== undefined) {
    return {
      path: "portable",
      because: `the address ${special} has a zone, or is of both families`,
      native: undefined,
    };
  }
  try {
    const native = nativeUdp();
    await tryOut(native);
    const because = wanted === "offload" ? "AMALGAM_DATAGRAMS says so" : "the kernel cuts and joins datagrams";
    return { path: "offload", because, native };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const because = code === "MODULE_NOT_FOUND" ? "the optional package koffi is not installed" : message;
    return { path: "portable", because, native: undefined };
  }
}

/** The value of AMALGAM_DATAGRAMS; throws a `RangeError` with the code DATAGRAMS for anything else than its three values. */
export function wantedDatagrams(value: string | undefined): DatagramPath | "auto" {
  if (value === undefined || value === "" || value === "auto") return "auto";
  if (value === "portable" || value === "offload") return value;
  const message = `AMALGAM_DATAGRAMS is ${JSON.stringify(value)}; it may be portable, offload or auto`;
  throw Object.assign(new RangeError(message), { code: "DATAGRAMS" });
}

/** Rejects unless the kernel cuts what is sent and joins what is received. */
async function tryOut(native: NativeUdp): Promise<void> {
  const sender = adopt(native, native.open("ipv4", "127.0.0.1", 0, false), (fd) =>
    native.setSegmentBytes(fd, TRIAL_SEGMENT_BYTES),
  );
  try {
    const receiver = adopt(native, native.open("ipv4", "127.0.0.1", 0, false), (fd) => native.coalesce(fd));
    try {
      const arrived = new Promise<void>((resolve, reject) => {
        let bytes = 0;
        const timer = setTimeout(() => reject(new Error("a batch over the loopback did not arrive")), TRIAL_MS);
        receiver.on("message", (part) => {
          bytes += part.length;
          if (bytes < TRIAL_BYTES) return;
          clearTimeout(timer);
          resolve();
        });
      });
      const sent = new Promise<void>((resolve, reject) => {
        sender.send(new Uint8Array(TRIAL_BYTES), receiver.address().port, "127.0.0.1", (error) =>
          error === null ? resolve() : reject(error),
        );
      });
      await Promise.all([sent, arrived]);
    } finally {
      receiver.close();
    }
  } finally {
    sender.close();
  }
}

/** A socket of Node's for a descriptor that is ours until then; closed if it cannot be had. */
function adopt(native: NativeUdp, fd: number, configure: (fd: number) => void): Socket {
  const socket = createSocket("udp4");
  try {
    configure(fd);
    // Takes the descriptor at once, and is bound already.
    socket.bind({ fd, exclusive: true });
  } catch (error) {
    native.close(fd);
    throw error;
  }
  return socket;
}
