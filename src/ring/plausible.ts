import type { DaemonId } from "../base/ids.ts";
import type { Token } from "../wire/ring-token.ts";
import type { Configuration } from "./configuration.ts";
import { STREAM_CAPACITY } from "./stream.ts";

/** No configured gap is larger (`ringConfig`), and what is stable at anybody is in the prefix of everybody. */
const AHEAD_MAX = STREAM_CAPACITY / 2;

/**
 * Whether a correct predecessor can have passed this token on to a member that last had the token of `hop`. What fails
 * here is damaged or made up, and would break what the ring relies on: stamps that are used once, arus that only their
 * setter raises, loops over as many packets as can be held. To drop it costs at most a token loss, which heals.
 */
export function isPlausibleToken(token: Token, configuration: Configuration, hop: number): boolean {
  const { local, members } = configuration;
  const { siteSeq } = token;
  const isSetter = (daemon: DaemonId): boolean => daemon === 0 || configuration.isMember(daemon);
  return (
    token.hop <= hop + members.length &&
    // With one site the link, the site and its stamps count the same packets.
    token.linkSeq === siteSeq &&
    token.siteLts === siteSeq &&
    // The token that comes next has seen everything that was sent before it came.
    siteSeq >= local.high &&
    siteSeq <= local.prefix + AHEAD_MAX &&
    token.linkAru <= siteSeq &&
    token.siteAru <= siteSeq &&
    token.recovered <= 1 &&
    isSetter(token.linkAruSetter) &&
    isSetter(token.siteAruSetter) &&
    isSetter(token.recoveredSetter)
  );
}
