import type { DaemonId } from "../base/ids.ts";
import type { Directory } from "../directory/directory.ts";
import type { Part } from "../directory/group.ts";
import { Content } from "../ordering/content.ts";
import { EVERYBODY, type Interest, NOT_YET, OWN_SITE } from "../ordering/interest.ts";
import { type Delivery, payloadOf } from "../ordering/upcall.ts";
import { decodeAnnouncement, encodeAnnouncement } from "../wire/interest.ts";
import { TypeBit } from "../wire/spread/codes.ts";
import { groupCountOf, HEADER_BYTES, typeOf } from "../wire/spread/frame.ts";
import { NAME_BYTES, parsePrivateGroup } from "../wire/spread/names.ts";
import type { NameCache } from "./name-cache.ts";
import type { GroupsOutbox } from "./outbox.ts";
import { OwnInterests } from "./own-interests.ts";

/** What is known in a configuration of several sites. */
export type SitesKnowledge = {
  /** Whether a daemon is of this one's site. */
  isNear(daemon: DaemonId): boolean;
  /** Whether a daemon of another site has announced that clients of it may join a group. */
  isAwaited(group: string): boolean;
};

/** What is known of daemons whatever the configuration. */
type Daemons = {
  readonly me: DaemonId;
  /** The daemon of a name in a private name; undefined: there is none. */
  daemonNamed(name: string): DaemonId | undefined;
};

const HASH = 0x23;
const REQUESTS = TypeBit.join | TypeBit.leave | TypeBit.kill;

/**
 * Which sites have to have what clients of this daemon send (protocols.md G19; docs/protocols/wide-area.md, "Pruning"): by the directory as far as it was delivered here, and by
 * what daemons have announced; this one announces what its clients ask to join.
 */
export class GroupInterests {
  readonly #daemons: Daemons;
  readonly #directory: Directory;
  readonly #names: NameCache;
  readonly #outbox: Pick<GroupsOutbox, "multicast" | "mayJoin">;
  readonly #own: OwnInterests;

  constructor(
    daemons: Daemons,
    directory: Directory,
    names: NameCache,
    outbox: Pick<GroupsOutbox, "multicast" | "mayJoin">,
  ) {
    this.#daemons = daemons;
    this.#directory = directory;
    this.#names = names;
    this.#outbox = outbox;
    this.#own = new OwnInterests((announcement) =>
      outbox.multicast("safe", Content.interest, encodeAnnouncement(announcement)),
    );
  }

  /** A new configuration: nobody has announced anything. */
  restart(): void {
    this.#own.restart();
  }

  /**
   * Whether other sites may have somebody to deliver a client's message to, and whether it may be stamped: a request to join waits until all know that
   * somebody may join here. `frame` begins with the message's frame, `message` is the same at each call for the same one. While groups are not operational
   * (`isOperational`) all are meant.
   */
  of(frame: Uint8Array, message: object, sites: SitesKnowledge, isOperational: boolean): Interest {
    const count = frame.length < HEADER_BYTES ? -1 : groupCountOf(frame, 0);
    if (count < 0 || frame.length < HEADER_BYTES + count * NAME_BYTES) return EVERYBODY;
    const type = typeOf(frame, 0);
    if ((type & TypeBit.join) !== 0 && count > 0) {
      const mayJoin = isOperational && this.#own.mayJoin(this.#groupName(frame, 0), message);
      return mayJoin ? EVERYBODY : NOT_YET;
    }
    if ((type & REQUESTS) !== 0 || !isOperational) return EVERYBODY;
    for (let i = 0; i < count; i++) if (this.#isWide(this.#groupName(frame, i), sites)) return EVERYBODY;
    return OWN_SITE;
  }

  /**
   * An announcement has been delivered; false if it is malformed. In a transitional configuration it is not said by that, that all have noted
   * it.
   */
  announced(delivery: Delivery, isOperational: boolean): boolean {
    const announcement = decodeAnnouncement(payloadOf(delivery));
    if (announcement === undefined) return false;
    if (delivery.sender === this.#daemons.me && isOperational && this.#own.noted(announcement)) this.#outbox.mayJoin();
    return true;
  }

  /**
   * A client's frame of this daemon has been delivered, which begins at `at` in `payload`. If it asks to join, it is not under way any more, whatever has
   * come of it.
   */
  delivered(payload: Uint8Array, at: number): void {
    if (payload.length < at + HEADER_BYTES + NAME_BYTES || (typeOf(payload, at) & TypeBit.join) === 0) return;
    if (groupCountOf(payload, at) <= 0) return;
    const name = this.#names.name(payload, at + HEADER_BYTES, NAME_BYTES - 1);
    this.#own.delivered(name);
    this.membersChanged(this.#daemons.me, name);
  }

  /** A client of a daemon has joined a group, or left it: what this daemon has announced of it may have become superfluous. */
  membersChanged(daemon: DaemonId, name: string): void {
    if (daemon !== this.#daemons.me) return;
    const parts = this.#directory.get(name)?.parts ?? [];
    this.#own.changed(
      name,
      parts.some(({ roster }) => roster.daemon === daemon),
    );
  }

  /** Whether somebody at another site may be meant by a name. */
  #isWide(name: string, sites: SitesKnowledge): boolean {
    if (name.charCodeAt(0) === HASH) {
      const to = parsePrivateGroup(name);
      const daemon = to && this.#daemons.daemonNamed(to.daemon);
      return daemon !== undefined && !sites.isNear(daemon);
    }
    const parts = this.#directory.get(name)?.parts ?? [];
    for (let i = 0; i < parts.length; i++) if (!sites.isNear((parts[i] as Part).roster.daemon)) return true;
    return sites.isAwaited(name);
  }

  #groupName(frame: Uint8Array, n: number): string {
    return this.#names.name(frame, HEADER_BYTES + n * NAME_BYTES, NAME_BYTES - 1);
  }
}
