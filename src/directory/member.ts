import type { DaemonId } from "../base/ids.ts";
import { nameField } from "../wire/spread/names.ts";
import type { Group } from "./group.ts";

/**
 * A client process as member of groups: one object per process, however many groups it is in, so that a membership
 * costs two references (one from its part of the group, one back to the group).
 */
export class Member {
  /** The user part of its private name, unique at its daemon. */
  readonly user: string;
  /** Its private name, `#user#daemon`. */
  readonly name: string;
  /** Its private name as it stands in frames: 32 bytes, padded with zeros. Never changed. */
  readonly field: Uint8Array;
  readonly roster: Roster;
  /** The groups that it is in, in no order. */
  readonly groups: Group[] = [];
  /** Its place in a list that is just being written. Has no meaning at other times. */
  ordinal = 0;

  constructor(user: string, roster: Roster) {
    this.user = user;
    this.name = `#${user}#${roster.name}`;
    this.field = nameField(this.name);
    this.roster = roster;
  }
}

/** A daemon as the directory knows it, with those of its clients that are members of any group. */
export class Roster {
  readonly daemon: DaemonId;
  /** The daemon's name, as it stands in the private names of its clients. */
  readonly name: string;
  /** Its place in the order of the configuration file. */
  readonly position: number;
  readonly members = new Map<string, Member>();

  constructor(daemon: DaemonId, name: string, position: number) {
    this.daemon = daemon;
    this.name = name;
    this.position = position;
  }

  /** The member of that user, made if there is none yet. */
  intern(user: string): Member {
    let member = this.members.get(user);
    if (member === undefined) {
      member = new Member(user, this);
      this.members.set(user, member);
    }
    return member;
  }
}

/** The order of daemons in every list: as configured, and unknown ones by id. */
export function compareRosters(a: Roster, b: Roster): number {
  return a.position - b.position || a.daemon - b.daemon;
}
