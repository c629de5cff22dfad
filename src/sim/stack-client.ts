import type { Connection } from "../client/connection.ts";
import { GroupError } from "../client/errors.ts";
import type { Group } from "../client/group.ts";
import type { SentMessage, SessionLog } from "./check/client-logs.ts";
import type { PlannedAct, PlannedClient } from "./client-plan.ts";
import type { ProgramEnvironment } from "./cluster.ts";

type Session = { readonly connection: Connection; readonly log: SessionLog };

/** A client that does what its plan says, stays connected as far as it can, and logs what it sees. */
export class StackClient {
  readonly plan: PlannedClient;
  readonly logs: SessionLog[] = [];
  readonly #environment: ProgramEnvironment;
  readonly #groups = new Map<string, Group>();
  /** The present session, if it is not about to close. */
  #session: Session | undefined;
  /** The time of the next act has come, or there is none. */
  #isDue: Promise<void> = Promise.resolve();
  #messages = 0;
  /** Rejects with an error that no outcome of a request explains. */
  readonly #failed: Promise<never>;
  #fail!: (error: unknown) => void;

  constructor(plan: PlannedClient, environment: ProgramEnvironment) {
    this.plan = plan;
    this.#environment = environment;
    this.#failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
  }

  /** The groups that the present session wants to be in, and joined. */
  get groups(): readonly string[] {
    return [...this.#groups.keys()];
  }

  async run(): Promise<void> {
    await Promise.race([this.#failed, Promise.all([this.#perform(), this.#stayConnected()])]);
  }

  async #stayConnected(): Promise<void> {
    for (let session = 1; ; session++) {
      try {
        await this.#connect(`${this.plan.name}s${session}`);
      } catch (error) {
        if (!(error instanceof GroupError)) throw error;
        await this.#environment.sleep(20);
      }
      this.#groups.clear();
    }
  }

  async #connect(name: string): Promise<void> {
    const connection = await this.#environment.connect([this.plan.beside], {
      name,
      protocol: this.plan.protocol,
      handshakeMs: 300,
      silenceMs: 100,
      reconnect: { delayMs: 5, delayMaxMs: 50, giveUpMs: 1_000 },
    });
    const log: SessionLog = { name, events: [], sent: [], hasEnded: false, wasKilled: false };
    this.logs.push(log);
    this.#session = { connection, log };
    const reading = this.#read(connection, log);
    this.#follow(reading);
    await connection.closed;
    log.hasEnded = true;
    this.#session = undefined;
    await Promise.all([reading, this.#isDue]);
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

  async #perform(): Promise<void> {
    for (const act of this.plan.acts) {
      const delayMs = act.at - this.#environment.now();
      if (delayMs > 0) {
        this.#isDue = this.#environment.sleep(delayMs);
        await this.#isDue;
      }
      if (this.#session !== undefined) this.#act(act, this.#session);
    }
  }

  #act(act: PlannedAct, session: Session): void {
    switch (act.kind) {
      case "join":
        if (!this.#groups.has(act.group)) this.#follow(this.#join(session.connection, act.group));
        break;
      case "leave": {
        const group = this.#groups.get(act.group);
        this.#groups.delete(act.group);
        if (group !== undefined) this.#follow(group.leave());
        break;
      }
      case "send":
        this.#follow(this.#send(session, act));
        break;
      case "close":
        // From here on it may be cut off and hear of no view, while it waits for the daemon to close.
        this.#session = undefined;
        this.#groups.clear();
        this.#follow(session.connection.close());
        break;
    }
  }

  /** Goes on while the client does other things. */
  #follow(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!(error instanceof GroupError)) this.#fail(error);
    });
  }

  async #join(connection: Connection, name: string): Promise<void> {
    const group = await connection.join(name);
    if (this.#session?.connection === connection) this.#groups.set(name, group);
  }

  async #send({ connection, log }: Session, act: PlannedAct & { readonly kind: "send" }): Promise<void> {
    const { groups, service, bytes } = act;
    const key = `${log.name}/${++this.#messages}`;
    const payload = new Uint8Array(key.length + 1 + bytes);
    payload.set(new TextEncoder().encode(key));
    const asMember = groups[0] !== undefined && this.#groups.has(groups[0]);
    const message: SentMessage = { key, groups, service, asMember, outcome: "pending", wasResent: false };
    log.sent.push(message);
    try {
      const receipt = await connection.send(groups, payload, { service });
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
