import { createSocket, type Socket } from "node:dgram";
import { Random } from "../../src/base/random.ts";
import { TurnClock } from "../../src/host/clock.ts";
import { EmulatedWay, type WayConditions, type WayStatistics } from "./emulated-way.ts";

/** Where a datagram comes out of the link. */
export type LinkExit = { readonly address: string; readonly port: number };

export type Direction = "there" | "back";

const BUFFER_BYTES = 4 * 1024 * 1024;

/** Addresses are numbers already. */
const numericLookup = (
  address: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void => callback(null, address, 4);

/**
 * A link between two sites, emulated in user space on real sockets (IPv4): whoever sends to one of its entrances sends through the link's way
 * to what is behind it. All entrances of a direction share one way, so a site of many daemons has one bottleneck. The two directions
 * know nothing of each other. Timers of this process are a millisecond late at most when it has nothing else to do, so it belongs
 * into one of its own where figures matter (`emulator-process.ts`).
 */
export class EmulatedLink {
  readonly #clock = new TurnClock();
  readonly #ways: Readonly<Record<Direction, EmulatedWay<LinkExit>>>;
  readonly #entrances: Socket[] = [];
  readonly #exit: Socket;

  private constructor(conditions: Readonly<Record<Direction, WayConditions>>, seed: number, exit: Socket) {
    this.#exit = exit;
    const random = new Random(seed);
    const deliver = (bytes: Uint8Array, { address, port }: LinkExit): void => {
      // A failure is a loss, as it would be on the way.
      this.#exit.send(bytes, port, address, () => undefined);
    };
    this.#ways = {
      there: new EmulatedWay(conditions.there, random.fork(), deliver),
      back: new EmulatedWay(conditions.back, random.fork(), deliver),
    };
    this.#clock.drive({ run: () => this.#run() });
  }

  /** A link with the same conditions both ways, until `set` says otherwise. */
  static async open(conditions: WayConditions, seed = 1): Promise<EmulatedLink> {
    const exit = await bound("127.0.0.1");
    return new EmulatedLink({ there: conditions, back: conditions }, seed, exit);
  }

  /** Opens an entrance, and says its port at 127.0.0.1: what is sent there goes in that direction and comes out at `exit`. */
  async enter(direction: Direction, exit: LinkExit, port = 0): Promise<number> {
    const socket = await bound("127.0.0.1", port);
    this.#entrances.push(socket);
    socket.on("message", (bytes) => {
      this.#ways[direction].offer(bytes, exit, this.#clock.now());
      this.#wake();
    });
    return socket.address().port;
  }

  set(conditions: WayConditions, directions: readonly Direction[] = ["there", "back"]): void {
    for (const direction of directions) this.#ways[direction].set(conditions);
  }

  /** Cuts the link, or one direction of it. What is under way is lost. */
  cut(directions: readonly Direction[] = ["there", "back"]): void {
    for (const direction of directions) this.#ways[direction].setUp(false);
  }

  mend(directions: readonly Direction[] = ["there", "back"]): void {
    for (const direction of directions) this.#ways[direction].setUp(true);
  }

  statistics(direction: Direction): WayStatistics {
    return { ...this.#ways[direction].statistics };
  }

  async close(): Promise<void> {
    this.#clock.stop();
    const sockets = [this.#exit, ...this.#entrances.splice(0)];
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }

  #run(): void {
    const now = this.#clock.now();
    this.#ways.there.tick(now);
    this.#ways.back.tick(now);
    this.#wake();
  }

  #wake(): void {
    this.#clock.wakeAt(Math.min(this.#ways.there.deadline, this.#ways.back.deadline));
  }
}

function bound(address: string, port = 0): Promise<Socket> {
  const socket = createSocket({ type: "udp4", lookup: numericLookup });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off("error", reject);
      // A port behind the link that is not open yet answers so.
      socket.on("error", () => undefined);
      socket.setRecvBufferSize(BUFFER_BYTES);
      socket.setSendBufferSize(BUFFER_BYTES);
      resolve(socket);
    });
  });
}
