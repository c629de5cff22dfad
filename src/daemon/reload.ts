import type { DaemonId } from "../base/ids.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import type { Prefix } from "../wire/prefix.ts";
import { decodeSiteFilePart, encodeSiteFile, SITE_FILE_BYTES_MAX, SiteFileAssembly } from "../wire/site-file.ts";
import { couldDecideTwice, differenceOf } from "./config/difference.ts";
import { ANCESTORS_MAX, carriedAddresses, type Lineage, withLineage, withoutLineage } from "./config/lineage.ts";
import { parseSiteConfig } from "./config/parse-site.ts";
import { hasAddress, shownPolicy, type SiteConfig } from "./config/site.ts";
import type { DaemonNotice } from "./notice.ts";

/** Where a daemon keeps a file: aside until it is known that all have it, then in force. */
export type Keeping = "aside" | "inForce";

export interface ReloadOutbox {
  /** In the total order, and only when every member has it. */
  multicast(notice: DaemonNotice): void;
  unicastFile(to: DaemonId, body: Uint8Array): void;
  /** Makes the text durable, and calls `kept` with what came of it. */
  keep(text: string, keeping: Keeping): void;
  /** This daemon will not be there any more: it takes nothing more from clients, and `answer`s when what it took is ordered. */
  retire(retiring: boolean): void;
  /** The file is in force here: go over to it. */
  goOver(site: SiteConfig): void;
  /** The file is in force, and this daemon is not in it. */
  removed(site: SiteConfig): void;
  /** What came of a request made here: undefined if it is done, or why it was not. */
  finished(why: string | undefined): void;
  /** For the log. */
  happened(what: ReloadEvent): void;
}

export type ReloadEvent = {
  readonly what: "proposed" | "dropped" | "inForce" | "removed" | "learned";
  readonly generation: number;
  readonly why: string;
  /** The file that is in force now, if it is. */
  readonly site?: SiteConfig;
};

/** A file that is proposed, until all members have it or somebody cannot have it. */
type Proposal = {
  readonly site: SiteConfig;
  /** The members that have to have it. */
  readonly members: readonly DaemonId[];
  readonly ready: Set<DaemonId>;
  readonly isMine: boolean;
  since: number;
  isAside: boolean;
  hasAnswered: boolean;
};

type Next = { readonly site: SiteConfig; readonly isMine: boolean; readonly isLearned: boolean };

/** Whoever proposes gives up after so long. */
const PATIENCE_MS = 20_000;
/** Who is behind may be going over just now; if not, it is sent the file this often, and each further member waits so long for the others to do it. */
const BEHIND_MS = 500;
const SEND_EVERY_MS = 1_000;
const TURN_MS = 1_000;
const SETTLE_AGAIN_MS = 5_000;
const STRAGGLERS_MAX = 128;
const WHY_BYTES_MAX = 400;

/**
 * Puts another configuration file in force at all daemons at the same point of the total order, from any of them
 * (docs/protocols/reload.md). Proposed, kept aside by every member, and in force once all have said so; who was away is sent the file when it comes
 * back. Where two majorities could have nobody in common, the rule before stays in force beside the new one until no decision
 * can be made by it any more, which takes a second round.
 */
export class Reload implements Machine {
  readonly #me: DaemonId;
  readonly #outbox: ReloadOutbox;
  #site: SiteConfig;
  #members: readonly DaemonId[] = [];
  #isPrimary = false;
  #proposal: Proposal | undefined;
  /** The file that is being put in force: of a proposal, or sent by others. */
  #next: Next | undefined;
  /** Somebody waits for `finished`. */
  #isRequested = false;
  /** When to propose to forget the rule before. */
  #settleAt = NEVER;
  /** Daemons with earlier files: since when they are heard, and when they were sent this one. */
  readonly #stragglers = new Map<DaemonId, { readonly since: number; sentAt: number }>();
  readonly #assembly = new SiteFileAssembly();

  constructor(me: DaemonId, site: SiteConfig, outbox: ReloadOutbox) {
    this.#me = me;
    this.#site = site;
    this.#outbox = outbox;
  }

  get isUnderWay(): boolean {
    return this.#proposal !== undefined || this.#next !== undefined;
  }

  get deadline(): number {
    return Math.min(this.#patienceEndsAt, this.#settleAt);
  }

  tick(now: number): void {
    const proposal = this.#proposal;
    if (proposal !== undefined && now >= this.#patienceEndsAt) {
      proposal.since = now;
      this.#outbox.multicast({ kind: "withdraw", hash: proposal.site.hash });
    }
    if (now < this.#settleAt) return;
    const { lineage, text } = this.#site;
    this.#settleAt = now + SETTLE_AGAIN_MS;
    if (lineage.before === undefined || !this.#isPrimary || this.#members[0] !== this.#me) this.#settleAt = NEVER;
    // Who could have decided by the rule before has gone over: it can be forgotten.
    else if (!this.isUnderWay) this.#propose(text, lineage.agreement, undefined, lineage.addresses);
  }

  get #patienceEndsAt(): number {
    return this.#proposal?.isMine === true ? this.#proposal.since + PATIENCE_MS : NEVER;
  }

  /**
   * Asks for this file to be put in force. `addresses`: of hosts that it has only names of, as far as they are known; of who is there already the
   * address is known that it has. Throws a `ConfigError` for a wrong text; returns why it
   * cannot be done, or undefined if it is under way: then `finished` follows.
   */
  request(text: string, addresses: Readonly<Record<string, string>>): string | undefined {
    const known = { ...knownAddresses(this.#site), ...addresses };
    const fresh = siteOf(text, known);
    if (this.isUnderWay || this.#isRequested) return "another change of the configuration is under way";
    if (this.#site.lineage.before !== undefined) {
      return "the last change of the configuration is not complete: it takes a primary configuration of the new daemons";
    }
    if (this.#members.length === 0) return "this daemon is in no configuration yet";
    if (!this.#isPrimary && this.#site.primaryPolicy.kind !== "none") {
      return "this daemon is in no primary configuration: ask one that is";
    }
    const { refused } = differenceOf(this.#site, fresh);
    if (refused.length > 0) return `that cannot be changed while daemons run: ${refused.join("; ")}`;
    if (withoutLineage(text) === withoutLineage(this.#site.text)) return "the file is in force already";
    const before = couldDecideTwice(this.#site, fresh)
      ? { policy: shownPolicy(this.#site.primaryPolicy), daemons: this.#site.daemons.map(({ id }) => id) }
      : undefined;
    const why = this.#propose(text, fresh.agreement, before, knownAddresses(fresh));
    this.#isRequested = why === undefined;
    return why;
  }

  onNotice(
    sender: DaemonId,
    notice: Extract<DaemonNotice, { kind: "propose" | "answer" | "withdraw" }>,
    now: number,
  ): void {
    switch (notice.kind) {
      case "propose":
        return this.#onProposed(sender, notice.base, notice.text, now);
      case "answer":
        return this.#onAnswer(sender, notice.hash, notice.why);
      case "withdraw":
        if (this.#proposal?.site.hash === notice.hash) this.#drop("not all daemons answered in time");
    }
  }

  /** A regular configuration is installed. */
  regular(members: readonly DaemonId[], isPrimary: boolean, now: number): void {
    this.#members = members;
    this.#isPrimary = isPrimary;
    if (this.#proposal !== undefined) this.#drop("the daemons' configuration changed meanwhile");
    this.#settleAt = now;
  }

  /** The node has ordered what it took from clients while it retires. */
  drained(): void {
    this.#answer("");
  }

  /** Whether this daemon is to say that it has the file, once what it took from clients is ordered. */
  get waitsForDrain(): boolean {
    const proposal = this.#proposal;
    return proposal !== undefined && proposal.isAside && !proposal.hasAnswered;
  }

  /** A text that was to be kept is kept, or why not. */
  kept(keeping: Keeping, why: string | undefined): void {
    if (keeping === "aside") {
      const proposal = this.#proposal;
      if (proposal === undefined || proposal.hasAnswered) return;
      if (why !== undefined) return this.#answer(why);
      proposal.isAside = true;
      if (this.#isIn(proposal.site)) this.#answer("");
      else this.#outbox.retire(true);
      return;
    }
    const next = this.#next;
    if (next === undefined) return;
    this.#next = undefined;
    const { generation } = next.site.lineage;
    if (why !== undefined) {
      this.#outbox.happened({ what: "dropped", generation, why: `it cannot be kept: ${why}` });
      if (next.isMine) this.#finish(`the new configuration cannot be kept: ${why}`);
      return;
    }
    const { site: before } = this;
    this.#site = next.site;
    this.#stragglers.clear();
    if (!this.#isIn(next.site)) {
      this.#outbox.happened({ what: "removed", generation, why: "this daemon is not in it" });
      this.#outbox.removed(next.site);
    } else {
      const why = next.isLearned
        ? `sent by a daemon that has it, instead of generation ${before.lineage.generation}`
        : "";
      this.#outbox.happened({ what: next.isLearned ? "learned" : "inForce", generation, why, site: next.site });
      this.#outbox.goOver(next.site);
    }
    if (next.isMine) this.#finish(undefined);
  }

  get site(): SiteConfig {
    return this.#site;
  }

  /** A packet with another hash was heard. */
  mismatch(daemon: DaemonId, hash: number, now: number): void {
    const proposal = this.#proposal;
    // It has heard all answers before this daemon has: the decision is made.
    if (proposal?.site.hash === hash && proposal.isAside) return this.#decide(proposal);
    const { lineage, agreement, text } = this.#site;
    if (lineage.generation === 0 || (hash !== agreement && !lineage.ancestors.includes(hash))) return;
    let straggler = this.#stragglers.get(daemon);
    if (straggler === undefined) {
      if (this.#stragglers.size >= STRAGGLERS_MAX) return;
      straggler = { since: now, sentAt: Number.NEGATIVE_INFINITY };
      this.#stragglers.set(daemon, straggler);
    }
    const turn = Math.max(0, this.#members.indexOf(this.#me));
    if (now < straggler.since + BEHIND_MS + turn * TURN_MS || now < straggler.sentAt + SEND_EVERY_MS) return;
    straggler.sentAt = now;
    const file = new TextEncoder().encode(text);
    for (const body of encodeSiteFile(this.#site.hash, lineage.generation, file))
      this.#outbox.unicastFile(daemon, body);
  }

  /** A part of a file that another daemon has in force. False when it is malformed. */
  onSiteFile(prefix: Prefix, packet: Uint8Array): boolean {
    const part = decodeSiteFilePart(prefix, packet);
    if (part === undefined) return false;
    if (part.generation <= this.#site.lineage.generation || this.#next !== undefined) return true;
    const file = this.#assembly.add(part);
    if (file === undefined) return true;
    const site = read(new TextDecoder().decode(file));
    if (site === undefined || site.hash !== part.hash) return false;
    const { hash, agreement } = this.#site;
    const { lineage } = site;
    const follows = lineage.ancestors.includes(hash) || (site.agreement === agreement && hash === agreement);
    if (!follows || lineage.generation <= this.#site.lineage.generation) return true;
    if (this.#proposal !== undefined) this.#drop("another change was made meanwhile");
    this.#enforce({ site, isMine: false, isLearned: true });
    return true;
  }

  #propose(
    text: string,
    agreement: number,
    ruleBefore: Lineage["before"],
    addresses: Readonly<Record<string, string>>,
  ): string | undefined {
    const { lineage, hash, agreement: before } = this.#site;
    const ancestors = [...new Set([hash, before, ...lineage.ancestors])].slice(0, ANCESTORS_MAX);
    const next: Lineage = {
      generation: lineage.generation + 1,
      root: lineage.root,
      agreement,
      ancestors,
      before: ruleBefore,
      addresses,
    };
    const proposed = withLineage(text, next);
    const bytes = new TextEncoder().encode(proposed).length;
    if (bytes > SITE_FILE_BYTES_MAX) return `the file is ${bytes} bytes long, and may be ${SITE_FILE_BYTES_MAX}`;
    this.#outbox.multicast({ kind: "propose", base: hash, text: proposed });
    return undefined;
  }

  #onProposed(sender: DaemonId, base: number, text: string, now: number): void {
    const isMine = sender === this.#me;
    if (base !== this.#site.hash || this.isUnderWay) {
      if (isMine) this.#finish("another change of the configuration came first");
      return;
    }
    const site = read(text);
    if (site === undefined || site.lineage.generation !== this.#site.lineage.generation + 1) {
      // Who cannot read it cannot know its hash either: it is withdrawn for want of an answer.
      if (isMine) this.#finish("the new configuration cannot be read");
      return;
    }
    this.#proposal = {
      site,
      members: this.#members,
      ready: new Set(),
      isMine,
      since: now,
      isAside: false,
      hasAnswered: false,
    };
    this.#outbox.happened({ what: "proposed", generation: site.lineage.generation, why: "" });
    const { refused } = differenceOf(this.#site, site);
    if (refused.length > 0) this.#answer(`that cannot be changed while it runs: ${refused.join("; ")}`);
    else this.#outbox.keep(text, "aside");
  }

  #answer(why: string): void {
    const proposal = this.#proposal;
    if (proposal === undefined || proposal.hasAnswered) return;
    proposal.hasAnswered = true;
    this.#outbox.multicast({ kind: "answer", hash: proposal.site.hash, why: why.slice(0, WHY_BYTES_MAX) });
  }

  #onAnswer(sender: DaemonId, hash: number, why: string): void {
    const proposal = this.#proposal;
    if (proposal?.site.hash !== hash) return;
    if (why !== "") {
      const name = this.#site.daemons.find(({ id }) => id === sender)?.name ?? `#${sender}`;
      return this.#drop(`${name} cannot go over: ${why}`);
    }
    proposal.ready.add(sender);
    if (proposal.members.every((member) => proposal.ready.has(member))) this.#decide(proposal);
  }

  #decide({ site, isMine }: Proposal): void {
    this.#proposal = undefined;
    this.#enforce({ site, isMine, isLearned: false });
  }

  #enforce(next: Next): void {
    this.#next = next;
    this.#outbox.keep(next.site.text, "inForce");
  }

  #drop(why: string): void {
    const proposal = this.#proposal as Proposal;
    this.#proposal = undefined;
    if (!this.#isIn(proposal.site)) this.#outbox.retire(false);
    this.#outbox.happened({ what: "dropped", generation: proposal.site.lineage.generation, why });
    if (proposal.isMine) this.#finish(why);
  }

  /** What is proposed without a request, to forget the rule before, interests nobody. */
  #finish(why: string | undefined): void {
    if (!this.#isRequested) return;
    this.#isRequested = false;
    this.#outbox.finished(why);
  }

  #isIn({ daemons }: SiteConfig): boolean {
    return daemons.some(({ id }) => id === this.#me);
  }
}

/** A file as its lineage says that its hosts are. */
function read(text: string): SiteConfig | undefined {
  try {
    return siteOf(text, carriedAddresses(text));
  } catch {
    return undefined;
  }
}

/** A name that has no address here leads nowhere now, as at a start: it is looked up again. */
function siteOf(text: string, addresses: Readonly<Record<string, string>>): SiteConfig {
  const lookup = (name: string): string[] | undefined =>
    Object.hasOwn(addresses, name) ? [addresses[name] as string] : undefined;
  return parseSiteConfig(text, "the new configuration", lookup).site;
}

/** Of the hosts of a site that a file has only names of. */
function knownAddresses({ daemons }: SiteConfig): Record<string, string> {
  const found = daemons.flatMap((daemon) =>
    daemon.host !== undefined && hasAddress(daemon) ? [[daemon.host, daemon.address] as const] : [],
  );
  return Object.fromEntries(found);
}
