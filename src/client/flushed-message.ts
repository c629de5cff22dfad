import { FlushType, subgroupTrailer, vulnerableTrailer } from "../flush/body.ts";
import type { SendMode } from "../flush/flush-group.ts";
import type { GroupError } from "./errors.ts";
import { Outgoing } from "./outgoing.ts";
import { checkMembers, type GroupSendOptions, isWeak, messageType, type Payload, piecesOf, typeWord } from "./send.ts";

/** A message to a group in flush mode, checked; in which view it is sent, and so in which form, may turn out later. */
export class FlushedMessage {
  readonly group: string;
  /** Its service may overtake the votes of the flush layer. */
  readonly isWeak: boolean;
  readonly payloadBytes: number;
  readonly #pieces: readonly Uint8Array[];
  readonly #to: readonly string[];
  readonly #isToSome: boolean;
  readonly #typeWord: number;
  readonly #type: number;

  /** Throws a `RangeError`, `TypeError` or `GroupError` that names what is wrong. */
  constructor(group: string, payload: Payload, options: GroupSendOptions) {
    const { alsoTo, onlyTo, service } = options;
    if (alsoTo) throw new RangeError("alsoTo: not in flush mode, whose groups are closed");
    const error: GroupError | undefined = onlyTo && checkMembers(onlyTo);
    if (error) throw error;
    this.group = group;
    this.isWeak = isWeak(service);
    this.#pieces = piecesOf(payload);
    this.payloadBytes = this.#pieces.reduce((sum, { length }) => sum + length, 0);
    this.#to = onlyTo ?? [group];
    this.#isToSome = onlyTo !== undefined;
    this.#typeWord = typeWord(options, this.#isToSome);
    this.#type = messageType(options, true);
  }

  /** As it is sent in the present view. */
  outgoing(mode: Exclude<SendMode, { readonly kind: "blocked" }>): Outgoing {
    const pieces = [...this.#pieces];
    if (mode.kind === "vulnerable") pieces.push(vulnerableTrailer(this.#type, mode.id));
    if (this.#isToSome) pieces.push(subgroupTrailer(this.group));
    const type = mode.kind === "vulnerable" ? FlushType.vulnerable : this.#type;
    return new Outgoing("data", this.#typeWord, this.#to, type, pieces);
  }
}
