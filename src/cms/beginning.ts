import { assert } from "../base/assert.ts";
import { type DaemonId, sameConfiguration } from "../base/ids.ts";
import type { RegularConfiguration } from "../ordering/upcall.ts";
import type { Command } from "./command.ts";
import { type EpochRecord, isSameState, judge, type Standing } from "./continuity.ts";

/** What the beginning of a primary configuration asks of the service. */
export interface BeginningOutbox {
  send(command: Command): void;
  persist(record: EpochRecord): void;
  /** This epoch is being begun: kept for the next beginning, should this one not come to its end. */
  attempted(record: EpochRecord): void;
  /** The state of this daemon, which goes on. */
  exportState(): Uint8Array;
  /** The state of another daemon goes on. */
  adopt(state: Uint8Array): void;
  /** The epoch has begun. `anew`: nobody knew the last state, there is none. `newcomers`: members that have begun none before in their lives. */
  begin(record: EpochRecord, anew: boolean, newcomers: readonly DaemonId[]): void;
}

type Stage =
  /** The members say what they know. */
  | { readonly name: "greeting"; readonly standings: Map<DaemonId, Standing> }
  /** Some do not know the state that goes on: it is being told. */
  | { readonly name: "adopting"; readonly heir: DaemonId; readonly pieces: Uint8Array[]; readonly attempt: EpochRecord }
  /** The members make the epoch durable. */
  | {
      readonly name: "recording";
      readonly attempt: EpochRecord;
      readonly anew: boolean;
      readonly recorded: Set<DaemonId>;
    }
  | { readonly name: "over" };

/**
 * How a primary configuration begins: its members say what they know, agree whose state goes on (continuity.ts), those who have another
 * one adopt it, all make a new epoch durable, and then it begins. Each step is a position of the ordered stream, so all take it alike.
 *
 * If the configuration ends before that, its last messages may still complete the beginning: then another member may have begun. Nothing
 * is sent any more then (`end`).
 */
export class Beginning {
  readonly #configuration: RegularConfiguration;
  readonly #me: DaemonId;
  readonly #stateBytes: number;
  readonly #outbox: BeginningOutbox;
  #stage: Stage = { name: "greeting", standings: new Map() };
  #isEnding = false;
  #newcomers: readonly DaemonId[] = [];

  constructor(configuration: RegularConfiguration, me: DaemonId, stateBytes: number, outbox: BeginningOutbox) {
    this.#configuration = configuration;
    this.#me = me;
    this.#stateBytes = stateBytes;
    this.#outbox = outbox;
  }

  greet(standing: Standing): void {
    if (!this.#isEnding) this.#outbox.send({ kind: "hello", configuration: this.#configuration.id, standing });
  }

  end(): void {
    this.#isEnding = true;
  }

  /** The record is durable. */
  persisted(record: EpochRecord): void {
    const stage = this.#stage;
    if (stage.name !== "recording" || this.#isEnding || stage.attempt.epoch !== record.epoch) return;
    this.#outbox.send({ kind: "recorded", configuration: this.#configuration.id, epoch: record.epoch });
  }

  /** False for a command that no correct daemon sends now. Those of another configuration are passed over. */
  receive(sender: DaemonId, command: Command & { kind: "hello" | "state" | "recorded" }): boolean {
    if (!sameConfiguration(command.configuration, this.#configuration.id)) return true;
    switch (command.kind) {
      case "hello":
        return this.#onHello(sender, command.standing);
      case "state":
        return this.#onState(sender, command);
      case "recorded":
        return this.#onRecorded(sender);
    }
  }

  #onHello(sender: DaemonId, standing: Standing): boolean {
    const stage = this.#stage;
    const { id, members } = this.#configuration;
    if (stage.name !== "greeting" || !members.includes(sender)) return false;
    stage.standings.set(sender, standing);
    if (stage.standings.size < members.length) return true;

    const standings = new Map(members.map((daemon) => [daemon, stage.standings.get(daemon) as Standing]));
    this.#newcomers = members.filter((daemon) => standings.get(daemon)?.isNew === true);
    const { epoch, basis, heir } = judge(standings);
    const attempt: EpochRecord = { epoch, configuration: id, basis };
    this.#outbox.attempted(attempt);
    const inherited = heir === undefined ? undefined : standings.get(heir);
    if (heir === undefined || inherited === undefined) {
      this.#record(attempt, true);
    } else if ([...standings.values()].every((other) => isSameState(other, inherited))) {
      this.#record(attempt, false);
    } else {
      this.#stage = { name: "adopting", heir, pieces: [], attempt };
      if (heir === this.#me && !this.#isEnding) this.#tellState();
    }
    return true;
  }

  #tellState(): void {
    const state = this.#outbox.exportState();
    for (let at = 0, index = 0; at < state.length; at += this.#stateBytes, index++) {
      const bytes = state.subarray(at, at + this.#stateBytes);
      const last = at + this.#stateBytes >= state.length;
      this.#outbox.send({ kind: "state", configuration: this.#configuration.id, index, last, bytes });
    }
  }

  #onState(sender: DaemonId, piece: Command & { kind: "state" }): boolean {
    const stage = this.#stage;
    if (stage.name !== "adopting" || sender !== stage.heir || piece.index !== stage.pieces.length) return false;
    stage.pieces.push(piece.bytes);
    if (!piece.last) return true;
    if (sender !== this.#me) this.#outbox.adopt(joined(stage.pieces));
    this.#record(stage.attempt, false);
    return true;
  }

  #record(attempt: EpochRecord, anew: boolean): void {
    this.#stage = { name: "recording", attempt, anew, recorded: new Set() };
    if (!this.#isEnding) this.#outbox.persist(attempt);
  }

  #onRecorded(sender: DaemonId): boolean {
    const stage = this.#stage;
    const { members } = this.#configuration;
    if (stage.name !== "recording" || !members.includes(sender)) return false;
    stage.recorded.add(sender);
    if (stage.recorded.size < members.length) return true;
    assert(stage.attempt.epoch > stage.attempt.basis, "epochs grow");
    this.#stage = { name: "over" };
    this.#outbox.begin(stage.attempt, stage.anew, this.#newcomers);
    return true;
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
