/** Where the parts of a gateway listen and keep their files. */
export interface RadosgwPlan {
  /** Absolute, without spaces. */
  readonly folder: string;
  readonly cluster: string;
  readonly monitorPort: number;
  readonly port: number;
}

/**
 * The configuration of one monitor, one store of objects in memory and one gateway, for tests alone: nobody is
 * asked who they are, and nothing is kept twice.
 *
 * @see Ceph documentation, "Ceph Object Gateway Config Reference"
 */
export function radosgwConfig({ folder, cluster, monitorPort, port }: RadosgwPlan): string {
  return sections({
    global: {
      fsid: cluster,
      "mon host": `[v2:127.0.0.1:${monitorPort}]`,
      ...each(["cluster", "service", "client"], (who) => `auth ${who} required`, "none"),
      // the gateway's own default is to encrypt, which is impossible where nobody is asked for a key
      ...each(
        ["mon client", "mon service", "mon cluster", ...PARTS],
        (who) => `ms ${who} mode`,
        "crc",
      ),
      ...each(["public", "cluster"], (which) => `${which} network`, "127.0.0.0/8"),
      "ms bind msgr1": false,
      "run dir": folder,
      "admin socket": "",
      "crash dir": folder,
      "log file": `${folder}/$name.log`,
      "mon cluster log file": `${folder}/cluster.log`,
      "log to stderr": false,
      "err to stderr": true,
      ...each(QUIET, (part) => `debug ${part}`, "0/0"),
      ...SINGLE,
    },
    mon: {
      "mon data": `${folder}/mon`,
      "mon data avail warn": 1,
      "mon data avail crit": 0,
      ...HASTY,
    },
    osd: { "osd data": `${folder}/osd`, ...IN_MEMORY },
    client: {
      // without it every answer with a body waits 45 ms for the client's acknowledgement
      "rgw frontends": `beast endpoint=127.0.0.1:${port} tcp_nodelay=1`,
      ...GATEWAY,
    },
  });
}

type Settings = Readonly<Record<string, string | number | boolean>>;

const PARTS = ["client", "service", "cluster"];
const QUIET = [
  "ms",
  "auth",
  "monc",
  "mon",
  "paxos",
  "osd",
  "rocksdb",
  "objecter",
  "objclass",
  "rgw",
];

/** One copy on one disk, few placement groups, no manager. */
const SINGLE: Settings = {
  "osd pool default size": 1,
  "osd pool default min size": 1,
  "osd pool default pg num": 4,
  "osd pool default pgp num": 4,
  "osd pool default pg autoscale mode": "off",
  "rgw rados pool pg num min": 4,
  "osd crush chooseleaf type": 0,
  "mon allow pool size one": true,
  "mon warn on pool no redundancy": false,
  "mon max pg per osd": 2000,
};

/** A change of the map takes a second by default, and starting makes many. */
const HASTY: Settings = { "paxos propose interval": 0.05, "paxos min wait": 0.01 };

const IN_MEMORY: Settings = {
  "osd objectstore": "memstore",
  "memstore device bytes": 2 ** 32,
  "osd class load list": "*",
  "osd class default list": "*",
  "osd op num shards": 2,
  "osd op num threads per shard": 1,
  "osd min pg log entries": 20,
  "osd max pg log entries": 100,
  "osd pg log trim min": 20,
};

const GATEWAY: Settings = {
  "rgw thread pool size": 64,
  "rgw enable apis": "s3, s3website, admin",
  "rgw enable static website": true,
  "rgw dns name": "localhost",
  "rgw dns s3website name": "s3-website.localhost",
  "rgw enable usage log": false,
  "rgw enable ops log": false,
  "rgw enable lc threads": false,
  "rgw dynamic resharding": false,
  "rgw override bucket index max shards": 1,
};

function each(parts: readonly string[], name: (part: string) => string, value: string): Settings {
  return Object.fromEntries(parts.map((part) => [name(part), value]));
}

function sections(all: Readonly<Record<string, Settings>>): string {
  return Object.entries(all)
    .map(([name, settings]) => {
      const lines = Object.entries(settings).map(([key, value]) => `${key} = ${String(value)}\n`);
      return `[${name}]\n${lines.join("")}`;
    })
    .join("\n");
}
