import type { Transport } from "./byte-stream.ts";
import type { Engine } from "./engine.ts";

/** Runs the steps of a connection's engine: keeps its alarm, and puts off what can be done once a turn for all that a turn brings. */
export class EngineDriver {
  readonly #transport: Transport;
  readonly #engine: Engine;
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined;
  #isPumping = false;
  #isLooking = false;

  constructor(transport: Transport, engine: Engine) {
    this.#transport = transport;
    this.#engine = engine;
  }

  /** Runs a step of the engine and keeps its alarm. */
  enter(step: () => void): void {
    step();
    if (this.#engine.isEnded) return;
    const at = this.#engine.deadline;
    if (this.#alarm && this.#alarm.at <= at) return;
    this.stop();
    if (at === Number.POSITIVE_INFINITY) return;
    const cancel = this.#transport.alarm(at, () => {
      this.#alarm = undefined;
      this.enter(() => this.#engine.tick(this.#transport.now()));
    });
    this.#alarm = { at, cancel };
  }

  /** Everything that is sent in one turn of the program goes out in few writes. */
  schedulePump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    queueMicrotask(() => {
      this.#isPumping = false;
      this.enter(() => this.#engine.pump());
    });
  }

  /** The program has consumed an event: the engine is asked for its alarm once per turn, not once per event. */
  consumed(bytes: number): void {
    this.#engine.consumed(bytes, this.#transport.now());
    if (this.#isLooking) return;
    this.#isLooking = true;
    queueMicrotask(() => {
      this.#isLooking = false;
      this.enter(() => {});
    });
  }

  /** No alarm is kept any more. */
  stop(): void {
    this.#alarm?.cancel();
    this.#alarm = undefined;
  }
}
