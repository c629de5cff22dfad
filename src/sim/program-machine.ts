import { NEVER } from "../machine/machine.ts";
import type { NodeApplication, NodeSeat, NodeWorld } from "../client/scalable/node-world.ts";
import { type NodeMachine, ProgramNode } from "./program-node.ts";
import type { SimChannel, SimProcess } from "./sim-process.ts";

/** Of the three sockets of a node: each machine has one address, and nobody else on it. */
const PORTS = { controlPort: 1, repairPort: 2, dataPort: 3 } as const;

/**
 * A program's machine: all it does it does when its connections or alarms call, but for what its node does, if it is in a scalable or timely group. Such
 * a machine has room for one node, and so for one connection with such groups.
 */
export class ProgramMachine implements SimProcess, NodeWorld {
  readonly #host: string;
  readonly #machine: NodeMachine;
  /** Code of the program is about to be called. */
  readonly #stir: () => void;
  readonly #listening = new Set<number>();
  #isTaken = false;
  #node: ProgramNode | undefined;

  constructor(host: string, machine: NodeMachine, stir: () => void) {
    this.#host = host;
    this.#machine = {
      ...machine,
      listen: (address) => {
        this.#listening.add(address);
        machine.listen(address);
      },
      unlisten: (address) => {
        this.#listening.delete(address);
        machine.unlisten(address);
      },
    };
    this.#stir = stir;
  }

  get deadline(): number {
    return this.#node?.deadline ?? NEVER;
  }

  tick(now: number): void {
    this.#node?.tick(now);
  }

  receive(channel: SimChannel, bytes: Uint8Array, now: number): void {
    this.#node?.receive(channel, bytes, now);
  }

  async seat(): Promise<NodeSeat> {
    if (this.#isTaken) {
      throw new RangeError(
        "another connection of this program is in such a group: a simulated program has one node, so use that connection",
      );
    }
    this.#isTaken = true;
    return {
      address: { host: this.#host, ...PORTS },
      begin: (setup, dissemination, application) => {
        this.#node = new ProgramNode(setup, dissemination, stirring(application, this.#stir), this.#machine);
        return this.#node;
      },
      disseminate: (dissemination) => this.#node?.disseminate(dissemination),
      close: async () => {
        this.#node?.end();
        this.#node = undefined;
        for (const address of this.#listening) this.#machine.unlisten(address);
        this.#isTaken = false;
      },
    };
  }
}

/** The same, and what is told says before that promises of the program may go on. */
function stirring(application: NodeApplication, stir: () => void): NodeApplication {
  const told = <T extends object>(verbs: T): T => {
    const stirred = Object.entries(verbs).map(([name, verb]) => {
      if (typeof verb !== "function") return [name, told(verb as object)] as const;
      const call = (...args: unknown[]): unknown => {
        stir();
        return (verb as (...given: unknown[]) => unknown)(...args);
      };
      return [name, call] as const;
    });
    return Object.fromEntries(stirred) as T;
  };
  return told(application);
}
