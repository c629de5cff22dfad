export type { Address } from "./client/address.ts";
export type { ByteStream, StreamListener, Transport } from "./client/byte-stream.ts";
export type { ConnectOptions, ReconnectConfig } from "./client/config.ts";
export type { NodeOptions } from "./client/scalable/options.ts";
export type { ScalableGroup, ScalableSendOptions } from "./client/scalable/group.ts";
export type { TimelyGroup } from "./client/scalable/timely-group.ts";
export { connect } from "./client/connect.ts";
export { type AnyGroup, Connection } from "./client/connection.ts";
export { GroupError, type GroupErrorCode } from "./client/errors.ts";
export type {
  Commit,
  ConnectionEvent,
  Disconnected,
  Expelled,
  FlushRequest,
  Gap,
  GroupEvent,
  Left,
  Lost,
  Message,
  NodeGroupEvent,
  OrderedTimelyEvent,
  PlacedMessage,
  Primary,
  Reconnected,
  Resumed,
  Rollback,
  ScalableEvent,
  Suspended,
  TimelyEvent,
  Transitional,
  View,
} from "./client/events.ts";
export type { CloseOptions, ClosingReport } from "./client/farewell.ts";
export type { Group } from "./client/group.ts";
export type {
  AnyJoinOptions,
  JoinOptions,
  OrderedTimelyJoinOptions,
  ScalableJoinOptions,
  TimelyJoinOptions,
} from "./client/join-options.ts";
export type { GroupSendOptions, Payload, PostOptions, Receipt, SendOptions } from "./client/send.ts";
export { SERVICES, type Service } from "./ordering/service.ts";
export type { NodeFigures, NodeStatistics, RegionFigures, RegionStatistics } from "./wire/native/node-statistics.ts";
export type { TimelyGroupStatistics } from "./ricochet/statistics.ts";
export type { Repairs } from "./wire/timely/repairs.ts";
export type { ViewCause, ViewId } from "./wire/spread/membership.ts";
