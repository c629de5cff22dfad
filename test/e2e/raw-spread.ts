import { connect, type Socket } from "node:net";
import { until } from "./until.ts";

const NAME = 32;
const HEADER = 48;

/** A frame as it came, read by hand: nothing of our own codecs is used here. */
export type RawFrame = {
  readonly type: number;
  readonly sender: string;
  readonly groups: readonly string[];
  /** The sender's own number, and whether it was written big endian. */
  readonly messageType: number;
  readonly bigEndianHint: boolean;
  readonly data: Buffer;
};

/** A Spread client as the Java library is one: bytes by hand, integers big endian. */
export class RawSpreadClient {
  readonly frames: RawFrame[] = [];
  privateGroup = "";
  ended = false;
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #greeted = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#parse();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.ended = true;
    });
  }

  /** Greets as version 4.4.0, wants memberships, chooses NULL. Hello and choice go out as the Java client sends them. */
  static async connect(port: number, name: string): Promise<RawSpreadClient> {
    const client = new RawSpreadClient(connect(port, "127.0.0.1"));
    client.#socket.write(Buffer.from([4, 4, 0, 0x01, name.length, ...Buffer.from(name)]));
    const choice = Buffer.alloc(90);
    choice.write("NULL");
    await until("the methods arrive", () => client.#bytes.length >= 1 + (client.#bytes[0] ?? 255));
    client.#bytes = client.#bytes.subarray(1 + (client.#bytes[0] as number));
    client.#socket.write(choice);
    await until("the verdict arrives", () => client.#bytes.length >= 5 + (client.#bytes[4] ?? 255));
    const length = client.#bytes[4] as number;
    client.privateGroup = client.#bytes.toString("latin1", 5, 5 + length);
    client.#bytes = client.#bytes.subarray(5 + length);
    client.#greeted = true;
    client.#parse();
    return client;
  }

  /** Writes a frame, big endian throughout. */
  send(type: number, groups: readonly string[], messageType = 0, data: Uint8Array = Buffer.alloc(0)): void {
    const frame = Buffer.alloc(HEADER + groups.length * NAME + data.length);
    frame.writeUInt32BE(type, 0);
    frame.write(this.privateGroup, 4, "latin1");
    frame.writeInt32BE(groups.length, 36);
    frame.writeUInt32BE(messageType << 8, 40);
    frame.writeInt32BE(data.length, 44);
    for (const [i, group] of groups.entries()) frame.write(group, HEADER + i * NAME, "latin1");
    frame.set(data, HEADER + groups.length * NAME);
    // In two parts, as a network may deliver it.
    this.#socket.write(frame.subarray(0, 30));
    this.#socket.write(frame.subarray(30));
  }

  /** Reads nothing more, without closing. */
  deafen(): void {
    this.#socket.pause();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The daemon writes little endian on all machines. */
  #parse(): void {
    while (this.#greeted && this.#bytes.length >= HEADER) {
      const groupCount = this.#bytes.readInt32LE(36);
      const dataLength = this.#bytes.readInt32LE(44);
      const end = HEADER + groupCount * NAME + dataLength;
      if (this.#bytes.length < end) return;
      const frame = this.#bytes.subarray(0, end);
      this.#bytes = this.#bytes.subarray(end);
      const bigEndianHint = ((frame[40] as number) & 0x80) === 0;
      const hint = bigEndianHint ? frame.readUInt32BE(40) : frame.readUInt32LE(40);
      this.frames.push({
        type: (frame.readUInt32LE(0) & ~0x80000080) >>> 0,
        sender: name(frame, 4),
        groups: Array.from({ length: groupCount }, (_, i) => name(frame, HEADER + i * NAME)),
        messageType: (hint >> 8) & 0xffff,
        bigEndianHint,
        data: frame.subarray(HEADER + groupCount * NAME),
      });
    }
  }
}

function name(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString("latin1", at, Math.min(end < 0 ? at + NAME : end, at + NAME));
}
