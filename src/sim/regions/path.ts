import type { World } from "../world.ts";

/** How long what goes between a node and the membership service is under way, in ms. */
export type PathModel = { readonly delayMs: number; readonly jitterMs: number };

/**
 * What joins one life of a machine with the membership service: reliable and in order both ways, as a session over a daemon is. Its daemon
 * can fail: then nothing passes until the machine has found another one, and goes on without loss.
 */
export class Path {
  readonly #world: World;
  readonly #machine: number;
  readonly #incarnation: number;
  readonly #model: PathModel;
  #interruptedUntil = 0;
  #lagUntil = 0;
  #lagMs = 0;
  #lastDown = 0;
  #lastUp = 0;

  constructor(world: World, machine: number, incarnation: number, model: PathModel) {
    this.#world = world;
    this.#machine = machine;
    this.#incarnation = incarnation;
    this.#model = model;
  }

  /** The machine's daemon fails: nothing passes for so long, either way. */
  interrupt(forMs: number): void {
    this.#interruptedUntil = Math.max(this.#interruptedUntil, this.#world.now + forMs);
  }

  /** Everything towards the machine takes so much longer for a while. */
  lag(byMs: number, forMs: number): void {
    this.#lagMs = byMs;
    this.#lagUntil = this.#world.now + forMs;
  }

  /** To the machine: `action` runs there with its clock as soon as its processor is free, unless it has ended. */
  down(action: (now: number) => void): void {
    const lag = this.#world.now < this.#lagUntil ? this.#lagMs : 0;
    this.#lastDown = this.#arrival(this.#lastDown, lag);
    this.#world.at(this.#lastDown, () => this.#world.node(this.#machine).run(this.#incarnation, action));
  }

  /** From the machine. */
  up(action: () => void): void {
    this.#lastUp = this.#arrival(this.#lastUp, 0);
    this.#world.at(this.#lastUp, action);
  }

  #arrival(last: number, lag: number): number {
    const { delayMs, jitterMs } = this.#model;
    const sentAt = Math.max(this.#world.now, this.#interruptedUntil);
    return Math.max(last, sentAt + delayMs + lag + this.#world.random.unit() * jitterMs);
  }
}
