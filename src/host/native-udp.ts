import { getSystemErrorName } from "node:util";
import { cLibrary } from "./c-library.ts";

/** The calls of the C library that Node has none of its own for. */
export type NativeUdp = {
  /**
   * A bound UDP socket that is not inherited by children; throws what `bind` of `node:dgram` would report. The address is
   * numeric, without a zone.
   */
  open(family: "ipv4" | "ipv6", address: string, port: number, shared: boolean): number;
  /** The kernel cuts what is sent into datagrams of so many bytes, the last may be shorter; 0: it does not. */
  setSegmentBytes(fd: number, segmentBytes: number): void;
  /** The kernel hands over runs of equally long datagrams (the last may be shorter) of one sender as one. */
  coalesce(fd: number): void;
  close(fd: number): void;
};

// Linux, all architectures that Node runs on (include/uapi/linux/udp.h, in.h, asm-generic/socket.h).
const AF = { ipv4: 2, ipv6: 10 } as const;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2_000_000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;

/**
 * The native calls, through the optional dependency `koffi`; throws where it is not installed, or the platform is not
 * Linux.
 */
export function nativeUdp(): NativeUdp {
  if (process.platform !== "linux") throw new Error(`${process.platform} has no segmentation offload for UDP`);
  const library = cLibrary();
  const socket = library.func("int socket(int, int, int)");
  const closeFd = library.func("int close(int)");
  const bind = library.func("int bind(int, const uint8_t *, uint32_t)");
  const setsockopt = library.func("int setsockopt(int, int, int, const uint8_t *, uint32_t)");
  const failure = (call: string, where = ""): NodeJS.ErrnoException => {
    const errno = -library.errno();
    const code = getSystemErrorName(errno);
    return Object.assign(new Error(`${call} ${code}${where}`), { code, errno, syscall: call });
  };
  const set = (fd: number, level: number, option: number, value: number): void => {
    const bytes = new Uint8Array(Int32Array.of(value).buffer);
    if (setsockopt(fd, level, option, bytes, bytes.length) !== 0) throw failure("setsockopt");
  };
  return {
    open(family, address, port, shared) {
      const fd = socket(AF[family], SOCK_DGRAM | SOCK_CLOEXEC, 0);
      if (fd < 0) throw failure("socket");
      try {
        if (shared) set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        const name = socketName(family, address, port);
        if (bind(fd, name, name.length) !== 0) throw failure("bind", ` ${address}:${port}`);
      } catch (error) {
        closeFd(fd);
        throw error;
      }
      return fd;
    },
    setSegmentBytes: (fd, segmentBytes) => set(fd, SOL_UDP, UDP_SEGMENT, segmentBytes),
    coalesce: (fd) => set(fd, SOL_UDP, UDP_GRO, 1),
    close: (fd) => void closeFd(fd),
  };
}

/** A `sockaddr_in` or `sockaddr_in6`. */
function socketName(family: "ipv4" | "ipv6", address: string, port: number): Uint8Array {
  const name = new Uint8Array(family === "ipv4" ? 16 : 28);
  new Uint16Array(name.buffer, 0, 1)[0] = AF[family];
  name[2] = port >>> 8;
  name[3] = port;
  if (family === "ipv4") {
    name.set(address.split(".").map(Number), 4);
    return name;
  }
  const [head = "", tail] = address.split("::");
  const words = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16));
  const front = words(head);
  const back = tail === undefined ? [] : words(tail);
  const all = [...front, ...Array.from<number>({ length: 8 - front.length - back.length }).fill(0), ...back];
  for (const [i, word] of all.entries()) {
    name[8 + 2 * i] = word >>> 8;
    name[9 + 2 * i] = word;
  }
  return name;
}
