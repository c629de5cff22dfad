import { formatAddress } from "../../src/client/address.ts";
import type { ByteStream, StreamListener, Transport } from "../../src/client/byte-stream.ts";

/** The daemon's end of a stream that a client has opened. */
export class FakeStream implements ByteStream {
  readonly address: string;
  readonly #listener: StreamListener;
  readonly #received: Uint8Array[] = [];
  /** What a daemon could send while the client was not reading. */
  #held: Uint8Array[] = [];
  isPaused = false;
  isEnded = false;
  isClosed = false;
  /** Whether a write says that more is taken. */
  takes = true;
  onData: () => void = () => {};

  constructor(address: string, listener: StreamListener) {
    this.address = address;
    this.#listener = listener;
  }

  write(bytes: Uint8Array): boolean {
    this.#received.push(bytes.slice());
    queueMicrotask(() => this.onData());
    return this.takes;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    const held = this.#held;
    this.#held = [];
    for (const bytes of held) this.send(bytes);
  }

  end(): void {
    this.isEnded = true;
    queueMicrotask(() => this.onData());
  }

  destroy(): void {
    this.isClosed = true;
  }

  /** Takes all bytes that the client has written since the last call. */
  take(): Uint8Array {
    const bytes = Uint8Array.from(this.#received.flatMap((piece) => [...piece]));
    this.#received.length = 0;
    return bytes;
  }

  accept(): void {
    this.#listener.opened();
  }

  send(bytes: Uint8Array): void {
    if (this.isClosed) return;
    if (this.isPaused) this.#held.push(bytes);
    else this.#listener.data(bytes);
  }

  close(reason?: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#listener.closed(reason);
  }
}

type Alarm = { readonly at: number; readonly callback: () => void; readonly isAwaited: boolean };

/** A transport whose streams, clock and alarms a test works by hand. */
export class FakeTransport implements Transport {
  readonly streams: FakeStream[] = [];
  /** Decides what happens to a new stream, in the next microtask. */
  onOpen: (stream: FakeStream) => void = () => {};
  #time = 0;
  #alarms: Alarm[] = [];

  open(address: Parameters<Transport["open"]>[0], listener: StreamListener): ByteStream {
    const stream = new FakeStream(formatAddress(address), listener);
    this.streams.push(stream);
    queueMicrotask(() => this.onOpen(stream));
    return stream;
  }

  now(): number {
    return this.#time;
  }

  alarm(at: number, callback: () => void, isAwaited = false): () => void {
    const alarm = { at, callback, isAwaited };
    this.#alarms.push(alarm);
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm);
    };
  }

  /** Whether a process in which nothing else happens would go on. */
  get isAwaited(): boolean {
    return this.#alarms.some(({ isAwaited }) => isAwaited);
  }

  random(): number {
    return 0.5;
  }

  /** Lets time pass, alarm by alarm. */
  async advance(ms: number): Promise<void> {
    const end = this.#time + ms;
    await settle();
    for (;;) {
      const next = this.#alarms.reduce<Alarm | undefined>(
        (least, alarm) => (alarm.at <= end && (least === undefined || alarm.at < least.at) ? alarm : least),
        undefined,
      );
      if (next === undefined) break;
      this.#alarms = this.#alarms.filter((other) => other !== next);
      this.#time = Math.max(this.#time, next.at);
      next.callback();
      await settle();
    }
    this.#time = end;
  }
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
