import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { Duplex } from "node:stream";
import { deferred } from "./deferred.ts";
import { type Master, MOST_SAID, startOther } from "./openssh-master.ts";

/** What ssh says once the other end of a tunnel is there; only at the level of debugging. */
const OPENED = /master session id/;

/** Opens a TCP connection from the host, through an ssh of its own. */
export async function forward(
  master: Master,
  { address, port }: { readonly address: string; readonly port: number },
): Promise<Duplex | "refused" | "denied"> {
  const before = master.said();
  const words = ["-o", "LogLevel=DEBUG1", "-W", `[${address}]:${port}`, "--", master.address];
  const child = startOther(master, words);
  const opened = deferred<boolean>();
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString("utf8")}`.slice(-MOST_SAID);
    if (OPENED.test(said)) opened.resolve(true);
  });
  child.on("close", () => opened.resolve(false));
  child.on("error", () => opened.resolve(false));
  if (await opened.promise) {
    return tunnelOf(child);
  }
  const news = master.said().slice(before.length);
  return /administratively prohibited/.test(news) ? "denied" : "refused";
}

/** Ends as the other end does: what was not yet written when it hung up is no failure of what it said. */
function tunnelOf(child: ChildProcessWithoutNullStreams): Duplex {
  const { stdin, stdout } = child;
  const tunnel = new Duplex({
    read: () => void stdout.resume(),
    write: (chunk: Buffer, _encoding, done) => void stdin.write(chunk, () => done()),
    final: (done) => void stdin.end(() => done()),
    destroy(cause, done) {
      child.kill();
      done(cause);
    },
  });
  stdout.on("data", (chunk: Buffer) => {
    if (!tunnel.push(chunk)) stdout.pause();
  });
  stdout.on("end", () => tunnel.push(null));
  return tunnel;
}
