import { createSocket, type Socket } from "node:dgram";
import { Random } from "../../src/base/random.ts";
import { TurnClock } from "../../src/host/clock.ts";
import { DatagramSender, type Segmentation } from "../../src/host/datagram-sender.ts";
import { chooseDatagrams } from "../../src/host/datagrams.ts";
import type { NativeUdp } from "../../src/host/native-udp.ts";
import { NEVER } from "../../src/machine/machine.ts";
import { packetBytes } from "../../src/wire/prefix.ts";
import { EmulatedWay, type WayConditions, type WayStatistics } from "./emulated-way.ts";

/** Where a datagram comes out of the link; one object for each place. */
export type LinkExit = { readonly address: string; readonly port: number };

export type Direction = "there" | "back";

const BUFFER_BYTES = 4 * 1024 * 1024;
/** While something passes, the sockets are looked at this often at least … */
const LOOK_MS = 1;
/** … until nothing has come for so long. */
const QUIET_MS = 100;
/** What a look finds has come since the last one, but no longer ago than this. */
const AWAY_MS_MAX = 100;
/** Datagrams up to this length leave many at a time where the kernel can. */
const SEGMENT_BYTES = 1_400;

/** Addresses are numbers already. */
const numericLookup = (
  address: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void => callback(null, address, 4);

/**
 * A link between two sites, emulated in user space on real sockets (IPv4): whoever sends to one of its entrances sends through the link's way
 * to what is behind it. All entrances of a direction share one way, so a site of many daemons has one bottleneck. The two directions
 * know nothing of each other. Where the kernel can, datagrams come and leave many at a time, which is how a process keeps up with several links of
 * 100 Mbit/s; those of daemons are then told apart by the length that they say. Timers of this process are a millisecond late at most when it has nothing else to do, so it belongs
 * into one of its own where figures matter (`emulator-process.ts`).
 *
 * A link works on while this process waits for a processor. So what is found at a look has not come at that moment, but evenly spread since the last look:
 * otherwise the bottleneck would stand still in each such pause, and its queue would get at once what has come in all of it.
 */
export class EmulatedLink {
  readonly #clock = new TurnClock();
  readonly #ways: Readonly<Record<Direction, EmulatedWay<LinkExit>>>;
  readonly #native: NativeUdp | undefined;
  readonly #entrances: Socket[] = [];
  readonly #exit: Bound;
  readonly #sender: DatagramSender;
  /** Since the last look. */
  readonly #come: Readonly<Record<Direction, { bytes: Uint8Array; exit: LinkExit }[]>> = { there: [], back: [] };
  #lookedAt = Number.NEGATIVE_INFINITY;
  #cameAt = Number.NEGATIVE_INFINITY;

  private constructor(conditions: WayConditions, seed: number, exit: Bound, native: NativeUdp | undefined) {
    this.#exit = exit;
    this.#native = native;
    const random = new Random(seed);
    const { fd } = exit;
    const segmentation: Segmentation | undefined =
      native === undefined || fd === undefined
        ? undefined
        : { segmentBytes: SEGMENT_BYTES, set: (bytes) => native.setSegmentBytes(fd, bytes), refused: () => undefined };
    // A failure is a loss, as it would be on the way.
    const sent = {
      packetsSent: 0,
      bytesSent: 0,
      batchesSent: 0,
      sendErrors: 0,
      lastSendError: undefined,
      sendDropped: 0,
    };
    this.#sender = new DatagramSender(exit.socket, sent, segmentation);
    const deliver = (bytes: Uint8Array, to: LinkExit): void => this.#sender.send(bytes, to);
    this.#ways = {
      there: new EmulatedWay(conditions, random.fork(), deliver),
      back: new EmulatedWay(conditions, random.fork(), deliver),
    };
    this.#clock.drive({ run: () => this.#run() });
  }

  /** A link with the same conditions both ways, until `set` says otherwise. */
  static async open(conditions: WayConditions, seed = 1): Promise<EmulatedLink> {
    const { native } = await chooseDatagrams("auto");
    return new EmulatedLink(conditions, seed, await bound(native), native);
  }

  /** Opens an entrance, and says its port at 127.0.0.1: what is sent there goes in that direction and comes out at `exit`. */
  async enter(direction: Direction, exit: LinkExit, port = 0): Promise<number> {
    const { socket } = await bound(this.#native, port);
    this.#entrances.push(socket);
    socket.on("message", (bytes) => {
      // The kernel may have joined packets of one sender.
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(bytes.length, at + (packetBytes(bytes, at) || bytes.length));
        this.#come[direction].push({ bytes: bytes.subarray(at, end), exit });
        at = end;
      }
      this.#clock.schedule();
    });
    return socket.address().port;
  }

  set(conditions: WayConditions, directions: readonly Direction[] = ["there", "back"]): void {
    this.#look(this.#clock.now());
    for (const direction of directions) this.#ways[direction].set(conditions);
  }

  /** Cuts the link, or one direction of it. What is under way is lost. */
  cut(directions: readonly Direction[] = ["there", "back"]): void {
    this.#look(this.#clock.now());
    for (const direction of directions) this.#ways[direction].setUp(false);
  }

  mend(directions: readonly Direction[] = ["there", "back"]): void {
    this.#look(this.#clock.now());
    for (const direction of directions) this.#ways[direction].setUp(true);
  }

  statistics(direction: Direction): WayStatistics {
    return { ...this.#ways[direction].statistics };
  }

  async close(): Promise<void> {
    this.#clock.stop();
    const sockets = [this.#exit.socket, ...this.#entrances.splice(0)];
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }

  #run(): void {
    const now = this.#clock.now();
    this.#look(now);
    this.#ways.there.tick(now);
    this.#ways.back.tick(now);
    this.#sender.flush();
    this.#wake();
  }

  /** Gives the ways what has come since the last look. */
  #look(now: number): void {
    const since = this.#isWatching ? Math.max(this.#lookedAt, now - AWAY_MS_MAX) : now;
    this.#lookedAt = now;
    for (const direction of ["there", "back"] as const) {
      const come = this.#come[direction].splice(0);
      if (come.length > 0) this.#cameAt = now;
      for (const [i, { bytes, exit }] of come.entries()) {
        this.#ways[direction].offer(bytes, exit, since + ((now - since) * (i + 1)) / come.length);
      }
    }
  }

  /** Whether it looks again soon, whatever comes; if not, what comes wakes it. */
  get #isWatching(): boolean {
    return this.#lookedAt < this.#cameAt + QUIET_MS;
  }

  #wake(): void {
    const lookAt = this.#isWatching ? this.#lookedAt + LOOK_MS : NEVER;
    this.#clock.wakeAt(Math.min(this.#ways.there.deadline, this.#ways.back.deadline, lookAt));
  }
}

type Bound = { readonly socket: Socket; readonly fd: number | undefined };

/** A socket at 127.0.0.1; one that joins and cuts if there are native calls. */
async function bound(native: NativeUdp | undefined, port = 0): Promise<Bound> {
  const socket = createSocket({ type: "udp4", lookup: numericLookup });
  const fd = native?.open("ipv4", "127.0.0.1", port, false);
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    const done = (): void => {
      socket.off("error", reject);
      resolve();
    };
    if (native !== undefined && fd !== undefined) {
      native.coalesce(fd);
      socket.bind({ fd, exclusive: true }, done);
    } else {
      socket.bind({ address: "127.0.0.1", port, exclusive: true }, done);
    }
  });
  // A port behind the link that is not open yet answers so.
  socket.on("error", () => undefined);
  socket.setRecvBufferSize(BUFFER_BYTES);
  socket.setSendBufferSize(BUFFER_BYTES);
  return { socket, fd };
}
