import type { SshConnection } from "../src/index.ts";

/** What was waited for on the way to and from the hosts of a connection. */
export interface Waits {
  /** Round trips, all hosts together, without those of logging in. */
  roundTrips: number;
}

/** Round trips of a command in a channel of its own: the channel, the command, the answer. */
const CHANNEL_TRIPS = 3;

/** The same connection, its round trips counted. */
export function counted(connection: SshConnection): SshConnection & Waits {
  const waits: Waits = { roundTrips: 0 };
  const hosts = connection.hosts.map((host): (typeof connection.hosts)[number] => ({
    name: host.name,
    place: host.place,
    run(...args) {
      waits.roundTrips += 1;
      return host.run(...args);
    },
    runIfOpen: (script) => host.runIfOpen(script),
    runLast: (script) => host.runLast(script),
    prepare: (...args) => host.prepare(...args),
    exec(...args) {
      waits.roundTrips += CHANNEL_TRIPS;
      return host.exec(...args);
    },
    tunnel(...args) {
      waits.roundTrips += 1;
      return host.tunnel(...args);
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  }));
  return Object.defineProperty({ ...connection, hosts, ...waits }, "roundTrips", {
    get: () => waits.roundTrips,
  });
}
