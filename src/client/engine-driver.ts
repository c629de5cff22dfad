import type { Transport } from "./byte-stream.ts";
import type { Engine } from "./engine.ts";

/** What waits to be written goes out within the turn when it is this much, so that the daemon works on it meanwhile. */
const PUMP_BYTES = 64 * 1024;

/** Runs the steps of a connection's engine: keeps its alarm, and puts off what can be done once a turn for all that a turn brings. */
export class EngineDriver {
  readonly #transport: Transport;
  readonly #engine: Engine;
  readonly #stepped: () => void;
  #alarm: { readonly at: number; readonly isAwaited: boolean; readonly cancel: () => void } | undefined;
  #isPumping = false;
  #bytesToPump = 0;
  #isAcknowledging = false;

  /** `stepped` is called after each step of the engine. */
  constructor(transport: Transport, engine: Engine, stepped: () => void) {
    this.#transport = transport;
    this.#engine = engine;
    this.#stepped = stepped;
  }

  /** Runs a step of the engine and keeps its alarm. */
  enter(step: () => void): void {
    step();
    this.#stepped();
    if (this.#engine.isEnded) return;
    const at = this.#engine.deadline;
    const isAwaited = this.#engine.isWaiting;
    if (this.#alarm && this.#alarm.at <= at && this.#alarm.isAwaited === isAwaited) return;
    this.stop();
    if (at === Number.POSITIVE_INFINITY) return;
    const ring = (): void => {
      this.#alarm = undefined;
      this.enter(() => this.#engine.tick(this.#transport.now()));
    };
    this.#alarm = { at, isAwaited, cancel: this.#transport.alarm(at, ring, isAwaited) };
  }

  /** So many payload bytes more are to be written: everything that is sent in one turn of the program goes out in few writes. */
  schedulePump(bytes = 0): void {
    this.#bytesToPump += bytes;
    if (this.#bytesToPump >= PUMP_BYTES) this.#pump();
    if (this.#isPumping) return;
    this.#isPumping = true;
    queueMicrotask(() => {
      this.#isPumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    this.#bytesToPump = 0;
    this.enter(() => this.#engine.pump());
  }

  /** The program has consumed an event. It is acknowledged behind what the turn does, and not within the taking of the event. */
  consumed(bytes: number): void {
    if (!this.#engine.consumed(bytes) || this.#isAcknowledging) return;
    this.#isAcknowledging = true;
    queueMicrotask(() => {
      this.#isAcknowledging = false;
      this.enter(() => this.#engine.acknowledgeConsumed(this.#transport.now()));
    });
  }

  /** No alarm is kept any more. */
  stop(): void {
    this.#alarm?.cancel();
    this.#alarm = undefined;
  }
}
