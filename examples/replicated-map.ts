// In a project of your own: import ... from "amalgam";
import { type Connection, type Group, GroupError } from "../src/index.ts";
import { MapReplica } from "./map-replica.ts";

/** A map that all members of a group have: writes take effect everywhere in the same order. */
export class ReplicatedMap implements AsyncDisposable {
  readonly #group: Group;
  readonly #replica: MapReplica;
  readonly #writing = new Map<string, (effective: boolean) => void>();
  readonly #id: string;
  #writes = 0;
  #changed: (() => void)[] = [];
  /** Settles when the membership has ended. */
  readonly ended: Promise<void>;

  private constructor(group: Group, id: string) {
    this.#group = group;
    this.#id = id;
    this.#replica = new MapReplica({
      // Whoever could not send it is not connected, and goes through another view when it is again.
      send: (note) => void group.send(note).catch(() => {}),
      written: (write, effective) => {
        this.#writing.get(write)?.(effective);
        this.#writing.delete(write);
      },
    });
    this.ended = this.#run();
  }

  /** Joins the group that holds the map. Resolves when this copy has its state. */
  static async open(connection: Connection, name: string): Promise<ReplicatedMap> {
    const group = await connection.join(name);
    const map = new ReplicatedMap(group, connection.privateGroup);
    await map.until(() => map.#replica.isComplete);
    return map;
  }

  get members(): readonly string[] {
    return this.#group.view?.members ?? [];
  }

  get(key: string): string | undefined {
    return this.#replica.entries.get(key);
  }

  entries(): [string, string][] {
    return [...this.#replica.entries].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /**
   * Writes, or deletes if there is no value. Resolves when this copy has it: true, or false if this side of a split may
   * not write.
   */
  async set(key: string, value: string | undefined): Promise<boolean> {
    const id = `${this.#id} ${++this.#writes}`;
    const written = new Promise<boolean>((resolve) => this.#writing.set(id, resolve));
    await this.#group.send(MapReplica.write(id, key, value));
    return written;
  }

  /** Resolves as soon as the condition holds after an event of the group. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group.leave();
    await this.ended;
  }

  async #run(): Promise<void> {
    try {
      for await (const event of this.#group) {
        this.#replica.receive(event);
        const changed = this.#changed;
        this.#changed = [];
        for (const resolve of changed) resolve();
      }
    } catch (error) {
      if (!(error instanceof GroupError)) throw error;
    }
    for (const resolve of this.#writing.values()) resolve(false);
  }
}
