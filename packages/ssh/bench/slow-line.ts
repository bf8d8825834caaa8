import { connect, createServer, type Socket } from "node:net";

/**
 * A process of its own that passes bytes on after a delay each way, in order and without holding back what comes
 * behind. Arguments: port of the server, milliseconds each way. Prints its own port.
 */
const [upstream = "22", delay = "25"] = process.argv.slice(2);

function pass(from: Socket, to: Socket): void {
  from.setNoDelay(true);
  from.on("data", (chunk) => setTimeout(() => to.write(chunk), Number(delay)));
  from.on("end", () => setTimeout(() => to.end(), Number(delay)));
  from.on("error", () => to.destroy());
}

const server = createServer({ allowHalfOpen: true }, (client) => {
  const remote = connect({ host: "127.0.0.1", port: Number(upstream), allowHalfOpen: true });
  pass(client, remote);
  pass(remote, client);
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as { readonly port: number };
  process.stdout.write(`${port}\n`);
});
