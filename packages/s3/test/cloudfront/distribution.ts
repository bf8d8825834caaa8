import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** An invalidation as the distribution took it down. */
export interface Taken {
  readonly name: string;
  readonly paths: readonly string[];
}

/** The one call of CloudFront's own API that is used; never compared with Amazon's server. */
export interface Distribution extends AsyncDisposable {
  readonly endpoint: string;
  readonly id: string;
  readonly taken: Taken[];
  /** Requests, those that were refused and repeated too. */
  asked: number;
  /** Asked for every request: an error code, or the reply gets lost. */
  trouble: () => string | undefined;
}

/** Starts a distribution on a free port of 127.0.0.1. */
export async function startDistribution(): Promise<Distribution> {
  const listener = createServer((message, response) => {
    const serve = async (): Promise<void> => {
      const chunks: Buffer[] = [];
      for await (const chunk of message) chunks.push(chunk as Buffer);
      distribution.asked += 1;
      const body = Buffer.concat(chunks).toString();
      const trouble = distribution.trouble();
      const fail = (status: number, code: string): void => {
        response.writeHead(status, { "content-type": "text/xml" });
        response.end(
          `<ErrorResponse><Error><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>`,
        );
      };
      const isSigned =
        /^AWS4-HMAC-SHA256 Credential=SANDBOXKEY\/\d{8}\/us-east-1\/cloudfront\/aws4_request/;
      if (!isSigned.test(message.headers.authorization ?? "")) return fail(403, "AccessDenied");
      const wanted = `/2020-05-31/distribution/${distribution.id}/invalidation`;
      if (message.url !== wanted) return fail(404, "NoSuchDistribution");
      if (trouble !== undefined && trouble !== "lost reply") {
        return fail(trouble === "AccessDenied" ? 403 : 400, trouble);
      }
      const name = /<CallerReference>([^<]+)</.exec(body)?.[1] ?? "";
      const paths = [...body.matchAll(/<Path>([^<]+)<\/Path>/g)].map(([, path = ""]) => path);
      const known = distribution.taken.find((one) => one.name === name);
      if (known !== undefined && known.paths.join() !== paths.join()) {
        return fail(400, "InvalidationBatchAlreadyExists");
      }
      if (known === undefined) distribution.taken.push({ name, paths });
      if (trouble === "lost reply") message.socket.destroy();
      else response.writeHead(201, { "content-type": "text/xml" }).end("<Invalidation/>");
    };
    serve().catch(() => message.socket.destroy());
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const distribution: Distribution = {
    endpoint: `http://127.0.0.1:${port}`,
    id: "EDFDVBD6EXAMPLE",
    taken: [],
    asked: 0,
    trouble: () => undefined,
    async [Symbol.asyncDispose]() {
      listener.close();
      listener.closeAllConnections();
      await once(listener, "close");
    },
  };
  return distribution;
}
