import type { DaemonId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import type { Configuration } from "../ring/configuration.ts";
import type { OldConfigurationRecord, StreamRecord } from "../wire/form.ts";

/*
 * The record of an old configuration on FORM1 and FORM2, and what its readers owe each other: recovery.md, "Exchange" and
 * "Obligation over failed attempts". Pure functions over records.
 */

/** A record that nobody has visited yet. */
export function emptyRecord(configuration: Configuration): OldConfigurationRecord {
  return {
    configuration: configuration.id,
    transitionalTime: 0,
    stable: 0,
    streams: configuration.streams.map(({ site }) => ({
      site,
      high: 0,
      known: { seq: 0, lts: 0 },
      announced: { seq: 0, lts: 0 },
      closed: false,
    })),
    lacks: [],
    transitional: [],
    commit: [],
  };
}

/**
 * A member of the old configuration adds what it holds. `mySite` is the site in which it will be in the new
 * configuration. False when the record does not have the streams of the configuration: not from a correct daemon.
 */
export function visitRecord(
  record: OldConfigurationRecord,
  configuration: Configuration,
  me: DaemonId,
  mySite: number,
  commit: Iterable<DaemonId>,
): boolean {
  const { streams } = configuration;
  if (record.streams.length !== streams.length) return false;
  if (record.streams.some(({ site }, i) => site !== streams[i]?.site)) return false;
  const sitesBefore = [...new Set(record.lacks.map(({ newSite }) => newSite))];
  const iAmFirstOfMySite = !sitesBefore.includes(mySite);
  record.stable = Math.max(record.stable, configuration.stable);
  streams.forEach((stream, i) => {
    const entry = record.streams[i] as StreamRecord;
    if (stream.high > entry.high) {
      // Nobody visited so far has heard of the newly exposed ones.
      for (const newSite of sitesBefore) lackOf(record, newSite, stream.site).add(entry.high + 1, stream.high);
      entry.high = stream.high;
    }
    const mine = stream.missing(entry.high);
    if (iAmFirstOfMySite) {
      record.lacks.push({ newSite: mySite, stream: stream.site, missing: mine });
    } else {
      const lack = record.lacks.find((other) => other.newSite === mySite && other.stream === stream.site);
      if (lack !== undefined) lack.missing = lack.missing.intersection(mine);
    }
    if (stream.known.lts > entry.known.lts) entry.known = stream.known;
    const { announced } = stream;
    if (
      announced.seq > entry.announced.seq ||
      (announced.seq === entry.announced.seq && announced.lts > entry.announced.lts)
    ) {
      entry.announced = announced;
    }
    entry.closed ||= stream.closed;
  });
  record.transitional.push(me);
  record.commit = [...new Set([...record.commit, ...commit, me])];
  return true;
}

/** The first reader of FORM2 from an old configuration names the transitional one, and closes streams nobody can add to. */
export function beginTransition(record: OldConfigurationRecord, configuration: Configuration, time: number): void {
  record.transitionalTime = time;
  for (const stream of record.streams) {
    const writers = configuration.members.filter((member) => configuration.siteOf(member) === stream.site);
    const areHere = writers.every((member) => record.transitional.includes(member));
    // A hole that nobody can fill is in front of a packet that nobody has sent: what is behind it stays uncertain.
    stream.closed ||= areHere && holesOf(record, stream.site).isEmpty;
  }
}

/** What nobody on the form holds of a stream. */
export function holesOf(record: OldConfigurationRecord, site: number): RangeSet {
  const lacks = record.lacks.filter(({ stream }) => stream === site);
  const [first, ...others] = lacks;
  if (first === undefined) return new RangeSet();
  return others.reduce((holes, { missing }) => holes.intersection(missing), first.missing.clone());
}

function lackOf(record: OldConfigurationRecord, newSite: number, stream: number): RangeSet {
  let lack = record.lacks.find((other) => other.newSite === newSite && other.stream === stream);
  if (lack === undefined) {
    lack = { newSite, stream, missing: new RangeSet() };
    record.lacks.push(lack);
  }
  return lack.missing;
}
