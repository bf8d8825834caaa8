import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Which way bytes go: `up` to the server, `down` to the client. */
export type Direction = "up" | "down";

/** A TCP proxy on a loopback port that misbehaves as it is told. */
export interface FaultProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Bytes passed on since it was started. */
  readonly transferred: Readonly<Record<Direction, number>>;
  /** Messages passed on since it was started: all that goes one way until something goes the other way. */
  readonly messages: Readonly<Record<Direction, number>>;
  /** How often connections were ended since it was started. */
  readonly cuts: number;
  /** Ends every connection once `bytes` more have gone that way; the last of them still arrives. */
  cutAfter(direction: Direction, bytes: number): void;
  /** Ends every connection when the message after `messages` more begins that way; nothing of it arrives. */
  cutBeforeMessage(direction: Direction, messages: number): void;
  /** Ends every connection now. */
  cutNow(): void;
  /** Passes nothing on and ends nothing, as a black-holed network does. */
  freeze(): void;
  thaw(): void;
  /** Adds a delay to every chunk, in milliseconds each way. */
  delay(msEachWay: number): void;
  /** Limits each direction of each connection. */
  throttle(bytesPerSecond: number): void;
  /** Whether new connections are refused. */
  refuse(yes: boolean): void;
  /** Whether all that goes up on new connections arrives a second time, on a connection whose answers are lost. */
  repeat(yes: boolean): void;
  /** Takes all faults back; connections that were cut stay cut. */
  heal(): void;
}

interface Faults {
  delayMs: number;
  bytesPerSecond: number;
  refusing: boolean;
  repeating: boolean;
  cut: Cut | undefined;
  /** Resolves when the proxy is thawed. */
  frozen: Promise<void> | undefined;
}

/** What still goes through before every connection ends. */
interface Cut {
  readonly direction: Direction;
  readonly unit: "bytes" | "messages";
  left: number;
  isEnding: boolean;
}

/** Starts a proxy in front of a server. Without faults it only passes bytes on. */
export async function startFaultProxy(upstream: {
  readonly host: string;
  readonly port: number;
}): Promise<FaultProxy> {
  const faults: Faults = {
    delayMs: 0,
    bytesPerSecond: Infinity,
    refusing: false,
    repeating: false,
    cut: undefined,
    frozen: undefined,
  };
  const transferred = { up: 0, down: 0 };
  const messages = { up: 0, down: 0 };
  const sockets = new Set<Socket>();
  let release: () => void = () => {};
  const thaw = (): void => {
    faults.frozen = undefined;
    release();
  };
  let cuts = 0;
  const cutNow = (): void => {
    cuts += 1;
    for (const socket of sockets) socket.destroy();
  };
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    return socket;
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    track(client);
    if (faults.refusing) return client.destroy();
    const remote = track(connect({ ...upstream, allowHalfOpen: true }));
    const turn: Turn = { last: undefined };
    const pass = { faults, transferred, messages, cutNow, turn };
    const copy = faults.repeating ? track(connect({ ...upstream })).resume() : undefined;
    void forward(client, remote, { ...pass, direction: "up", copy });
    void forward(remote, client, { ...pass, direction: "down" });
    return undefined;
  });
  const port = await listen(server);
  return {
    host: "127.0.0.1",
    port,
    transferred,
    messages,
    get cuts() {
      return cuts;
    },
    cutNow,
    cutAfter(direction, bytes) {
      faults.cut = { direction, unit: "bytes", left: bytes, isEnding: false };
    },
    cutBeforeMessage(direction, count) {
      faults.cut = { direction, unit: "messages", left: count, isEnding: false };
    },
    freeze() {
      faults.frozen ??= new Promise((resolve) => {
        release = resolve;
      });
    },
    thaw,
    delay(msEachWay) {
      faults.delayMs = msEachWay;
    },
    throttle(bytesPerSecond) {
      faults.bytesPerSecond = bytesPerSecond;
    },
    refuse(yes) {
      faults.refusing = yes;
    },
    repeat(yes) {
      faults.repeating = yes;
    },
    heal() {
      Object.assign(faults, {
        delayMs: 0,
        bytesPerSecond: Infinity,
        refusing: false,
        repeating: false,
        cut: undefined,
      });
      thaw();
    },
    async [Symbol.asyncDispose]() {
      thaw();
      server.close();
      cutNow();
      if (server.listening) await once(server, "close");
    },
  };
}

interface Pass {
  readonly faults: Faults;
  readonly transferred: Record<Direction, number>;
  readonly messages: Record<Direction, number>;
  readonly direction: Direction;
  readonly turn: Turn;
  /** Gets the same bytes. */
  readonly copy?: Socket | undefined;
  cutNow(): void;
}

/** Which way something went last on a connection. */
interface Turn {
  last: Direction | undefined;
}

/** Passes one direction on, chunk by chunk and in order; delays overlap, so they add latency, not rate. */
async function forward(from: Socket, to: Socket, pass: Pass): Promise<void> {
  const { faults } = pass;
  let sent: Promise<unknown> = Promise.resolve();
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      const due = sleep(faults.delayMs);
      const before = sent;
      sent = (async () => {
        await Promise.all([due, before]);
        await faults.frozen;
        await send(chunk, to, pass);
      })();
      sent.catch(() => undefined);
      if (faults.bytesPerSecond < Infinity)
        await sleep((chunk.length / faults.bytesPerSecond) * 1000);
      if (faults.frozen !== undefined || to.writableNeedDrain) await sent;
    }
    await sent;
    to.end();
    pass.copy?.end();
  } catch {
    to.destroy(); // either side is gone
  }
}

async function send(chunk: Buffer, to: Socket, pass: Pass): Promise<void> {
  if (to.destroyed) return;
  const { faults, direction, transferred, messages, turn } = pass;
  const cut = faults.cut?.direction === direction ? faults.cut : undefined;
  const isNew = turn.last !== direction;
  const part = chunk.subarray(0, allowed(cut, isNew));
  turn.last = direction;
  transferred[direction] += part.length;
  if (cut?.unit === "bytes") cut.left -= part.length;
  if (part.length > 0 && isNew) messages[direction] += 1;
  if (part.length > 0) await write(part, to);
  pass.copy?.write(part);
  if (cut === undefined || cut.left > 0 || cut.isEnding) return;
  if (cut.unit === "messages" && part.length > 0) return; // the next one is not let through
  cut.isEnding = true; // what comes meanwhile is dropped
  await sleep(5); // what was written leaves the socket first
  if (faults.cut === cut) faults.cut = undefined;
  pass.cutNow();
}

/** Bytes of a chunk that go through. */
function allowed(cut: Cut | undefined, isNew: boolean): number {
  if (cut === undefined) return Infinity;
  if (cut.isEnding) return 0;
  if (cut.unit === "bytes") return cut.left;
  if (!isNew) return Infinity;
  if (cut.left === 0) return 0;
  cut.left -= 1;
  return Infinity;
}

async function write(part: Buffer, to: Socket): Promise<void> {
  if (!to.write(part) && !to.destroyed) await Promise.race([once(to, "drain"), once(to, "close")]);
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
