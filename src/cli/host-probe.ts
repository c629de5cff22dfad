import { createSocket } from "node:dgram";
import { readFile } from "node:fs/promises";
import { deviceOf } from "../host/mtu.ts";

/** The kernel's limit for receive buffers, in bytes; `undefined` where there is no such file. */
export async function receiveBufferLimit(): Promise<number | undefined> {
  const text = await readFile("/proc/sys/net/core/rmem_max", "utf8").catch(() => "");
  const bytes = Number.parseInt(text, 10);
  return Number.isNaN(bytes) ? undefined : bytes;
}

export function isLocal(address: string): boolean {
  return deviceOf(address) !== undefined;
}

const ANSWER_MS = 500;

/** Sends a datagram to a group from an interface, and hears whether it comes back. */
export async function hearsItself(
  group: string,
  from: string,
  family: "ipv4" | "ipv6",
): Promise<{ readonly heard: boolean; readonly error: string | undefined }> {
  const socket = createSocket({ type: family === "ipv4" ? "udp4" : "udp6" });
  try {
    return await new Promise((resolve) => {
      const nonce = `amalgam doctor ${process.pid} ${performance.now()}`;
      const silence = setTimeout(() => resolve({ heard: false, error: undefined }), ANSWER_MS);
      const settle = (result: { heard: boolean; error: string | undefined }) => {
        clearTimeout(silence);
        resolve(result);
      };
      socket.on("error", (error) => settle({ heard: false, error: error.message }));
      socket.on("message", (bytes) => {
        if (bytes.toString() === nonce) settle({ heard: true, error: undefined });
      });
      socket.bind(0, () => {
        try {
          socket.addMembership(group, from);
          socket.setMulticastInterface(from);
          socket.setMulticastLoopback(true);
          socket.send(nonce, socket.address().port, group, (error) => {
            if (error !== null) settle({ heard: false, error: error.message });
          });
        } catch (error) {
          settle({ heard: false, error: error instanceof Error ? error.message : String(error) });
        }
      });
    });
  } finally {
    socket.close();
  }
}
