import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A way to a server on which it is counted how often one side waits for the other. */
export interface Turns extends AsyncDisposable {
  readonly port: number;
  /** How often the client spoke after it had heard something. */
  readonly count: number;
}

/** Passes on what a client and a server of this machine say to each other. */
export async function startTurns(port: number): Promise<Turns> {
  let count = 0;
  const server = createServer((client) => {
    const remote = connect({ host: "127.0.0.1", port });
    let hasHeard = false;
    client.on("data", (chunk) => {
      if (hasHeard) count += 1;
      hasHeard = false;
      remote.write(chunk);
    });
    remote.on("data", (chunk) => {
      hasHeard = true;
      client.write(chunk);
    });
    for (const [one, other] of [
      [client, remote],
      [remote, client],
    ] as const) {
      one.on("close", () => other.destroy());
      one.on("error", () => other.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    get count() {
      return count;
    },
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}
