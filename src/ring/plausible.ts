import type { DaemonId } from "../base/ids.ts";
import type { Token } from "../wire/ring-token.ts";
import type { Configuration } from "./configuration.ts";
import { STREAM_CAPACITY } from "./stream.ts";

/** Stamps end long before (`RingConfig.seqMax`). */
const LTS_MAX = 2 ** 31;

/** No configured gap is larger (`ringConfig`), and what is stable at anybody is in the prefix of everybody. */
const AHEAD_MAX = STREAM_CAPACITY / 2;

/**
 * Whether a correct predecessor can have passed this token on to a member that last had the token of `hop`. What fails
 * here is damaged or made up, and would break what the ring relies on: stamps that are used once, arus that only their
 * setter raises, loops over as many packets as can be held. To drop it costs at most a token loss, which heals.
 */
export function isPlausibleToken(token: Token, configuration: Configuration, hop: number): boolean {
  const { local, ring } = configuration;
  const { siteSeq, siteLts } = token;
  const isSetter = (daemon: DaemonId): boolean => daemon === 0 || configuration.isMember(daemon);
  return (
    token.hop <= hop + ring.length &&
    token.linkSeq === siteSeq &&
    // With one site its stamps count the same packets.
    (configuration.hasOneSite ? siteLts === siteSeq : siteLts >= siteSeq && siteLts <= LTS_MAX) &&
    arePlausibleRemotes(token, configuration) &&
    // The token that comes next has seen everything that was sent before it came.
    siteSeq >= local.high &&
    siteSeq <= local.prefix + AHEAD_MAX &&
    token.linkAru <= siteSeq &&
    token.siteAru <= siteLts &&
    token.recovered <= 1 &&
    isSetter(token.linkAruSetter) &&
    isSetter(token.siteAruSetter) &&
    isSetter(token.recoveredSetter)
  );
}

/** Whether the token speaks of just the other sites of the configuration, and vouches for no more than can be held. */
function arePlausibleRemotes({ remotes, siteLts }: Token, { streams, local }: Configuration): boolean {
  if (streams.length === 1) return remotes.length === 0;
  const others = streams.filter((stream) => stream !== local);
  if (remotes.length !== others.length) return false;
  return remotes.every(({ site, seq, lts, aru }, i) => {
    const stream = others[i];
    if (stream === undefined || site !== stream.site) return false;
    return seq <= stream.prefix + AHEAD_MAX && lts >= seq && lts <= LTS_MAX && aru <= Math.max(siteLts, lts);
  });
}
