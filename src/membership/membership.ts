import { cover, coverIn } from "../base/coverage.ts";
import type { DaemonId } from "../base/ids.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import {
  type Alive,
  type Join,
  type Refer,
  type Representative,
  encodeAlive,
  encodeJoin,
  encodeRefer,
} from "../wire/announce.ts";
import { type Form1, type Form2, type MemberEpoch, encodeForm1, encodeForm2 } from "../wire/form.ts";
import { encodeFormHeld, type FormHeld } from "../wire/form-held.ts";
import { Kind } from "../wire/prefix.ts";
import type { EvsConfig } from "./config.ts";
import type { Evidence, MembershipStateName } from "./events.ts";
import type { MembershipOutbox } from "./membership-outbox.ts";
import type { MembershipState, Resend } from "./state.ts";
import { avoidUnreachable, checkIn, form2Of, newForm1, nextOfForm1 } from "./form-steps.ts";
import { Reachability } from "./reachability.ts";
import { compareRepresentatives } from "./representatives.ts";

/** Recovery that gains nothing for so many token timeouts is given up. */
const STALL_TOKEN_TIMEOUTS = 4;

/**
 * Who is in the next configuration: the six-state membership of protocols.md G.9, cell by cell, with the corrections of
 * its section 0. Deciding what is delivered when is not its business (`Recovery`, `Orderer`).
 */
export class Membership implements Machine {
  readonly #config: EvsConfig;
  readonly #outbox: MembershipOutbox;
  readonly #me: DaemonId;
  #state: MembershipState;
  /** Representatives to ask besides those that answer by themselves. */
  #potential = new Set<DaemonId>();
  #attempts = 0;
  /** How often this daemon has been without a ring. */
  #epoch = 0;
  /** Of the members of the ring, and of the one that forms, as they were on its form. */
  #memberEpochs = new Map<DaemonId, MemberEpoch>();
  readonly #reachability: Reachability;
  /** Of daemons that were called and that some member does not reach: not called again for a while. */
  readonly #calls: Reachability;
  /** Lookups since the last install: the first ones follow each other quickly. */
  #lookups = 0;

  constructor(config: EvsConfig, outbox: MembershipOutbox, now: number) {
    this.#config = config;
    this.#outbox = outbox;
    this.#me = config.me;
    this.#reachability = new Reachability(config.timeouts.lookupMs);
    this.#calls = new Reachability(config.timeouts.lookupMs);
    this.#state = { name: "left" };
    outbox.evidence({ kind: "start" }, now);
    this.#becomeSegment(now);
  }

  get state(): MembershipStateName {
    return this.#state.name;
  }

  /** Whether the ring's token is alive: messages are stamped and delivered. */
  get isTokenAlive(): boolean {
    return (
      (this.#state.name === "operational" || this.#state.name === "gather") && this.#outbox.ringMembers().length > 0
    );
  }

  get deadline(): number {
    // A token that rests here counts as seen at any time that is asked for: it has no deadline then.
    return Math.min(this.#stateDeadline(), this.#tokenDeadline(NEVER));
  }

  tick(now: number): void {
    const tokenDeadline = this.#tokenDeadline(now);
    if (now >= tokenDeadline) {
      const limitMs = this.#config.timeouts.tokenMs;
      const silentMs = now - this.#outbox.tokenSeenAt(now);
      coverIn("evs", this.#state.name, "tokenLoss");
      this.lost({ kind: "tokenLoss", silentMs, limitMs }, now);
      return;
    }
    if (now >= this.#stateDeadline()) this.#onTimer(now);
  }

  /** The configuration is installed: the ring works. */
  installed(now: number): void {
    this.#lookups = 0;
    for (const member of this.#outbox.ringMembers()) this.#calls.reached(member);
    this.#become({ name: "operational", lookupAt: this.#lookupAt(now) });
  }

  /** Sign of another ring: its leader should be asked to join. */
  foreignTraffic(from: DaemonId, now: number): void {
    coverIn("evs", this.#state.name, "foreign");
    if (this.#state.name !== "operational" || !this.#isLeader) return;
    this.#outbox.evidence({ kind: "foreignTraffic", daemon: from }, now);
    this.#potential = new Set(this.#missing(now));
    this.#becomeGather(new Set(), now);
  }

  /** The ring is of no use any more: begin again with the daemons of the segment (protocols.md G48, tokenLoss). */
  lost(evidence: Evidence, now: number): void {
    const state = this.#state;
    this.#outbox.evidence(evidence, now);
    const ring = this.#outbox.ringMembers();
    if (state.name === "form" || state.name === "recovery") {
      const { resend } = state;
      if (resend !== undefined && !resend.reached) this.#reachability.failed(resend.to, now);
    }
    if (state.name !== "form") {
      const potential = new Set(this.#config.layout.firstOfOtherSegments(ring, this.#mySegment));
      if (state.name === "gather") for (const daemon of state.representatives.keys()) potential.add(daemon);
      potential.delete(this.#me);
      this.#potential = potential;
    }
    this.#outbox.freeze();
    this.#becomeSegment(now);
  }

  /**
   * The daemons have changed, and the hash of all packets with them. Members that go over at the same time form at once, and those that have yet to
   * do it hear of it by an announcement with the new hash: all of this segment, and one of each other.
   */
  reconfigured(now: number): void {
    if (this.#state.name === "left") return;
    const { layout, timeouts } = this.#config;
    const rest = this.#outbox.ringMembers().filter((member) => layout.has(member));
    const isServing = this.isTokenAlive;
    this.#potential = new Set();
    this.#outbox.evidence({ kind: "reconfigured" }, now);
    this.#outbox.freeze();
    if (!isServing) this.#becomeSegment(now);
    else if (rest[0] === this.#me) this.#createForm1(rest, [], now);
    else this.#become({ name: "represented", by: rest[0] as DaemonId, until: now + timeouts.repMs });
    if (!isServing) return;
    this.#sendAlive();
    // Other segments do not hear that.
    for (const other of layout.firstOfOtherSegments(rest, this.#mySegment)) {
      this.#outbox.send(other, Kind.alive, encodeAlive(this.#announcement()));
    }
  }

  onAlive(from: DaemonId, alive: Alive, now: number): void {
    if (this.#config.layout.segmentOf(from) !== this.#mySegment) return;
    const inRing = this.#outbox.ringMembers().includes(from);
    if (inRing && this.#isStale(from, alive)) return;
    const restarted = this.#hasRestarted(from, alive);
    const state = this.#state;
    coverIn("evs", state.name, "alive");
    switch (state.name) {
      case "operational":
      case "recovery":
        if (inRing) this.#memberLost(from, restarted, now);
        return;
      case "segment":
        state.members.add(from);
        if (this.#isEverybody(state.members)) this.#decideSegment(state.members, now);
        return;
      case "represented":
        state.until = now + this.#config.timeouts.repMs;
        return;
      case "gather":
        if (this.isTokenAlive) {
          if (inRing) this.#memberLost(from, restarted, now);
          return;
        }
        state.members.add(from);
        if (this.#isEverybody(state.members)) this.#decideGather(now);
        return;
      case "form":
      case "left":
        return;
    }
  }

  onJoin(from: DaemonId, join: Join, now: number): void {
    const sender = join.representatives[0] as Representative;
    const sameSegment = this.#config.layout.segmentOf(from) === this.#mySegment;
    const ring = this.#outbox.ringMembers();
    const inRing = ring.includes(from);
    if (inRing && this.#isStale(from, join)) return;
    const restarted = this.#hasRestarted(from, join);
    const state = this.#state;
    if (join.representatives.some(({ daemon }) => daemon === this.#me)) this.#reachability.reached(from);
    coverIn("evs", state.name, "join");
    switch (state.name) {
      case "operational":
        if (inRing) {
          // With one segment the sender's ALIVE says the same, or the token stays away.
          if (this.#config.layout.spansSegments(ring) || restarted) this.#memberLost(from, restarted, now);
          return;
        }
        if (this.#isLeader) {
          if (this.#calls.isLeftOut(from, now)) return;
          this.#outbox.evidence({ kind: "join", daemon: from }, now);
          this.#potential = new Set([from]);
          this.#becomeGather(new Set(), now);
          this.#addRepresentatives(join, now);
        } else if (!sameSegment || this.#config.layout.firstOf(ring, this.#mySegment) === this.#me) {
          this.#refer(from, ring[0] as DaemonId);
        }
        return;
      case "segment":
        if (sameSegment && sender.type === "segment") this.#adopt(from, now);
        return;
      case "represented":
        if (sameSegment && sender.type === "segment") this.#adopt(from, now);
        else this.#refer(from, state.by);
        return;
      case "gather":
        if (this.isTokenAlive && inRing) this.#memberLost(from, restarted, now);
        else {
          if (this.isTokenAlive && state.representatives.size === 1) {
            this.#outbox.evidence({ kind: "join", daemon: from }, now);
          }
          this.#addRepresentatives(join, now);
        }
        return;
      case "recovery":
        if (inRing) this.#memberLost(from, restarted, now);
        return;
      case "form":
      case "left":
        return;
    }
  }

  onRefer(refer: Refer, now: number): void {
    coverIn("evs", this.#state.name, "refer");
    const { to } = refer;
    if (this.#state.name !== "gather" || to === this.#me || !this.#config.layout.has(to)) return;
    if (this.#potential.has(to)) return;
    this.#potential.add(to);
    this.#state.joinAt = now;
  }

  onForm1(from: DaemonId, form: Form1, now: number): void {
    const state = this.#state;
    coverIn("evs", state.name, "form1");
    this.#sendFormHeld(from, form);
    if (nextOfForm1(form) !== this.#me || form.done.includes(this.#me)) return;
    const asMember = form.pending[0] === this.#me;
    switch (state.name) {
      case "operational":
        if (this.#isLeader || !asMember) return;
        break;
      // Who creates a form as soon as it has heard everybody may have heard me before I heard it. Were its form
      // ignored here, the two could go on for ever, each calling while the other starts again.
      case "segment":
      case "represented":
        if (!asMember) return;
        break;
      case "gather":
        if (asMember ? !this.#yieldsTo(form.creator) : form.representatives[0]?.type !== this.#myType) return;
        break;
      case "form":
      case "recovery":
      case "left":
        return;
    }
    this.#outbox.evidence({ kind: "form", daemon: from }, now);
    this.#fillForm1(form, now);
  }

  onForm2(from: DaemonId, form: Form2, now: number): void {
    const state = this.#state;
    coverIn("evs", state.name, "form2");
    this.#sendFormHeld(from, form);
    if (state.name !== "form") return;
    if (form.creator !== state.form.creator || form.attempt !== state.form.attempt) return;
    this.#readForm2(form, now);
  }

  /** What I passed on has arrived. */
  onFormHeld(from: DaemonId, { creator, attempt }: FormHeld): void {
    const state = this.#state;
    this.#reachability.reached(from);
    if (state.name !== "form" && state.name !== "recovery") return;
    const { resend } = state;
    if (resend?.to !== from || resend.creator !== creator || resend.attempt !== attempt) return;
    resend.reached = true;
    // The token of another site's ring does not come here: nothing else will say that FORM2 has gone on.
    if (state.name === "recovery" && this.#isElsewhere(from)) state.resend = undefined;
  }

  /** A member of my ring has left: those that stay form at once. */
  onLeave(from: DaemonId, now: number): void {
    coverIn("evs", this.#state.name, "leave");
    if (!this.isTokenAlive) return;
    const rest = this.#outbox.ringMembers().filter((member) => member !== from);
    this.#outbox.evidence({ kind: "leave", daemon: from }, now);
    this.#outbox.freeze();
    if (rest[0] === this.#me) this.#createForm1(rest, [], now);
    else this.#become({ name: "represented", by: rest[0] as DaemonId, until: now + this.#config.timeouts.repMs });
  }

  /** The first token of the ring that forms has come: FORM2 need not be repeated. */
  onFirstToken(): void {
    if (this.#state.name !== "recovery" || this.#state.resend === undefined) return;
    if (!this.#isElsewhere(this.#state.resend.to)) this.#state.resend = undefined;
  }

  /** This daemon has left. */
  leave(): void {
    this.#become({ name: "left" });
  }

  get #mySegment(): number {
    return this.#config.layout.segmentOf(this.#me);
  }

  #stateDeadline(): number {
    const state = this.#state;
    switch (state.name) {
      case "operational":
        return state.lookupAt;
      case "segment":
        return Math.min(state.aliveAt, state.decideAt);
      case "represented":
        return state.until;
      case "gather":
        return Math.min(state.joinAt, state.decideAt);
      case "form":
        return Math.min(state.until, state.resend?.at ?? NEVER);
      case "recovery":
        return Math.min(state.progressAt + this.#stallMs, state.resend?.at ?? NEVER);
      case "left":
        return NEVER;
    }
  }

  #tokenDeadline(now: number): number {
    const state = this.#state;
    const { tokenMs } = this.#config.timeouts;
    switch (state.name) {
      case "operational":
      case "gather":
        return this.#outbox.ringMembers().length > 0 ? this.#outbox.tokenSeenAt(now) + tokenMs : NEVER;
      case "recovery":
        return Math.max(this.#outbox.tokenSeenAt(now), state.since) + tokenMs;
      case "segment":
      case "represented":
      case "form":
      case "left":
        return NEVER;
    }
  }

  get #stallMs(): number {
    return STALL_TOKEN_TIMEOUTS * this.#config.timeouts.tokenMs;
  }

  #onTimer(now: number): void {
    const state = this.#state;
    const { timeouts } = this.#config;
    switch (state.name) {
      case "operational": {
        cover("evs operational timer");
        const missing = this.#missing(now);
        this.#lookups++;
        if (missing.length > 0 && this.#isLeader) {
          this.#potential = new Set(missing);
          this.#becomeGather(new Set(), now);
        } else {
          state.lookupAt = this.#lookupAt(now);
        }
        return;
      }
      case "segment":
        if (now >= state.decideAt) {
          this.#decideSegment(state.members, now);
        } else {
          this.#sendAlive();
          state.aliveAt = now + timeouts.aliveMs;
        }
        return;
      case "represented":
        cover("evs represented timer");
        this.#outbox.freeze();
        this.#becomeSegment(now);
        return;
      case "gather":
        if (now >= state.decideAt) {
          this.#decideGather(now);
        } else {
          this.#sendJoin(state.representatives);
          state.joinAt = now + timeouts.joinMs;
        }
        return;
      case "form":
        if (now >= state.until) {
          cover("evs form timer");
          this.lost({ kind: "formTimeout", silentMs: timeouts.formMs }, now);
        } else {
          this.#resend(state.resend, now);
        }
        return;
      case "recovery":
        if (now >= state.progressAt + this.#stallMs) {
          if (this.#outbox.recoveryProgressed()) state.progressAt = now;
          else this.lost({ kind: "recoveryStall", silentMs: now - state.progressAt }, now);
        } else {
          this.#resend(state.resend, now);
        }
        return;
      case "left":
        return;
    }
  }

  #resend(resend: Resend | undefined, now: number): void {
    if (resend === undefined || now < resend.at) return;
    this.#outbox.send(resend.to, resend.kind, resend.body);
    resend.at = now + this.#config.timeouts.formResendMs;
  }

  #become(state: MembershipState): void {
    const from = this.#state.name;
    this.#state = state;
    if (from !== state.name) this.#outbox.stateChanged(from, state.name);
  }

  #becomeSegment(now: number): void {
    this.#epoch++;
    const { aliveMs, segMs } = this.#config.timeouts;
    const members = new Set([this.#me]);
    this.#become({ name: "segment", members, aliveAt: now + aliveMs, decideAt: now + segMs });
    this.#sendAlive();
    if (this.#isEverybody(members)) this.#decideSegment(members, now);
  }

  #decideSegment(members: ReadonlySet<DaemonId>, now: number): void {
    cover("evs segment decide");
    const first = this.#config.layout.sorted(members)[0] as DaemonId;
    if (first === this.#me) this.#becomeGather(new Set(members), now);
    else this.#become({ name: "represented", by: first, until: now + this.#config.timeouts.repMs });
  }

  #becomeGather(members: Set<DaemonId>, now: number): void {
    const { joinMs, gatherMs } = this.#config.timeouts;
    members.add(this.#me);
    const me: Representative = { daemon: this.#me, segment: this.#mySegment, type: this.#myType };
    const representatives = new Map([[this.#me, me]]);
    this.#become({ name: "gather", representatives, members, joinAt: now + joinMs, decideAt: now + gatherMs });
    this.#sendJoin(representatives);
    if (!this.isTokenAlive && this.#isEverybody(members)) this.#decideGather(now);
  }

  #decideGather(now: number): void {
    const state = this.#state;
    if (state.name !== "gather") return;
    cover("evs gather decide");
    const sorted = [...state.representatives.values()].sort((a, b) =>
      compareRepresentatives(this.#config.layout, a, b),
    );
    const tokenAlive = this.isTokenAlive;
    if (sorted[0]?.daemon === this.#me) {
      if (sorted.length === 1 && tokenAlive) {
        this.#become({ name: "operational", lookupAt: this.#lookupAt(now) });
      } else {
        const members = tokenAlive ? this.#outbox.ringMembers() : state.members;
        this.#createForm1(members, sorted.slice(1), now);
      }
    } else if (tokenAlive) {
      this.#become({ name: "operational", lookupAt: this.#lookupAt(now) });
    } else {
      this.#potential = new Set(sorted.map(({ daemon }) => daemon).filter((daemon) => daemon !== this.#me));
      this.#becomeGather(state.members, now);
    }
  }

  #adopt(representative: DaemonId, now: number): void {
    this.#become({ name: "represented", by: representative, until: now + this.#config.timeouts.repMs });
    this.#sendAlive();
  }

  #addRepresentatives(join: Join, now: number): void {
    const state = this.#state;
    if (state.name !== "gather") return;
    const { layout, timeouts } = this.#config;
    const [sender, ...listed] = join.representatives as [Representative, ...Representative[]];
    state.representatives.set(sender.daemon, sender);
    for (const { daemon } of listed) {
      if (daemon === this.#me || !layout.has(daemon) || state.representatives.has(daemon)) continue;
      if (this.#potential.has(daemon)) continue;
      this.#potential.add(daemon);
      state.joinAt = now;
    }
    const smallest = [...state.representatives.values()].every(
      (other) => compareRepresentatives(layout, sender, other) <= 0,
    );
    // The smallest decides; who is not smallest waits for its form as long as it is heard.
    if (smallest) state.decideAt = now + timeouts.gatherMs;
  }

  #memberLost(daemon: DaemonId, restarted: boolean, now: number): void {
    this.lost({ kind: "memberLost", daemon, restarted }, now);
    const state = this.#state;
    if (state.name === "segment" && this.#config.layout.segmentOf(daemon) === this.#mySegment) {
      state.members.add(daemon);
      if (this.#isEverybody(state.members)) this.#decideSegment(state.members, now);
    }
  }

  #createForm1(members: Iterable<DaemonId>, others: readonly Representative[], now: number): void {
    const form = newForm1(this.#me, ++this.#attempts, members, others, this.#config.layout);
    this.#fillForm1(form, now);
  }

  #fillForm1(form: Form1, now: number): void {
    const myMembers = this.#myMembers();
    this.#outbox.freeze();
    checkIn(form, this.#me, myMembers, this.#config.layout);
    form.version = Math.min(form.version, this.#config.versionMax);
    form.epochs.push({ daemon: this.#me, incarnation: this.#config.incarnation, epoch: this.#epoch });
    if (!this.#outbox.visit(form)) {
      this.#becomeSegment(now);
      return;
    }
    avoidUnreachable(form, this.#me, this.#config.layout, (daemon) => this.#reachability.isLeftOut(daemon, now));
    const { formMs } = this.#config.timeouts;
    const next = nextOfForm1(form);
    const resend = next === undefined ? undefined : this.#resendOf(next, Kind.form1, encodeForm1(form), form, now);
    this.#become({ name: "form", form, until: now + formMs, resend });
    if (resend !== undefined) {
      this.#outbox.send(resend.to, resend.kind, resend.body);
      return;
    }
    this.#passForm2(form2Of(form, this.#config.layout), now);
  }

  /** Hands FORM2 to the member whose turn it is: me as well, if it is mine. */
  #passForm2(form: Form2, now: number): void {
    const to = form.members[form.position] as DaemonId;
    if (to === this.#me) {
      this.#readForm2(form, now);
      return;
    }
    const resend = this.#resendOf(to, Kind.form2, encodeForm2(form), form, now);
    if (this.#state.name === "form" || this.#state.name === "recovery") this.#state.resend = resend;
    this.#outbox.send(resend.to, resend.kind, resend.body);
  }

  #readForm2(form: Form2, now: number): void {
    if (form.members[form.position] !== this.#me || !this.#outbox.recover(form)) return;
    this.#memberEpochs = new Map(form.epochs.map((member) => [member.daemon, member]));
    // Whom a member does not reach is not worth calling again at once.
    for (const daemon of form.leftOut) this.#calls.failed(daemon, now);
    this.#become({ name: "recovery", since: now, progressAt: now, resend: undefined });
    form.position++;
    if (form.position < form.members.length) this.#passForm2(form, now);
    const { layout } = this.#config;
    if (layout.ofSite(form.members, layout.siteOf(this.#me)).at(-1) === this.#me) this.#outbox.startToken(now);
  }

  #isElsewhere(daemon: DaemonId): boolean {
    const { layout } = this.#config;
    return layout.siteOf(daemon) !== layout.siteOf(this.#me);
  }

  get #isLeader(): boolean {
    return this.#outbox.ringMembers()[0] === this.#me;
  }

  get #myType(): Representative["type"] {
    return this.#outbox.ringMembers().length > 0 ? "ring" : "segment";
  }

  /** Whom I bring as a representative. */
  #myMembers(): Iterable<DaemonId> {
    if (this.isTokenAlive && this.#state.name === "gather") return [...this.#outbox.ringMembers()];
    return this.#state.name === "gather" || this.#state.name === "segment" ? this.#state.members : [];
  }

  /** Whether I, a representative without a ring, let another's form take me as a member: the smaller one's. */
  #yieldsTo(creator: DaemonId): boolean {
    const { layout } = this.#config;
    return this.#myType === "segment" && layout.positionOf(creator) < layout.positionOf(this.#me);
  }

  /** Whether these are all that are configured: then there is nobody to wait for. */
  #isEverybody(members: ReadonlySet<DaemonId>): boolean {
    const { layout } = this.#config;
    // Of other segments only their representatives are heard, so one cannot know.
    if (this.#state.name === "gather" && !layout.hasOneSegment) return false;
    return layout.daemons.every(({ id, segment }) => segment !== this.#mySegment || members.has(id));
  }

  #missing(now: number): DaemonId[] {
    const ring = new Set(this.#outbox.ringMembers());
    const ids = this.#config.layout.daemons.map(({ id }) => id);
    return ids.filter((id) => !ring.has(id) && !this.#calls.isLeftOut(id, now));
  }

  #lookupAt(now: number): number {
    const { lookupMs, gatherMs } = this.#config.timeouts;
    return this.#isLeader ? now + Math.min(lookupMs, gatherMs * 2 ** this.#lookups) : NEVER;
  }

  /** Whether a ring member's announcement is from before the ring: it says nothing about the ring then. */
  #isStale(from: DaemonId, { incarnation, epoch }: Alive): boolean {
    const member = this.#memberEpochs.get(from);
    return member !== undefined && member.incarnation === incarnation && epoch <= member.epoch;
  }

  #hasRestarted(from: DaemonId, { incarnation }: Alive): boolean {
    const member = this.#memberEpochs.get(from);
    return member !== undefined && member.incarnation !== incarnation;
  }

  #refer(asker: DaemonId, to: DaemonId): void {
    if (asker === to) return;
    const body = encodeRefer({ incarnation: this.#config.incarnation, to });
    this.#outbox.send(asker, Kind.refer, body);
  }

  #resendOf(to: DaemonId, kind: number, body: Uint8Array, { creator, attempt }: FormHeld, now: number): Resend {
    return { to, kind, body, creator, attempt, at: now + this.#config.timeouts.formResendMs, reached: false };
  }

  #sendFormHeld(to: DaemonId, { creator, attempt }: FormHeld): void {
    if (to !== this.#me) this.#outbox.send(to, Kind.formHeld, encodeFormHeld({ creator, attempt }));
  }

  #sendAlive(): void {
    this.#outbox.announce(Kind.alive, encodeAlive(this.#announcement()));
  }

  #sendJoin(representatives: ReadonlyMap<DaemonId, Representative>): void {
    const me = representatives.get(this.#me) as Representative;
    const others = [...representatives.values()].filter(({ daemon }) => daemon !== this.#me);
    const body = encodeJoin({ ...this.#announcement(), representatives: [me, ...others] });
    const announced = !this.isTokenAlive;
    if (announced) this.#outbox.announce(Kind.join, body);
    for (const daemon of new Set([...this.#potential, ...others.map((other) => other.daemon)])) {
      if (daemon === this.#me) continue;
      if (announced && this.#config.layout.segmentOf(daemon) === this.#mySegment) continue;
      this.#outbox.send(daemon, Kind.join, body);
    }
  }

  #announcement(): Alive {
    return {
      incarnation: this.#config.incarnation,
      epoch: this.#epoch,
      versionMax: this.#config.versionMax,
      configuration: this.#outbox.configurationId(),
    };
  }
}
