/*
 * Do the checks see anything? Plants faults in a copy of the protocols, one at a time, runs random schedules against each,
 * and says after how many a check objected, and which. A fault that survives is a promise that nobody checks, or a
 * situation that no schedule makes.
 *
 *   node test/soak/mutations.mjs [--schedules 200] [--seed 1] [name …]
 *
 * Ends with 1 if a fault survived.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/**
 * Where each fault goes: `from` must be there exactly once, that of a second place that is changed `also` as well. With `groups` the schedules
 * have process groups; with `sites` they are of daemons in several sites; with `regions` they are
 * of nodes in regions, over the `service` that is named; with a `layer` they are of that one.
 */
const MUTATIONS = [
  {
    name: "obliged messages behind a hole are dropped",
    file: "ordering/orderer.ts",
    from: "if (!obliged && (",
    to: "if (obliged && (",
  },
  {
    name: "anybody's messages behind a hole are delivered",
    file: "ordering/orderer.ts",
    from: /\n *if \(!obliged && \(.*continue;/,
    to: "",
  },
  {
    name: "who commits is obliged to nothing new",
    file: "membership/evs.ts",
    from: "    this.#obligation = forming.recovery.obligation;\n",
    to: "",
  },
  {
    name: "what a later visitor exposes is not lacking at those before",
    file: "membership/obligation.ts",
    from: /\n *for \(const newSite of sitesBefore\) lackOf.*;/,
    to: "",
  },
  {
    name: "the obligation of failed attempts is forgotten",
    file: "membership/obligation.ts",
    from: "new Set([...record.commit, ...commit, me])",
    to: "new Set([...record.commit, me])",
  },
  {
    name: "knowledge of the others is taken over before everything is held",
    file: "membership/recovery.ts",
    from: "    if (this.missing() !== undefined) return false;\n",
    to: "",
  },
  {
    name: "the next install does not wait for all to commit",
    file: "ring/ring.ts",
    from: "if (this.#recovery.reached < 1) {",
    to: "if (this.#recovery.reached < 1 && !done) {",
  },
  {
    name: "safe messages are delivered like agreed ones",
    file: "ordering/orderer.ts",
    from: "fragment.service === SAFE && packet.lts > this.#safeLts",
    to: "fragment.service === SAFE && packet.lts > this.#safeLts + 1e9",
  },
  {
    name: "the aru is taken after one rotation",
    file: "ring/aru.ts",
    from: "Math.min(value, this.#passed)",
    to: "value",
  },
  {
    name: "the ids of configurations do not learn from others",
    file: "membership/evs.ts",
    from: "    form.maxTime = Math.max(form.maxTime, this.#maxTime);\n",
    to: "",
  },
  {
    name: "more is stamped than the window allows",
    file: "ring/ring.ts",
    from: "allowance -= bytes.length;",
    to: "",
  },
  {
    name: "stamps run away from what is stable",
    file: "ring/ring.ts",
    from: "Math.min(token.siteSeq + left, stableSeq + this.#gapMax)",
    to: "token.siteSeq + left",
  },
  {
    name: "who keeps the token says that all have what some lack",
    file: "ring/rest.ts",
    from: "const isQuiet = token.idleHops >= count",
    to: "const isQuiet = token.recovered === 1 || token.idleHops >= count",
  },
  {
    name: "what may still be on its way is asked for",
    file: "ring/ring.ts",
    from: "Math.min(this.#seqPassed, seqBefore) : seqBefore",
    to: "seqBefore : seqBefore",
  },
  {
    name: "an exchange that is cut short merges sets though the own one was not complete",
    file: "groups/groups.ts",
    from: "if (exchange.isOwnComplete) {",
    to: "if (exchange.others().length > 0) {",
    groups: true,
  },
  {
    name: "an exchange that is cut short keeps who did not come along",
    file: "groups/groups.ts",
    from: "if (this.#directory.prune(members)) unchanged = false;",
    to: "if (members.size === 0) unchanged = false;",
    groups: true,
  },
  {
    name: "after an exchange that was cut short the representative tells what it knew before it merged",
    file: "groups/groups.ts",
    from: "    if (!unchanged) this.#told = undefined;\n",
    to: "",
    groups: true,
  },
  {
    name: "who has merged a set in an exchange that was cut short does not count with it",
    file: "groups/groups.ts",
    from: "      for (const other of exchange.others()) {\n        this.#merge(other);\n",
    to: "      for (const other of exchange.others()) {\n        this.#directory.merge(other.state);\n",
    groups: true,
  },
  {
    name: "who is declared failed is still listened to",
    file: "qsm/arrivals.ts",
    from: 'this.#parts.peers.isFenced(from) && channel !== "repair"',
    to: "from < 0",
    regions: true,
  },
  {
    name: "a view is retired before it is final",
    file: "qsm/ring.ts",
    from: "if (final === undefined) return false;",
    to: "if (final === undefined) return this.#records.areSettled && ![...this.#host.streams.values()].some((stream) => this.#records.isOfInterest(stream));",
    regions: true,
  },
  {
    name: "a view is retired though a failed sender is not settled",
    file: "qsm/ring.ts",
    from: "    if (!this.#records.areSettled) return false;\n    return final",
    to: "    return final",
    regions: true,
  },
  {
    name: "packets in a new view do not say what comes before them",
    file: "qsm/sending.ts",
    from: "    return before.slice(0, Math.min(AFTER_MAX",
    to: "    return before.slice(0, 0 * Math.min(AFTER_MAX",
    regions: true,
  },
  {
    name: "a receiver does not wait for what comes before",
    file: "qsm/region.ts",
    from: "    if (waiting.length === 0) return;\n",
    to: "    if (waiting.length >= 0) return;\n",
    regions: true,
  },
  {
    name: "a member that has nothing of a sender does not count",
    file: "qsm/visits.ts",
    from: "Math.min(record.maxContiguous, stream.acknowledged)",
    to: "Math.min(record.maxContiguous, stream.acknowledged || record.maxContiguous)",
    regions: true,
  },
  {
    name: "who does not know a view passes its token on",
    file: "qsm/arrivals.ts",
    from: "else if (!this.#tellRetired(from, id)) this.#parts.unknown.addToken(message);",
    to: 'else if (!this.#tellRetired(from, id) && message.phase === "visit") this.#host.tell(from, { ...message, phase: "close" });',
    regions: true,
  },
  {
    name: "the leader acknowledges what it has itself",
    file: "qsm/round-records.ts",
    from: "    stream.cleanTo(maxContiguous);\n    if (settlement",
    to: "    stream.cleanTo(Math.max(maxContiguous, stream.contiguous));\n    if (settlement",
    regions: true,
  },
  {
    name: "what a partition lacks is lost without having been asked for",
    file: "qsm/settlement.ts",
    from: "    this.#candidates = candidates;\n",
    to: "    lost.addAll(candidates);\n",
    regions: true,
  },
  {
    // Random schedules hardly ever lose anything for good; the one of regions.test.ts in which a leader fails while it says so objects (K35).
    name: "a new leader does not hear what others have given up",
    file: "qsm/visits.ts",
    from: "    lost.addAll(stream.givenUp);\n",
    to: "",
    regions: true,
  },
  {
    name: "copies go before their partition has them",
    file: "qsm/stream.ts",
    from: "const end = Math.min(seq, this.passed);",
    to: "const end = this.passed;",
    regions: true,
  },
  {
    name: "a cacher lets go what is not stable",
    file: "qsm/stream.ts",
    from: "if (!this.#plan.caches(this.#index, next) && isKept(next)) this.#store.delete(next);",
    to: "if (isKept(next)) this.#store.delete(next);",
    regions: true,
  },
  {
    name: "packets that were overtaken just now are reported missing",
    file: "qsm/come-by.ts",
    from: "now - first.at >= this.#ageMs ?",
    to: "now >= first.at ?",
    regions: true,
  },
  {
    name: "packets that may be under way are reported missing",
    file: "qsm/round-records.ts",
    from: "cutOff: settlement?.last ?? stream.cutOff,",
    to: "cutOff: settlement?.last ?? stream.maxSeen,",
    regions: true,
  },
  {
    name: "a sender is asked for what one member lacks",
    file: "qsm/visits.ts",
    from: "    const common = record.aggregate.intersection(mine);\n",
    to: "    const common = mine.clone();\n",
    regions: true,
  },
  {
    name: "tokens of rounds that are over count",
    file: "qsm/ring.ts",
    from: "if (token.round >= this.#round) {",
    to: "if (token.round >= 0) {",
    regions: true,
  },
  {
    name: "tokens of before a failure count",
    file: "qsm/ring.ts",
    from: "if (token.failure < this.#failure) {",
    to: "if (token.failure < 0) {",
    regions: true,
  },
  {
    // A simulated turn is one datagram, in which little comes between; turns of several are those of token-turn.test.ts, which objects.
    name: "a token leaves as it was made, however long it waits",
    file: "qsm/ring.ts",
    from: "if (token.failure !== this.#failure || isOver) {",
    to: "if (token.failure !== this.#failure || isOver || token) return token; else {",
    regions: true,
  },
  {
    name: "rounds end though something is under way",
    file: "qsm/ring.ts",
    from: "        token.quiesce = token.quiesceCommit = false;\n",
    to: "",
    regions: true,
  },
  {
    name: "rounds never end",
    file: "qsm/ring.ts",
    from: "const isIdle = token.quiesce && !this.#hasWork();",
    to: "const isIdle = false;",
    regions: true,
  },
  {
    name: "nobody wakes the leader",
    file: "qsm/ring.ts",
    from: "      this.#host.wake(this.#members.leader);\n",
    to: "",
    regions: true,
  },
  {
    name: "the loss of the last packet is not noticed",
    file: "qsm/sending.ts",
    from: "if (now < sender.deadline) continue;",
    to: "if (sender) continue;",
    regions: true,
  },
  {
    name: "a message that has begun moves to the new view",
    file: "qsm/sender.ts",
    from: "for (const message of waiting) if (!message.isPinned) rest.push(message);",
    to: "for (const message of waiting) rest.push(message);",
    regions: true,
  },
  {
    name: "what was sealed is reported too low",
    file: "qsm/sending.ts",
    from: "return { id, last: sender.last };",
    to: "return { id, last: sender.stable };",
    regions: true,
  },
  {
    name: "a lost message is not told",
    file: "qsm/region.ts",
    from: "          this.#host.lost(this.#ownGroups(), sender, count);\n",
    to: "",
    regions: true,
  },
  {
    name: "senders are granted more than the weakest member takes",
    file: "qsm/region.ts",
    from: "this.#grants.completed(rates.least,",
    to: "this.#grants.completed(2 * rates.least + 100,",
    regions: true,
  },
  {
    name: "copies for others leave after data",
    file: "qsm/node.ts",
    from: "const copied = this.#flushCopies(most, now);",
    to: "this.room -= this.#sending.flush(most, now);\n    const copied = this.#flushCopies(most, now);",
    regions: true,
  },
  {
    name: "the service closes a view without waiting for reports",
    file: "cms/view-life.ts",
    from: "this.supersededAt !== undefined && this.owed === 0 && !this.isFinal",
    to: "this.supersededAt !== undefined && !this.isFinal",
    regions: true,
    service: "replica",
  },
  {
    name: "members of old views do not hear of failures",
    file: "cms/lifecycle.ts",
    from: "if (step.failed.length > 0) this.#tellOldViews(step.failed, told);",
    to: "",
    regions: true,
    service: "replica",
  },
  {
    // Each makes up for the other: who was not told asks, and who was told need not. By itself each is a test of lifecycle.test.ts; to both
    // random schedules hardly ever object, but the one of regions.test.ts with who has left a group does (K41).
    name: "those who could send in a view do not hear that its members have failed, nor when they ask",
    file: "cms/lifecycle.ts",
    from: /\n *if \(nodes\.some\(\(node\) => life\.hasMember\(node\)\)\) .*;/,
    to: "",
    also: {
      file: "cms/lifecycle.ts",
      from: "if (this.#map.node(node) === undefined) this.#notice(report.node).failed.add(node);",
      to: "if (node < 0) this.#notice(report.node).failed.add(node);",
    },
    regions: true,
    service: "replica",
  },
  {
    name: "an epoch begins with the state that a daemon happens to have",
    file: "cms/continuity.ts",
    from: "if (heir === undefined || isLonger(standing, heir[1])) heir = [daemon, standing];",
    to: "heir = [daemon, standing];",
    regions: true,
    service: "daemons",
  },
  {
    name: "a daemon that comes back does not adopt the state of the others",
    file: "cms/beginning.ts",
    from: "if (sender !== this.#me) this.#outbox.adopt(joined(stage.pieces));",
    to: "",
    regions: true,
    service: "daemons",
  },
  {
    name: "minorities compute changes too",
    file: "cms/service.ts",
    from: "if (configuration.primary) {",
    to: "if (configuration) {",
    regions: true,
    service: "daemons",
  },
  {
    name: "a representative passes nothing on to the sites behind it",
    file: "membership/wide-area.ts",
    from: "for (const hop of this.#towards(source, sites === undefined ? this.#all : SiteSet.of(...sites))) {",
    to: "for (const hop of this.#towards(source, SiteSet.of())) {",
    sites: true,
  },
  {
    name: "a site says that it holds what only its representative holds",
    file: "membership/wide-area.ts",
    from: "const update = { configuration: id, site: local.site, seq, lts, aru: local.acknowledged, clock };",
    to: "const update = { configuration: id, site: local.site, seq, lts, aru: lts, clock };",
    sites: true,
  },
  {
    name: "a site promises more than its clock has reached",
    file: "membership/wide-area.ts",
    from: "const update = { configuration: id, site: local.site, seq, lts, aru",
    to: "const update = { configuration: id, site: local.site, seq, lts: lts + 3, aru",
    sites: true,
  },
  {
    name: "an order of messages waits for the own site alone",
    file: "ring/configuration.ts",
    from: "if (this.streams.length === 1) return this.local.unknownLts;",
    to: "if (this.streams.length > 0) return this.local.unknownLts;",
    sites: true,
  },
  {
    name: "a site stamps below what it has delivered of others",
    file: "ring/remote-sites.ts",
    from: "token.siteLts = Math.max(token.siteLts, ltsHeld, clock, clockHeard);",
    to: "token.siteLts = Math.max(token.siteLts, Math.min(ltsHeld, token.siteLts + 1), clock);",
    sites: true,
  },
  {
    name: "what is safe does not wait for other sites",
    file: "ring/configuration.ts",
    from: "for (const { acknowledged } of this.streams) if (acknowledged < lowest) lowest = acknowledged;",
    to: "",
    sites: true,
  },
  {
    name: "nobody supplies other sites in recovery",
    file: "membership/site-supplies.ts",
    from: "if (!left.isEmpty) this.#supplies.push(",
    to: "if (left.isEmpty) this.#supplies.push(",
    sites: true,
  },
  {
    name: "sites install without waiting for each other",
    file: "membership/wide-area.ts",
    from: "return this.#done.size === this.#routes.sites.length;",
    to: "return this.#done.size > 0;",
    sites: true,
  },
  {
    name: "a failed hop leaves the configuration as it is",
    file: "membership/wide-area.ts",
    from: "outbox.siteLost(lost, why)",
    to: "void [lost, why]",
    sites: true,
  },
  {
    name: "what repairs give back lacks its last byte, and is not compared with its checksum (K46)",
    file: "ricochet/decoder.ts",
    from: "xor.copyTo(bytes, 0, lengths);",
    to: "xor.copyTo(bytes, 0, lengths - 1);",
    also: {
      file: "ricochet/decoder.ts",
      from: "checksumOfBytes(bytes) !== checksum >>> 0 || ",
      to: "",
    },
    layer: "timely",
  },
  {
    name: "repairs keep bytes of the repair before (K46)",
    file: "ricochet/repair-sum.ts",
    from: "    this.#xor.clear();\n",
    to: "",
    layer: "timely",
  },
  {
    name: "a packet that comes again is handed over again (K46)",
    file: "ricochet/timely-node.ts",
    from: 'if (presence === "held" || presence === "past") {',
    to: 'if (presence === "past") {',
    layer: "timely",
  },
  {
    name: "a member that comes back begins its numbers anew (K46)",
    file: "ricochet/own-streams.ts",
    from: "return this.#left.get(group) ?? this.#lastForgotten;",
    to: "return 0;",
    layer: "timely",
  },
  {
    name: "packets of before the receiver joined are delivered (K46)",
    file: "ricochet/timely-node.ts",
    from: "if (view < stream.since && !stream.isMine(id.seq)) {",
    to: "if (view < 0) {",
    layer: "timely",
  },
  {
    name: "what was rebuilt is repaired to others (K47)",
    file: "ricochet/timely-node.ts",
    from: 'if (arrival === "received") this.#repairer.collect(kept, this.#now);',
    to: "this.#repairer.collect(kept, this.#now);",
    layer: "timely",
  },
  {
    name: "assigned repairs cover one member too few (K47)",
    file: "ricochet/assigned-bins.ts",
    from: "if (order.rankOf(turn, distance) >= (peer.copies ?? repairs)) continue;",
    to: "if (order.rankOf(turn, distance) >= (peer.copies ?? repairs) - 1) continue;",
    layer: "timely",
  },
  {
    name: "random repairs go to one member more (K47)",
    file: "ricochet/random-bins.ts",
    from: "const count = this.#count;",
    to: "const count = Math.min(region.length, this.#count + 1);",
    layer: "timely",
  },
  {
    name: "bins are fired at once (K47)",
    file: "ricochet/bins.ts",
    from: "if (bin.packets.length >= packetsMax) this.#fireBin(bin);",
    to: "if (bin.packets.length >= packetsMax / 2) this.#fireBin(bin);",
    layer: "timely",
  },
  {
    name: "bins are not fired as members change (K47)",
    file: "ricochet/timely-node.ts",
    from: "    this.#repairer.fireAll(now);\n",
    to: "",
    layer: "timely",
  },
  {
    name: "own packets are not repaired (K47)",
    file: "ricochet/timely-node.ts",
    from: "    this.#repairer.collect({ id, bytes, at: now, checksum: undefined }, now);\n",
    to: "",
    layer: "timely",
  },
  {
    name: "groups without repairs share bins with others (K47)",
    file: "ricochet/repairer.ts",
    from: "if (shape.members.length < 2 || shape.repairs === 0) continue;",
    to: "if (shape.members.length < 2) continue;",
    also: {
      file: "ricochet/repairer.ts",
      from: "const key = `${kind.targets} ${kind.packetsMax} ${kind.recovery}`;",
      to: "const key = `${kind.recovery}`;",
    },
    layer: "timely",
  },
  {
    name: "bins have no sub-bins (K48)",
    file: "ricochet/stagger.ts",
    from: "if (burstPackets === 1 || all < SAMPLES_MIN) return 1;",
    to: "if (burstPackets > 0 || all < SAMPLES_MIN) return 1;",
    layer: "timely",
  },
  {
    name: "the first sub-bin gets all packets (K48)",
    file: "ricochet/bins.ts",
    from: "this.#turn = (this.#turn + 1) % this.#bins.length;",
    to: "",
    layer: "timely",
  },
  {
    name: "aligned bins take packets in a row (K48)",
    file: "ricochet/aligned-bins.ts",
    from: "const stride = stagger + ([0, 1, 3][place] as number);",
    to: "const stride = 1;",
    layer: "timely",
  },
  {
    name: "nothing is asked for (K49)",
    file: "ricochet/requests.ts",
    from: "        due.add(missing.seq);\n",
    to: "",
    layer: "timely",
  },
  {
    name: "what is asked for is given up after the first request (K49)",
    file: "ricochet/requests.ts",
    from: "for (let asked = 0; asked <= nakMax; asked++) giveUpMs",
    to: "for (let asked = 0; asked <= 0; asked++) giveUpMs",
    layer: "timely",
  },
  {
    name: "what is given up is not told (K49)",
    file: "ricochet/requests.ts",
    from: "          this.#outbox.giveUp(stream, missing);\n",
    to: "",
    layer: "timely",
  },
  {
    name: "what a sender has not got any more is lost without a word (K49)",
    file: "ricochet/incoming-streams.ts",
    from: "if (from - 1 > stream.highest) {",
    to: "if (from - 1 > stream.highest && from < 0) {",
    layer: "timely",
  },
  {
    name: "senders do not say how far they are (K49)",
    file: "ricochet/own-streams.ts",
    from: "stream.stateAt = now + stateMs;",
    to: "stream.stateAt = NEVER;",
    layer: "timely",
  },
  {
    name: "whoever joins misses nothing of what came before the first packet that it heard of (K49)",
    file: "ricochet/incoming.ts",
    from: "    for (let n = first; n <= this.#floor; n++) this.#miss(n, now, askAt);\n",
    to: "",
    layer: "timely",
  },
  {
    name: "where a stream begins is taken for known when its sender does not answer (K49)",
    file: "ricochet/requests.ts",
    from: "    if (isDue) {\n",
    to: "    if (isDue && stream.beginningAsked >= 2) stream.begin(0);\n    else if (isDue) {\n",
    layer: "timely",
  },
  {
    name: "a message is committed when its place is known (K50)",
    file: "plato/plato-group.ts",
    from: 'this.#config.commit === "ordered" ? this.#held : this.#stable',
    to: "this.#held",
    layer: "plato",
  },
  {
    name: "the sequencer does not wait for all acknowledgements (K50)",
    file: "plato/sequencer.ts",
    from: "least = Math.min(least, this.#acks.get(member)?.held ?? 0);",
    to: "least = Math.min(least, this.#acks.get(member)?.held ?? least);",
    layer: "plato",
  },
  {
    name: "a view begins with the shortest order (K50)",
    file: "plato/closing.ts",
    from: "(state.opened === best.opened && end(state) > end(best))",
    to: "(state.opened === best.opened && end(state) < end(best))",
    layer: "plato",
  },
  {
    name: "a view begins with the order of whoever was in any before (K50)",
    file: "plato/closing.ts",
    from: "state.opened > best.opened ||",
    to: "state.opened < best.opened ||",
    layer: "plato",
  },
  {
    name: "orders of former sequencers count (K50)",
    file: "plato/plato-group.ts",
    from: "if (body.view !== view.number || !view.members.includes(from)) return;",
    to: "if (!view.members.includes(from)) return;",
    also: {
      file: "plato/plato-group.ts",
      from: "if (from === view.sequencer) this.#onOrder(body);",
      to: "this.#onOrder(body);",
    },
    layer: "plato",
  },
  {
    name: "a rollback tells one place too many (K50)",
    file: "plato/deliveries.ts",
    from: "this.#outbox.rollback(this.#shown.at(-1)?.position ?? this.#committed);",
    to: "this.#outbox.rollback((this.#shown.at(-1)?.position ?? this.#committed) - 1);",
    layer: "plato",
  },
  {
    name: "what was delivered early in another place stays (K50)",
    file: "plato/plato-group.ts",
    from: "if (isOther) deliveries.rollBack(same);",
    to: "",
    layer: "plato",
  },
  {
    name: "what the sequencer has not got is not sent to it again (K50)",
    file: "plato/plato-group.ts",
    from: "      this.#forward(sequencer, message);\n",
    to: "",
    layer: "plato",
  },
  {
    name: "messages of views that are over are ordered late (K50)",
    file: "plato/plato-group.ts",
    from: "    if (view < present && !isPlaced) return;\n",
    to: "",
    layer: "plato",
  },
  {
    name: "a message stays at its site if the first member of its groups is there",
    file: "groups/group-interests.ts",
    from: "for (let i = 0; i < parts.length; i++) if (!sites.isNear",
    to: "for (let i = 0; i < Math.min(1, parts.length); i++) if (!sites.isNear",
    sites: true,
  },
  {
    name: "a join does not wait until all know that somebody may join",
    file: "groups/own-interests.ts",
    from: "      this.#announce({ number, wants: true, group });\n    }\n    return false;",
    to: "      this.#announce({ number, wants: true, group });\n    }\n    return true;",
    sites: true,
  },
  {
    name: "what others have announced is not asked for",
    file: "groups/group-interests.ts",
    from: "return sites.isAwaited(name);",
    to: "return false;",
    sites: true,
  },
  {
    name: "a FIFO message does not wait for what its session has agreed at its own site",
    file: "ordering/packer.ts",
    from: "return this.#prunes && barrier.lts > 0 && localLts > this.#outlook.stable();",
    to: "return false;",
    sites: true,
  },
  {
    name: "a site tells others of packets that only its representative holds",
    file: "ring/ring.ts",
    from: "local.heldHere = this.#linkAru.reached;",
    to: "local.heldHere = this.configuration.local.prefix;",
    sites: true,
  },
  {
    name: "what follows a safe message does not wait for it where it is not for",
    file: "membership/digests.ts",
    from: "run.isSafe ||= fragment.service === SAFE;",
    to: "",
    sites: true,
  },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    schedules: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    run: { type: "string" },
    groups: { type: "boolean", default: false },
    sites: { type: "boolean", default: false },
    regions: { type: "boolean", default: false },
    service: { type: "string" },
    layer: { type: "string" },
  },
});
const root = fileURLToPath(new URL("../..", import.meta.url));
if (values.run === undefined) process.exitCode = plantAll();
else await runSchedules(values.run);

function plantAll() {
  let survived = 0;
  const chosen = MUTATIONS.filter(({ name }) => positionals.every((part) => name.includes(part)));
  for (const mutation of chosen) {
    const line = plant(mutation);
    if (line.startsWith("SURVIVED")) survived++;
    console.log(`${line}: ${mutation.name}`);
  }
  console.log(`${chosen.length} faults planted, ${survived} survived ${values.schedules} schedules`);
  return survived > 0 ? 1 : 0;
}

/** One fault in a copy of the sources, in a process of its own: modules are loaded once per process. */
function plant({ groups, sites, regions, service, layer, ...fault }) {
  const copy = mkdtempSync(join(tmpdir(), "amalgam-mutation-"));
  try {
    cpSync(join(root, "src"), join(copy, "src"), { recursive: true });
    cpSync(join(root, "package.json"), join(copy, "package.json"));
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    for (const { file, from, to } of fault.also === undefined ? [fault] : [fault, fault.also]) {
      const path = join(copy, "src", file);
      const text = readFileSync(path, "utf8");
      const places =
        typeof from === "string" ? text.split(from).length - 1 : [...text.matchAll(new RegExp(from, "g"))].length;
      if (places !== 1) return `SURVIVED (found ${places} times in ${file}, must be once)`;
      writeFileSync(path, text.replace(from, to));
    }
    const kind = [
      ...(groups ? ["--groups"] : []),
      ...(sites ? ["--sites"] : []),
      ...(regions ? ["--regions"] : []),
      ...(service ? ["--service", service] : []),
      ...(layer ? ["--layer", layer] : []),
    ];
    const args = ["--import", "tsx", fileURLToPath(import.meta.url), "--run", copy, ...kind];
    const result = spawnSync(process.execPath, [...args, "--schedules", values.schedules, "--seed", values.seed], {
      cwd: root,
      encoding: "utf8",
    });
    return result.stdout.trim() || `SURVIVED (${/^.*Error.*$/m.exec(result.stderr)?.[0] ?? result.stderr.trim()})`;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

async function runSchedules(copy) {
  const { runSchedule } = await import(join(copy, "src/sim/index.ts"));
  const { generateForLayer, replayOnLayer } = await import(join(copy, "src/sim/layer.ts"));
  const { runRegions } = await import(join(copy, "src/sim/regions/run-regions.ts"));
  const run = (seed) => {
    const layer = values.layer ?? (values.sites ? "sites" : undefined);
    if (layer !== undefined) return replayOnLayer(layer, generateForLayer(layer, seed));
    if (!values.regions) return runSchedule(seed, { groups: values.groups });
    return runRegions(seed, values.service && { service: values.service });
  };
  const first = Number(values.seed);
  for (let i = 0; i < Number(values.schedules); i++) {
    const { violations } = await run(first + i);
    if (violations.length === 0) continue;
    const properties = [...new Set(violations.map(({ property }) => property))].join(", ");
    console.log(`caught by ${properties} in schedule ${i + 1}`);
    return;
  }
  console.log("SURVIVED");
}
