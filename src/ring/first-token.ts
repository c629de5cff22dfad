import { type Token, UNLIMITED_CREDIT } from "../wire/ring-token.ts";
import type { Configuration } from "./configuration.ts";
import { RemoteSites } from "./remote-sites.ts";

/** The first token of a configuration: made by the last member of its site once FORM2 is read (protocols.md G50). */
export function firstToken(configuration: Configuration): Token {
  return {
    configuration: configuration.id,
    hop: 1,
    linkSeq: 0,
    linkAru: 0,
    linkAruSetter: 0,
    siteSeq: 0,
    siteLts: 0,
    siteAru: 0,
    siteAruSetter: 0,
    rotationBytes: 0,
    waiting: 0,
    idleHops: 0,
    recovered: 0,
    recoveredSetter: 0,
    requests: [],
    remotes: RemoteSites.none(configuration),
    installs: false,
    credit: UNLIMITED_CREDIT,
  };
}
