import type { Random } from "../base/random.ts";
import type { Connection } from "../client/connection.ts";
import { GroupError } from "../client/errors.ts";
import type { Group } from "../client/group.ts";
import { SERVICES } from "../ordering/service.ts";
import type { SentMessage, SessionLog } from "./check/client-logs.ts";
import type { ProgramEnvironment } from "./cluster.ts";

const GROUPS = ["red", "green", "blue"] as const;

/** What a client of the workload is like. */
export type ClientPlan = {
  readonly name: string;
  readonly daemons: readonly number[];
  readonly protocol: "native" | "spread";
  /** Mean time between two of its actions. */
  readonly pauseMs: number;
  /** From then on it only watches. */
  readonly untilMs: number;
};

/** A client that connects, joins, leaves, sends and disconnects as chance has it, and logs what it sees. */
export class StackClient {
  readonly plan: ClientPlan;
  readonly logs: SessionLog[] = [];
  readonly #environment: ProgramEnvironment;
  readonly #random: Random;
  readonly #groups = new Map<string, Group>();
  #sessions = 0;
  #messages = 0;

  constructor(plan: ClientPlan, environment: ProgramEnvironment) {
    this.plan = plan;
    this.#environment = environment;
    this.#random = environment.random;
  }

  /** The groups that the present session wants to be in, and joined. */
  get groups(): readonly string[] {
    return [...this.#groups.keys()];
  }

  async run(): Promise<void> {
    for (;;) {
      const session = ++this.#sessions;
      try {
        await this.#session(session);
      } catch (error) {
        if (!(error instanceof GroupError)) throw error;
        await this.#environment.sleep(20);
      }
      this.#groups.clear();
    }
  }

  async #session(session: number): Promise<void> {
    const { name, daemons, protocol } = this.plan;
    const connection = await this.#environment.connect(daemons, {
      name: `${name}s${session}`,
      protocol,
      handshakeMs: 300,
      silenceMs: 100,
      reconnect: { delayMs: 5, delayMaxMs: 50, giveUpMs: 1_000 },
    });
    const log: SessionLog = { name: `${name}s${session}`, events: [], sent: [], hasEnded: false, wasKilled: false };
    this.logs.push(log);
    const reading = this.#read(connection, log);
    const acting = this.#act(connection, log);
    await connection.closed;
    log.hasEnded = true;
    await Promise.all([reading, acting]);
  }

  async #read(connection: Connection, log: SessionLog): Promise<void> {
    try {
      for await (const event of connection) {
        if (event.kind === "disconnected" || (event.kind === "reconnected" && event.resumed)) continue;
        if (event.kind === "reconnected") markResent(log);
        log.events.push(event);
        if (event.kind === "left") this.#groups.delete(event.group);
      }
    } catch (error) {
      if (!(error instanceof GroupError)) throw error;
    }
  }

  async #act(connection: Connection, log: SessionLog): Promise<void> {
    const random = this.#random;
    const { pauseMs, untilMs } = this.plan;
    while (this.#environment.now() < untilMs && !log.hasEnded) {
      const action = random.unit();
      const group = random.pick(GROUPS);
      if (action < 0.02) await this.#close(connection);
      else if (action < 0.12 && this.#groups.has(group)) await this.#leave(group);
      else if (action < 0.3 && !this.#groups.has(group)) void this.#join(connection, group);
      else this.#send(connection, log, group);
      await this.#environment.sleep(-Math.log(1 - random.unit()) * pauseMs);
    }
  }

  /** From here on it may be cut off and hear of no view, while it waits for the daemon to close. */
  async #close(connection: Connection): Promise<void> {
    this.#groups.clear();
    await connection.close();
  }

  async #join(connection: Connection, name: string): Promise<void> {
    try {
      this.#groups.set(name, await connection.join(name));
    } catch (error) {
      if (!(error instanceof GroupError)) throw error;
    }
  }

  async #leave(name: string): Promise<void> {
    const group = this.#groups.get(name);
    this.#groups.delete(name);
    await group?.leave();
  }

  #send(connection: Connection, log: SessionLog, group: string): void {
    const random = this.#random;
    for (let i = random.chance(0.2) ? random.integer(2, 6) : 1; i > 0; i--) {
      const key = `${log.name}/${++this.#messages}`;
      const payload = new Uint8Array(key.length + 1 + (random.chance(0.1) ? random.integer(2_000, 40_000) : 20));
      payload.set(new TextEncoder().encode(key));
      const groups = random.chance(0.2) ? [group, "white"] : [group];
      const service = random.pick(SERVICES);
      const message: SentMessage = {
        key,
        groups,
        service,
        asMember: this.#groups.has(group),
        outcome: "pending",
        wasResent: false,
      };
      log.sent.push(message);
      void this.#follow(message, () => connection.send(groups, payload, { service }));
    }
  }

  async #follow(message: SentMessage, send: () => ReturnType<Connection["send"]>): Promise<void> {
    try {
      const receipt = await send();
      message.outcome = "accepted";
      await receipt.delivered;
      message.outcome = "delivered";
    } catch (error) {
      if (!(error instanceof GroupError)) throw error;
      message.outcome = "failed";
    }
  }
}

/** Whatever was not known to be ordered is sent again in the new session. */
function markResent({ sent }: SessionLog): void {
  for (const message of sent) {
    if (message.outcome === "pending" || message.outcome === "accepted") message.wasResent = true;
  }
}
