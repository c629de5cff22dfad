import type { DaemonId } from "../base/ids.ts";
import type { Evidence, EvsEvent } from "../membership/events.ts";
import type { ChangeCause, ConfigurationChange } from "./status.ts";

const CHANGES_MAX = 50;

/** The last changes of the daemons' configuration and why they came about, for logs and tools. */
export class ChangeLog {
  readonly #nameOf: (daemon: DaemonId) => string;
  readonly #changes: ConfigurationChange[] = [];
  #count = 0;

  constructor(nameOf: (daemon: DaemonId) => string) {
    this.#nameOf = nameOf;
  }

  /** Changes since the start. */
  get count(): number {
    return this.#count;
  }

  /** Newest first. */
  get changes(): readonly ConfigurationChange[] {
    return this.#changes;
  }

  /** Notes an install and returns what is to be told about it. */
  add(event: Extract<EvsEvent, { kind: "configuration" }>, atMs: number): ConfigurationChange {
    const names = (daemons: readonly DaemonId[]): string[] => daemons.map(this.#nameOf);
    const change: ConfigurationChange = {
      atMs,
      id: event.id,
      primary: event.primary,
      members: names(event.members),
      joined: names(event.came),
      left: names(event.left),
      cause: this.#cause(event.evidence),
      outageMs: event.outageMs,
      changeMs: event.tookMs,
      attempts: event.attempts,
    };
    this.#count += 1;
    this.#changes.unshift(change);
    if (this.#changes.length > CHANGES_MAX) this.#changes.pop();
    return change;
  }

  /** What comes first set the change off; a form that another daemon called for only says that it knew more. */
  #cause(evidence: readonly Evidence[]): ChangeCause {
    const first = evidence.find(({ kind }) => kind !== "form") ?? evidence[0];
    const cause = (kind: ChangeCause["kind"], daemon?: DaemonId, lateMs?: number): ChangeCause => ({
      kind,
      daemon: daemon === undefined ? undefined : this.#nameOf(daemon),
      lateMs,
    });
    switch (first?.kind) {
      case undefined:
      case "start":
        return cause("start");
      case "tokenLoss":
        return cause("tokenLoss", undefined, first.silentMs);
      case "memberLost":
        return cause("memberLost", first.daemon);
      case "leave":
      case "join":
        return cause(first.kind, first.daemon);
      case "foreignTraffic":
        return cause("foreign", first.daemon);
      case "form":
        return cause("request", first.daemon);
      case "formTimeout":
      case "recoveryStall":
        return cause("formFailed", undefined, first.silentMs);
      case "reconfigured":
        return cause("reload");
      case "siteLost": {
        const { peer, why } = first;
        if (why.kind === "restarted") return cause("memberLost", peer);
        return cause(why.kind === "silence" ? "linkSilent" : "linkStuck", peer, why.ms);
      }
      case "exhausted":
        return cause("request");
    }
  }
}
