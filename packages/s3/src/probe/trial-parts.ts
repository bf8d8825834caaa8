import type { AwsClient } from "../aws-client.ts";
import type { Owned } from "../sdk-calls.ts";

/** What a server answered: the new ETag, or a status that refuses. */
export type Outcome = { readonly etag: string } | { readonly refused: number };

/** Where an upload in parts is tried out. */
export interface PartsTrial {
  readonly aws: AwsClient;
  readonly place: Owned & { readonly Key: string };
  /** Sends one request, and tells how it was refused. */
  outcome(send: () => Promise<object>): Promise<Outcome>;
}

/** Uploads one small part over an object, and completes it under conditions; what is refused is taken back. */
export async function tryParts(
  { aws, place, outcome }: PartsTrial,
  conditions: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const { sdk, client } = aws;
  let UploadId: string | undefined;
  const begun = await outcome(async () => {
    const started = await client.send(new sdk.CreateMultipartUploadCommand(place));
    ({ UploadId } = started);
    return {};
  });
  if (UploadId === undefined) return "refused" in begun ? begun : { refused: 501 };
  const upload = { ...place, UploadId };
  const Body = Buffer.from("A trial of Lockstep, to be removed: a part");
  const part = { ...upload, PartNumber: 1, Body, ContentLength: Body.byteLength };
  const sent = await outcome(async () => client.send(new sdk.UploadPartCommand(part)));
  const Parts = [{ PartNumber: 1, ETag: "etag" in sent ? sent.etag : "" }];
  const whole = { ...upload, MultipartUpload: { Parts }, ...conditions };
  const completed =
    "refused" in sent
      ? sent
      : await outcome(async () => client.send(new sdk.CompleteMultipartUploadCommand(whole)));
  if ("refused" in completed) await client.send(new sdk.AbortMultipartUploadCommand(upload));
  return completed;
}
