import { randomBytes } from "node:crypto";
// Processor time and requests per second of uploads, both ways, against a sink on this machine.
// node --conditions=@lockstep/source bench/put.ts [uploads] [milliseconds of delay]
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { argv, cpuUsage, stdout } from "node:process";
import { Worker } from "node:worker_threads";
import { openBucket } from "../src/aws-bucket.ts";

const [, , count = "5000", delay = "0"] = argv;

/** Answers every request after a delay, in a thread of its own. */
const SINK = `
const { createServer } = require("node:http");
const { parentPort, workerData } = require("node:worker_threads");
const server = createServer((message, response) => {
  message.resume();
  message.on("end", () => {
    const answer = () => { response.writeHead(200, { etag: '"x"' }); response.end(); };
    if (workerData === 0) answer(); else setTimeout(answer, workerData);
  });
});
server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;

const sink = new Worker(SINK, { eval: true, workerData: Number(delay) });
const [port] = (await once(sink, "message")) as [AddressInfo["port"]];
const body = randomBytes(4096);
for (const engine of ["own", "sdk"] as const) {
  await using bucket = await openBucket(
    {
      bucket: "bench",
      region: "eu-1",
      endpoint: `http://127.0.0.1:${port}`,
      pathStyle: true,
      credentials: "chain",
      expectedBucketOwner: undefined,
      storedWith: {},
      engine,
    },
    {
      env: { AWS_ACCESS_KEY_ID: "KEY", AWS_SECRET_ACCESS_KEY: "SECRET" },
      secret: async () => "",
      random: Math.random,
    },
  );
  const put = (index: number): Promise<unknown> => bucket.put({ key: `k/${index}.html`, body });
  await Promise.all(Array.from({ length: 200 }, (_, index) => put(index)));
  const [before, start] = [cpuUsage(), performance.now()];
  const all = Array.from({ length: Number(count) }, (_, index) => index).values();
  await Promise.all(
    Array.from({ length: 128 }, async () => {
      for (const index of all) await put(index);
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = cpuUsage(before);
  const micros = Math.round((user + system) / Number(count));
  const rate = Math.round(Number(count) / seconds);
  stdout.write(
    `${engine}: ${rate} uploads/s, ${micros} µs of processor time each (with the sink)\n`,
  );
}
await sink.terminate();
