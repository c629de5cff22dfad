/** Who has to have a message, as its sender knows it when the message is stamped (protocols.md G19): too many at worst, never too few. */
export type Interest = {
  /** Whether nobody has to have it but daemons of the sender's own site. */
  readonly isLocal: boolean;
  /** Whether it announces in which messages its sender is interested from now on. */
  readonly announces: boolean;
  /** Whether it may not be stamped yet; `Evs.releaseSessions` when it may. */
  readonly waits: boolean;
};

export const EVERYBODY: Interest = { isLocal: false, announces: false, waits: false };
export const OWN_SITE: Interest = { ...EVERYBODY, isLocal: true };
export const ANNOUNCEMENT: Interest = { ...EVERYBODY, announces: true };
/** For all, but not yet. */
export const NOT_YET: Interest = { ...EVERYBODY, waits: true };
