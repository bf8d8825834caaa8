import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { startRadosgw } from "../../src/index.ts";
import { clientOf, describeS3Server } from "../s3-server.ts";

describeS3Server("a Ceph RADOS gateway", {
  manners: {
    namesEtag: (etag) => etag.replaceAll('"', ""),
    obeysElsewhere: false,
    copiesRedirects: true,
    missing: 412,
  },
  async open(Bucket) {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-rgw-"));
    const server = await startRadosgw({ folder });
    const client = clientOf(server);
    await client.send(new CreateBucketCommand({ Bucket }));
    client.destroy();
    return {
      ...server,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await rm(folder, { recursive: true, force: true });
      },
    };
  },
});
