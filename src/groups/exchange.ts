import { type DaemonId, sameConfiguration } from "../base/ids.ts";
import type { DirectoryState } from "../directory/state.ts";
import type { RegularConfiguration } from "../ordering/upcall.ts";
import { decodeState } from "./state.ts";
import { decodePiece, type StatePiece } from "./state-piece.ts";

/** A synchronised set of daemons whose state has come in whole. */
export type CompleteSet = {
  readonly set: readonly DaemonId[];
  /** `undefined` for this daemon's own set, which knows it already. */
  readonly state: DirectoryState | undefined;
};

/** Collects the state messages of one regular configuration (protocols.md H.2, GGATHER and GGT). */
export class Exchange {
  readonly configuration: RegularConfiguration;
  /** The representative of this daemon's own set: what it says is counted, not kept. */
  readonly #own: DaemonId;
  readonly #members: ReadonlySet<DaemonId>;
  readonly #arriving = new Map<DaemonId, Arriving>();
  readonly #complete = new Map<DaemonId, CompleteSet>();
  readonly #daemons = new Set<DaemonId>();

  constructor(configuration: RegularConfiguration, own: DaemonId) {
    this.configuration = configuration;
    this.#own = own;
    this.#members = new Set(configuration.members);
  }

  /** Whether the states of all daemons of the configuration have come in. */
  get isComplete(): boolean {
    return this.#daemons.size === this.#members.size;
  }

  /** Whether this daemon's own set has said all it knows; its other members then have it as well. */
  get isOwnComplete(): boolean {
    return this.#complete.has(this.#own);
  }

  /** The sets that are complete, other than this daemon's own. */
  others(): CompleteSet[] {
    return [...this.#complete].filter(([representative]) => representative !== this.#own).map(([, set]) => set);
  }

  /** Takes in a message. "stale": of another configuration. "malformed" ones are dropped too. */
  receive(sender: DaemonId, payload: Uint8Array): "taken" | "stale" | "malformed" {
    const piece = decodePiece(payload);
    if (piece === undefined) return "malformed";
    if (!sameConfiguration(piece.configuration, this.configuration.id)) return "stale";
    if (this.#complete.has(sender) || !this.#isPlausible(piece)) return "malformed";

    let arriving = this.#arriving.get(sender);
    if (arriving === undefined) {
      arriving = { pieces: new Map(), total: undefined, set: [] };
      this.#arriving.set(sender, arriving);
    }
    if (arriving.pieces.has(piece.index)) return "malformed";
    arriving.pieces.set(piece.index, sender === this.#own ? NOTHING : piece.bytes);
    if (piece.set !== undefined) {
      arriving.total = piece.index + 1;
      arriving.set = piece.set;
    }
    if (arriving.pieces.size !== arriving.total) return "taken";
    return this.#finish(sender, arriving) ? "taken" : "malformed";
  }

  #isPlausible(piece: StatePiece): boolean {
    return (
      piece.set === undefined || piece.set.every((daemon) => this.#members.has(daemon) && !this.#daemons.has(daemon))
    );
  }

  #finish(sender: DaemonId, arriving: Arriving): boolean {
    this.#arriving.delete(sender);
    if (arriving.set.some((daemon) => this.#daemons.has(daemon))) return false;
    let state: DirectoryState | undefined;
    if (sender !== this.#own) {
      state = decodeState(join(arriving.pieces));
      if (state === undefined || !state.rosters.every(({ daemon }) => arriving.set.includes(daemon))) return false;
    }
    this.#complete.set(sender, { set: arriving.set, state });
    for (const daemon of arriving.set) this.#daemons.add(daemon);
    return true;
  }
}

type Arriving = {
  readonly pieces: Map<number, Uint8Array>;
  /** Known from the last piece on. */
  total: number | undefined;
  set: readonly DaemonId[];
};

const NOTHING = new Uint8Array(0);

function join(pieces: ReadonlyMap<number, Uint8Array>): Uint8Array {
  if (pieces.size === 1) return pieces.get(0) ?? NOTHING;
  let length = 0;
  for (const piece of pieces.values()) length += piece.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < pieces.size; i++) {
    const piece = pieces.get(i) ?? NOTHING;
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
