import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FaultProxy, startFaultProxy } from "../src/index.ts";

let server: Server;
let proxy: FaultProxy;
let sockets: Socket[];

/** A server that answers every byte with the same byte, and an end with an end. */
beforeEach(async () => {
  sockets = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  proxy = await startFaultProxy({ host: "127.0.0.1", port });
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await proxy[Symbol.asyncDispose]();
  server.close();
  await once(server, "close");
});

interface Talk {
  readonly socket: Socket;
  /** What came back so far. */
  heard(): number;
  readonly closed: Promise<unknown>;
}

async function talk(): Promise<Talk> {
  const socket = connect({ host: proxy.host, port: proxy.port });
  sockets.push(socket);
  let heard = 0;
  socket.on("data", (chunk) => (heard += chunk.length));
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  return { socket, heard: () => heard, closed };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("a fault proxy", () => {
  it("passes everything on, both ways and to the end, and counts it", async () => {
    const { socket, heard, closed } = await talk();
    const ended = once(socket, "end");

    socket.end(Buffer.alloc(1 << 20));
    await ended;
    await closed;

    expect(heard()).toBe(1 << 20);
    expect(proxy.transferred).toEqual({ up: 1 << 20, down: 1 << 20 });
  });

  it.each([0, 1, 70_000])("ends a connection after %i bytes of what goes up", async (bytes) => {
    const { socket, closed } = await talk();
    proxy.cutAfter("up", bytes);

    socket.write(Buffer.alloc(200_000));
    await closed;

    expect(proxy.transferred.up).toBe(bytes);
  });

  it("lets the last of the counted bytes arrive", async () => {
    const { socket, heard, closed } = await talk();
    proxy.cutAfter("down", 5);

    socket.write("0123456789");
    await closed;

    expect(heard()).toBe(5);
  });

  it("cuts once: the next connection works", async () => {
    const first = await talk();
    proxy.cutAfter("up", 1);
    first.socket.write("ab");
    await first.closed;

    const second = await talk();
    second.socket.write("abc");

    await expect.poll(second.heard).toBe(3);
  });

  it("freezes without ending anything, and loses nothing when thawed", async () => {
    const { socket, heard } = await talk();
    proxy.freeze();
    socket.write("abc");
    await pause(60);
    const meanwhile = [heard(), socket.destroyed];
    proxy.thaw();

    await expect.poll(heard).toBe(3);
    expect(meanwhile).toEqual([0, false]);
  });

  it("delays each way, without getting slower the more is on its way", async () => {
    const tookMs: number[] = [];
    // One after the other they would take 800 ms every time; a busy machine is not always busy.
    while (tookMs.length < 5 && !tookMs.some((ms) => ms < 400)) {
      const { socket, heard } = await talk();
      proxy.delay(40);
      const begun = performance.now();
      for (let sent = 0; sent < 10; sent += 1) {
        socket.write("x");
        await pause(2);
      }
      await expect.poll(heard, { interval: 5 }).toBe(10);
      tookMs.push(performance.now() - begun);
    }

    expect(Math.min(...tookMs)).toBeGreaterThanOrEqual(80);
    expect(Math.min(...tookMs)).toBeLessThan(400);
  });

  it("holds a rate", async () => {
    const { socket, heard } = await talk();
    proxy.throttle(200_000);
    const begun = performance.now();

    socket.write(Buffer.alloc(40_000));
    socket.write("last");
    await expect.poll(heard, { interval: 5 }).toBe(40_004);

    expect(performance.now() - begun).toBeGreaterThanOrEqual(180);
  });

  it("ends what is connected now, and later connections work", async () => {
    const { closed } = await talk();
    proxy.cutNow();
    await closed;

    const next = await talk();
    next.socket.write("a");

    await expect.poll(next.heard).toBe(1);
  });

  it("refuses new connections until it is healed", async () => {
    proxy.refuse(true);
    const refused = await talk();
    await refused.closed;
    proxy.freeze();
    proxy.cutAfter("up", 0);
    proxy.heal();

    const next = await talk();
    next.socket.write("a");

    await expect.poll(next.heard).toBe(1);
  });
});
