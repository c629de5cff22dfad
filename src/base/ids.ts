/**
 * Identifies a daemon in a configuration: an unsigned 32-bit number, by default the hash of its name
 * (Spread's "virtual id"), so that stock Spread tools recognise it.
 */
export type DaemonId = number;

/**
 * Identifies a configuration of daemons (Spread's membership id): the daemon that created it and a time in
 * seconds that is greater than every time any of its members has used before.
 */
export type ConfigurationId = { readonly leader: DaemonId; readonly time: number };

/** The id of no configuration, before the first one is installed. */
export const NO_CONFIGURATION: ConfigurationId = { leader: 0, time: 0 };

export function sameConfiguration(a: ConfigurationId, b: ConfigurationId): boolean {
  return a.leader === b.leader && a.time === b.time;
}

/** A key for maps; equal exactly for equal ids. */
export function configurationKey(id: ConfigurationId): string {
  return `${id.leader}.${id.time}`;
}
