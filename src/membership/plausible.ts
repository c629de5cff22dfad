import { type ConfigurationId, type DaemonId, sameConfiguration } from "../base/ids.ts";
import type { Configuration } from "../ring/configuration.ts";
import { STREAM_CAPACITY } from "../ring/stream.ts";
import type { Form1, Form2, OldConfigurationRecord, StreamRecord } from "../wire/form.ts";
import type { Layout } from "./layout.ts";
import { holesOf } from "./obligation.ts";

/*
 * Forms that are well-formed may still be damaged, replayed or made up. What is checked here would break this
 * daemon's own invariants or make it loop without end; everything else is as good as a form of a member that fails.
 */

/** Later configurations could not be named within 32 bits of seconds; the clocks of today are far below. */
const TIME_MAX = 0xf000_0000;

/** Whether a daemon that is asked to add itself to the form can do so. */
export function isPlausibleForm1(form: Form1, me: DaemonId, configuration: Configuration, layout: Layout): boolean {
  const visited = [...form.done, ...form.pending];
  if (!areDistinct(visited) || !visited.every((daemon) => layout.has(daemon)) || form.maxTime >= TIME_MAX) return false;
  if (!form.representatives.every(({ daemon }) => layout.has(daemon))) return false;
  const record = mineOf(form.records, configuration.id);
  if (record === undefined) return true;
  return isPlausibleRecord(record, configuration) && (form.done.includes(me) || !record.transitional.includes(me));
}

/**
 * Whether FORM2 can be what came of the FORM1 that this daemon has signed. `maxTime`: the greatest time known here;
 * `obligation`: whose messages this daemon has promised to deliver.
 */
export function isPlausibleForm2(
  form: Form2,
  me: DaemonId,
  configuration: Configuration,
  maxTime: number,
  obligation: ReadonlySet<DaemonId>,
): boolean {
  const { members } = form;
  if (form.maxTime >= TIME_MAX || form.maxTime < maxTime) return false;
  if (form.position > 0) {
    const { leader, time } = form.configuration;
    if (leader !== members[0] || time <= maxTime || time >= TIME_MAX) return false;
  }
  const record = mineOf(form.records, configuration.id);
  if (record === undefined || !isPlausibleRecord(record, configuration)) return false;
  const { transitional } = record;
  return (
    transitional.includes(me) &&
    transitional.every((daemon) => members.includes(daemon)) &&
    [...obligation].every((daemon) => record.commit.includes(daemon)) &&
    keepsWhatCounts(record, configuration)
  );
}

function mineOf(records: readonly OldConfigurationRecord[], id: ConfigurationId): OldConfigurationRecord | undefined {
  return records.find(({ configuration }) => sameConfiguration(configuration, id));
}

/** Whether a member of the configuration can have written this, as far as any other member can tell. */
function isPlausibleRecord(record: OldConfigurationRecord, configuration: Configuration): boolean {
  const { streams } = configuration;
  const { transitional } = record;
  if (!areDistinct(transitional) || !transitional.every((daemon) => configuration.isMember(daemon))) return false;
  if (record.streams.length !== streams.length) return false;
  return streams.every((stream, i) => {
    const { site, high, known, announced } = record.streams[i] as StreamRecord;
    return (
      site === stream.site &&
      high <= stream.prefix + STREAM_CAPACITY &&
      known.seq <= high &&
      announced.seq <= high &&
      (streams.length > 1 || (known.lts === known.seq && announced.lts === announced.seq))
    );
  });
}

/** Whether the form counts what survivors sent and this daemon holds, and leaves no hole in what nobody can add to. */
function keepsWhatCounts(record: OldConfigurationRecord, configuration: Configuration): boolean {
  const { transitional } = record;
  return configuration.streams.every((stream, i) => {
    const { high, closed } = record.streams[i] as StreamRecord;
    const holes = holesOf(record, stream.site);
    if (high < stream.high || (closed && !holes.isEmpty)) return false;
    for (let seq = stream.discarded + 1; seq <= stream.high; seq++) {
      const packet = stream.get(seq);
      if (packet !== undefined && holes.has(seq) && transitional.includes(packet.origin)) return false;
    }
    return true;
  });
}

/** Whether a list names nobody twice. */
export function areDistinct(daemons: readonly DaemonId[]): boolean {
  return new Set(daemons).size === daemons.length;
}
