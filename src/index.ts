export type { Address } from "./client/address.ts";
export type { ByteStream, StreamListener, Transport } from "./client/byte-stream.ts";
export type { ConnectOptions, ReconnectConfig } from "./client/config.ts";
export { connect } from "./client/connect.ts";
export { Connection } from "./client/connection.ts";
export { GroupError, type GroupErrorCode } from "./client/errors.ts";
export type {
  ConnectionEvent,
  Disconnected,
  FlushRequest,
  Gap,
  GroupEvent,
  Left,
  Message,
  Primary,
  Reconnected,
  Transitional,
  View,
} from "./client/events.ts";
export type { Group } from "./client/group.ts";
export type { JoinOptions } from "./client/join-options.ts";
export type { GroupSendOptions, Payload, Receipt, SendOptions } from "./client/send.ts";
export { SERVICES, type Service } from "./ordering/service.ts";
export type { ViewCause, ViewId } from "./wire/spread/membership.ts";
