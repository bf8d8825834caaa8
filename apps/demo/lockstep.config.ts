import { readFileSync } from "node:fs";
import { http } from "@lockstep/http";
import { registry as images } from "@lockstep/registry";
import { s3 } from "@lockstep/s3";
import { ssh } from "@lockstep/ssh";
import { defineConfig, localStore, secret } from "lockstep";
import type { Host, Sandbox } from "./src/sandbox.ts";

// Written by `npm start` once its hosts run: their ports are new each time. Your servers have names.
const file = process.env["LOCKSTEP_DEMO"] ?? "sandbox.json";
const sandbox = JSON.parse(readFileSync(file, "utf8")) as Sandbox;
const { artifact, state, hosts, registry, bucket } = sandbox;

// Short, because nobody wants to wait for a demo.
const until = { successes: 2, intervalMs: 200, deadlineMs: 4000 };

const server = ({ login, identity, path, site }: Host) =>
  ssh({
    hosts: [login],
    identity,
    path,
    source: artifact,
    restart: ["shopctl", "restart"],
    checks: [{ http: `${site}/health`, body: "{release}", until }],
    keep: 3,
  });

export default defineConfig({
  project: "shop",
  environments: {
    production: {
      store: localStore({ folder: state, ephemeral: true, ttlMs: 5000 }),
      targets: {
        image: images({
          repository: `${registry}/shop`,
          source: { directory: artifact, base: "scratch", run: { cmd: ["node", "server.mjs"] } },
          network: { plainHttp: true }, // on this machine only
        }),
        ...Object.fromEntries(hosts.map((host) => [host.region, server(host)])),
        pages: s3({
          bucket: bucket.name,
          endpoint: bucket.endpoint,
          region: bucket.region,
          credentials: {
            accessKeyId: bucket.accessKeyId,
            secretAccessKey: secret("S3_SECRET_KEY"),
          },
          source: `${artifact}/public`,
        }),
        users: http({
          checks: [...hosts, bucket].map(({ site }) => ({
            url: `${site}/`,
            body: "Harbor &amp; Pine",
            until,
          })),
        }),
      },
      order: ["image", [...hosts.map(({ region }) => region), "pages"], "users"],
    },
  },
});
