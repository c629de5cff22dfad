import type { Service } from "../ordering/service.ts";
import { serviceOfType, TypeBit } from "../wire/spread/codes.ts";
import type { Message } from "./events.ts";
import { GroupError } from "./errors.ts";
import type { Outgoing } from "./outgoing.ts";

/**
 * Finds the own copies of what was sent to a stock Spread daemon, which reports delivery in no other way. Copies of
 * one service come back in the order in which they were sent.
 */
export class Echoes {
  readonly #expected = new Map<Service, Outgoing[]>();

  /** A message or request has been written; `comesBack` if one of its receivers is this connection. */
  sent(outgoing: Outgoing, comesBack: boolean): void {
    if (outgoing.kind !== "data") return outgoing.finished();
    if (comesBack && !(outgoing.type & TypeBit.selfDiscard)) return this.#expect(outgoing);
    const text = "a stock Spread daemon reports delivery only by the own copy: be a member, without selfDiscard";
    outgoing.finished(new GroupError("NOT_TOLD", text));
  }

  #expect(outgoing: Outgoing): void {
    const service = serviceOfType(outgoing.type);
    if (service === undefined) return;
    const list = this.#expected.get(service);
    if (list) list.push(outgoing);
    else this.#expected.set(service, [outgoing]);
  }

  /** An own message was delivered. */
  delivered(message: Message): void {
    const list = this.#expected.get(message.service);
    const index = list?.findIndex((outgoing) => isCopy(outgoing, message)) ?? -1;
    if (!list || index < 0) return;
    const found = list.splice(0, index + 1);
    for (const [i, outgoing] of found.entries()) {
      if (i === index) outgoing.finished();
      else outgoing.finished(new GroupError("NOT_TOLD", "the daemon did not deliver this message here"));
    }
  }

  /** Nothing more comes of what was sent to this group alone. */
  left(group: string): void {
    for (const [service, list] of this.#expected) {
      const keep = list.filter((outgoing) => outgoing.groups.length > 1 || outgoing.groups[0] !== group);
      if (keep.length === list.length) continue;
      this.#expected.set(service, keep);
      const error = new GroupError("NOT_TOLD", `${group} was left before the message came back`);
      for (const outgoing of list) if (!keep.includes(outgoing)) outgoing.finished(error);
    }
  }

  fail(error: GroupError): void {
    for (const list of this.#expected.values()) for (const outgoing of list) outgoing.finished(error);
    this.#expected.clear();
  }
}

function isCopy(outgoing: Outgoing, message: Message): boolean {
  return (
    outgoing.messageType === message.type &&
    outgoing.payloadBytes === message.payload.length &&
    outgoing.groups.length === message.groups.length &&
    outgoing.groups.every((group, i) => group === message.groups[i])
  );
}
