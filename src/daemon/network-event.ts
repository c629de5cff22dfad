/** What happens between this daemon and others below their protocols: it concerns streams (`Dissemination`). */
export type NetworkEvent = {
  /**
   * `refused`: a stream led to somebody else than it should, or came from one; `disagreement`: another daemon is told to send in a way that this one
   * does not hear, or the other way round.
   */
  readonly what: "up" | "down" | "refused" | "disagreement";
  /** Name of the daemon that it is about, as far as that is known. */
  readonly daemon: string | undefined;
  readonly message: string;
};
